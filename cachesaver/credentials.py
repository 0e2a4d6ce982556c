"""What is a credential, and where in a request one stands. Pure.

Tables first; a row is added with its source. Header, query and member names are lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast
from urllib.parse import unquote, unquote_plus, urlsplit

from cachesaver.exchange import Request

__all__ = [
    "ACCOUNT_HEADERS",
    "PERHAPS_SECRET",
    "SECRET_ANSWERS",
    "SECRET_AT",
    "SECRET_FIELDS",
    "SECRET_HEADERS",
    "SECRET_MEMBERS",
    "SECRET_QUERY",
    "TOKEN_SHAPES",
    "account",
    "body_secrets",
    "credentials",
    "is_no_placeholder",
    "is_secret",
]

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
        "api_key",
        "apikey",
        "api-key",
        "access_token",  # RFC 6750, section 2.3
        "x-amz-credential",  # AWS presigned URLs
        "x-amz-signature",
        "x-amz-security-token",
        "subscription-key",  # Azure API Management
    }
)
"""Fields of a query that hold a credential on every host."""

SECRET_AT: Mapping[str, str] = MappingProxyType(
    {
        # https://cloud.google.com/docs/authentication/api-keys-use
        "key": r"(?:[\w-]+\.)*googleapis\.com",
        # https://learn.microsoft.com/azure/storage/common/storage-sas-overview, and Logic Apps
        "sig": r"(?:[\w-]+\.)+(?:core\.windows\.net|logic\.azure\.com|api\.powerplatform\.com)",
        # https://learn.microsoft.com/azure/azure-functions/function-keys-how-to
        "code": r"(?:[\w-]+\.)+azurewebsites\.net",
    }
)
"""Those that do on the hosts of a pattern."""

SECRET_ANSWERS = frozenset(
    {
        "token",  # of downloads, sessions and invitations
        "refresh_token",  # RFC 6749, section 6
        "id_token",  # OpenID Connect Core, section 3.2.2.5: in the fragment
        "client_secret",  # RFC 6749, section 2.3.1
    }
)
"""Fields that do, besides, in the addresses that answers and texts name."""

PERHAPS_SECRET = frozenset({"key", "token", "auth", "sig", "signature"})
"""Those that do in front of every API we know, and elsewhere may be words of a question."""

SECRET_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "api_key": "https://docs.litellm.ai/docs/proxy/clientside_auth",
        "mcp_servers.*.authorization_token": (
            "https://platform.claude.com/docs/en/agents-and-tools/mcp-connector"
        ),
        "tools.*.authorization": (
            "https://platform.openai.com/docs/guides/tools-connectors-mcp: not kept by OpenAI"
        ),
        "tools.*.headers.*": "the same page, and https://ai.google.dev/api/interactions-api",
        "data_sources.*.parameters.authentication.key": (
            "https://learn.microsoft.com/azure/ai-services/openai/references/on-your-data"
        ),
        "data_sources.*.parameters.authentication.encoded_api_key": "the same page",
        "data_sources.*.parameters.authentication.access_token": "the same page",
    }
)
"""Where the APIs we know take a credential in the body. It is no part of a question, as those in
headers are none. The last `*` stands for names of `SECRET_HEADERS`: the others may shape answers."""

# Every row begins with one certain character: one that does not would make the search ten times slower.
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
            # JWT, RFC 7519; of several beginnings in a row only the last may be one
            rb"eyJ(?=[\w-]{10})(?:[A-Za-df-z0-9_-]++|e(?!yJ))++\.eyJ[\w-]{10,}+\.[\w-]{10,}",
            rb"1//0[A-Za-z0-9_-]{30,}",  # Google OAuth refresh tokens
            rb"ABSK[A-Za-z0-9+/]{40,}={0,2}",  # Bedrock API keys, for long
            rb"bedrock-api-key-[A-Za-z0-9+/]{40,}={0,2}",  # the same, for twelve hours
            rb"nvapi-[A-Za-z0-9_-]{40,}",  # NVIDIA
            rb"github_pat_[A-Za-z0-9_]{40,}",  # GitHub, fine-grained
            rb"glpat-[A-Za-z0-9_-]{20,}",  # GitLab
            rb"sk_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
            rb"rk_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe, restricted
            rb"tvly-[A-Za-z0-9-]{20,}",  # Tavily
            rb"jina_[A-Za-z0-9_-]{40,}",  # Jina
            rb"-----BEGIN (?:[A-Z]{1,9} ){0,2}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\+[nr])*",  # RFC 7468
        )
    )
)

_SHORTEST, _LONG = 8, 20
"""Characters. What is shorter than the first is a placeholder, and blanking it would mangle text; from
the second on a credential needs no digit to be one."""


_MADE = re.compile(
    r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=]{20,}"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
"""What a machine made up, and no word, model or date is."""


def credentials(
    request: Request,
    body: Mapping[str, object] = MappingProxyType({}),
    *,
    unread: bool = False,
) -> frozenset[bytes]:
    """Return the secrets that *request* carries in headers, query, userinfo and body, as bytes.

    Args:
        request: Any.
        body: Its parsed JSON object; empty where that does not matter.
        unread: Whether nothing is known of its API: then what may be a word of the question, and
            does not look like a key, is none.
    """
    told = [each for _, value in body_secrets(body) for each in _less_scheme(value)]
    values = (*_secrets(request, unread=unread), *told)
    secrets = {value.encode("utf-8", "replace") for value in values if is_no_placeholder(value)}
    return frozenset({*secrets, *(secret.replace(b"/", rb"\/") for secret in secrets)})


def account(request: Request, body: Mapping[str, object]) -> frozenset[bytes]:
    """Return what tells who asks *request*, with *body*: to be compared, never to be kept."""
    named = (request.header(name) for name in ACCOUNT_HEADERS)
    told = (*(value for value in named if value), *(value for _, value in body_secrets(body)))
    return credentials(request) | {value.encode("utf-8", "replace") for value in told}


def body_secrets(
    body: Mapping[str, object],
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Iterate what credentials stand in *body* where an API takes them: the steps to each, and it."""
    for top, rows in _STEPS.items():
        if top in body and _may_hold(body[top]):
            for steps in rows:
                yield from _told(body[top], steps, (top,))


def _rows(top: str) -> tuple[tuple[str, ...], ...]:
    paths = (path.split(".") for path in SECRET_FIELDS)
    return tuple(tuple(steps) for first, *steps in paths if first == top)


SECRET_MEMBERS = frozenset(path.split(".")[0] for path in SECRET_FIELDS)
"""Members of a body in which there may be one: without any, nobody has to look."""

_STEPS = {top: _rows(top) for top in sorted(SECRET_MEMBERS)}
"""By the member that they begin with, the steps below it to where credentials may stand."""

_IN_ITEMS = frozenset(steps[1] for rows in _STEPS.values() for steps in rows if steps)


def _may_hold(value: object) -> bool:
    """Tell quickly where there is none: in most lists of tools."""
    if not isinstance(value, list):
        return True
    items = cast("list[object]", value)
    return any(
        not _IN_ITEMS.isdisjoint(cast("dict[str, object]", item))
        for item in items
        if isinstance(item, dict)
    )


def _told(
    value: object, steps: tuple[str, ...], at: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not steps:
        if isinstance(value, str):
            yield at, value
    elif isinstance(value, list):
        for place, item in enumerate(cast("list[object]", value)):
            if isinstance(item, dict) and steps[1] in item:
                yield from _told(cast("object", item), steps[1:], (*at, place))
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        if steps[0] != "*":
            found = [steps[0]] if steps[0] in members else []
        else:
            found = [name for name in members if name.lower() in SECRET_HEADERS]
        for name in found:
            yield from _told(members[name], steps[1:], (*at, name))


def is_no_placeholder(value: str) -> bool:
    """Tell a key from what stands where one is asked for and not needed: "lm-studio", "none"."""
    return len(value) >= _LONG or (len(value) >= _SHORTEST and any(map(str.isdigit, value)))


def is_secret(name: str, host: str) -> bool:
    """Tell whether the query field *name* holds a credential on *host*, both lower case."""
    return name in SECRET_QUERY or (
        name in SECRET_AT and re.fullmatch(SECRET_AT[name], host) is not None
    )


def _secrets(request: Request, *, unread: bool) -> Iterator[str]:
    for name, value in request.headers:
        if name.lower() in SECRET_HEADERS:
            yield from _less_scheme(value)
    parts = urlsplit(request.url)
    for secret in (parts.username, parts.password):
        if secret:
            yield secret
            yield unquote(secret)
    for pair in parts.query.split("&"):
        field, _, value = pair.partition("=")
        name = unquote(field).lower()
        perhaps = name in PERHAPS_SECRET and (not unread or _looks_made(unquote(value)))
        if perhaps or is_secret(name, (parts.hostname or "").lower()):
            yield value
            yield unquote_plus(value)


def _less_scheme(value: str) -> Iterator[str]:
    yield value
    yield value.rpartition(" ")[2]  # less "Bearer", "Basic", "Token"


def _looks_made(value: str) -> bool:
    return bool(_MADE.fullmatch(value) or TOKEN_SHAPES.fullmatch(value.encode()))
