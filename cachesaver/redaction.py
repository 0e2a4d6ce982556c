"""What is a credential, and how it is kept out of stores, logs and messages. Pure.

Tables first; a row is added with its source. Header and query names are lower case.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus, urlsplit

from cachesaver.exchange import Headers, Request, Response

__all__ = [
    "BLANK",
    "SECRET_HEADERS",
    "SECRET_QUERY",
    "TOKEN_SHAPES",
    "account",
    "credentials",
    "hides_credentials",
    "redact_headers",
    "redact_response",
    "redact_text",
]

BLANK = b"[redacted]"

SECRET_HEADERS = frozenset(
    {
        "authorization",  # RFC 9110, section 11.6.2
        "proxy-authorization",  # RFC 9110, section 11.7.2
        "cookie",  # RFC 6265
        "set-cookie",  # RFC 6265
        "x-api-key",  # Anthropic, https://docs.anthropic.com/en/api/overview
        "api-key",  # Azure OpenAI, https://learn.microsoft.com/azure/ai-services/openai/reference
        "ocp-apim-subscription-key",  # Azure API Management
        "x-goog-api-key",  # Gemini, https://ai.google.dev/api
        "x-amz-security-token",  # AWS SigV4, temporary credentials
        "x-auth-token",  # OpenStack Keystone and its like
        "x-auth-key",  # Cloudflare, https://developers.cloudflare.com/api
        "xi-api-key",  # ElevenLabs
        "x-token",
        "x-access-token",
        "helicone-auth",  # Helicone gateway
        "x-portkey-api-key",  # Portkey gateway
        "cf-aig-authorization",  # Cloudflare AI gateway
    }
)

ACCOUNT_HEADERS = frozenset(
    {
        "openai-organization",  # names the account; sent back by OpenAI
        "openai-project",
        "anthropic-organization-id",
        "x-goog-user-project",
    }
)

SECRET_QUERY = frozenset(
    {
        "key",  # Google API keys, https://cloud.google.com/docs/authentication/api-keys
        "api_key",
        "apikey",
        "api-key",
        "access_token",  # RFC 6750, section 2.3
        "token",
        "auth",
        "sig",  # Azure shared access signatures
        "signature",
        "x-amz-credential",  # AWS presigned URLs
        "x-amz-signature",
        "x-amz-security-token",
        "subscription-key",  # Azure API Management
    }
)

TOKEN_SHAPES = re.compile(
    rb"|".join(
        (
            rb"sk-(?:ant-|proj-|or-v1-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",  # OpenAI and kin
            rb"ek_[A-Za-z0-9_-]{20,}",  # OpenAI realtime client secrets
            rb"AIza[A-Za-z0-9_-]{35}",  # Google API keys
            rb"ya29\.[A-Za-z0-9_-]{20,}",  # Google OAuth access tokens
            rb"gsk_[A-Za-z0-9]{20,}",  # Groq
            rb"hf_[A-Za-z0-9]{20,}",  # Hugging Face
            rb"r8_[A-Za-z0-9]{20,}",  # Replicate
            rb"xai-[A-Za-z0-9]{20,}",  # xAI
            rb"pplx-[A-Za-z0-9]{20,}",  # Perplexity
            rb"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS access key ids
            rb"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
            rb"xox[abposr]-[A-Za-z0-9-]{10,}",  # Slack
            rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",  # JWT, RFC 7519
            rb"1//0[A-Za-z0-9_-]{30,}",  # Google OAuth refresh tokens
        )
    )
)

_SHORTEST, _LONG = 8, 20
"""Characters. What is shorter than the first is a placeholder, and blanking it would mangle text; from
the second on a credential needs no digit to be one."""


def credentials(request: Request) -> frozenset[bytes]:
    """Return the secrets that *request* carries in headers, query and userinfo, as bytes."""
    secrets = {
        value.encode("utf-8", "replace") for value in _secrets(request) if _is_no_placeholder(value)
    }
    return frozenset({*secrets, *(secret.replace(b"/", rb"\/") for secret in secrets)})


def account(request: Request) -> frozenset[bytes]:
    """Return what tells who is billed for *request*: to be compared, never to be kept."""
    named = (request.header(name) for name in ACCOUNT_HEADERS)
    return credentials(request) | {value.encode() for value in named if value}


def _is_no_placeholder(value: str) -> bool:
    """Tell a key from what stands where one is asked for and not needed: "lm-studio", "none"."""
    return len(value) >= _LONG or (len(value) >= _SHORTEST and any(map(str.isdigit, value)))


def _secrets(request: Request) -> Iterator[str]:
    for name, value in request.headers:
        if name.lower() in SECRET_HEADERS:
            yield value
            yield value.rpartition(" ")[2]  # less "Bearer", "Basic", "Token"
    parts = urlsplit(request.url)
    for secret in (parts.username, parts.password):
        if secret:
            yield secret
            yield unquote(secret)
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if unquote(name).lower() in SECRET_QUERY:
            yield value
            yield unquote_plus(value)


def redact_text(text: bytes, request: Request) -> bytes:
    """Return *text* with known token shapes and the credentials of *request* blanked."""
    return TOKEN_SHAPES.sub(BLANK, _without(text, credentials(request)))


def redact_headers(headers: Headers) -> Headers:
    """Return *headers* less those that hold credentials or name an account."""
    return tuple(
        (name, value)
        for name, value in headers
        if name.lower() not in SECRET_HEADERS and name.lower() not in ACCOUNT_HEADERS
    )


def redact_response(response: Response, request: Request) -> Response:
    """Return *response* as it may be kept: secret headers gone, the request's own keys blanked.

    Token shapes inside the body stay: models write made-up keys into code all the time, and what
    a replay gives must be what the first caller saw. The caller's own credential never stays.
    """
    secrets = credentials(request)
    headers = tuple(
        (name, _without(value.encode("latin-1", "replace"), secrets).decode("latin-1"))
        for name, value in redact_headers(response.headers)
    )
    if not any(secret in response.body for secret in secrets):
        chunks, offsets = response.chunks, response.offsets
    else:
        # A secret may lie across a seam: the seams go.
        chunks, offsets = (_without(response.body, secrets),), response.offsets[-1:]
    return Response(
        status=response.status,
        headers=headers,
        chunks=chunks,
        offsets=offsets,
        reason=response.reason,
    )


def hides_credentials(response: Response, request: Request) -> bool:
    """Tell whether *response* holds a credential of *request* where none can be blanked.

    The frames of AWS carry checksums, and the chunks of InvokeModel what a model said as base64.
    """
    if response.content_type != _FRAMES:
        return False
    told = b"".join(map(_from_base64, _CHUNKS.findall(response.body)))
    return any(secret in response.body or secret in told for secret in credentials(request))


_FRAMES = "application/vnd.amazon.eventstream"
_CHUNKS = re.compile(rb'"bytes": ?"([A-Za-z0-9+/]+={0,2})"')


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def _without(text: bytes, secrets: frozenset[bytes]) -> bytes:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, BLANK)
    return text
