"""How credentials are kept out of stores, logs and messages. Pure.

What is blanked is what is kept and what is shown, never the request that goes out. What a credential
is stands in `credentials`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cachesaver.credentials import (
    ACCOUNT_HEADERS,
    SECRET_ANSWERS,
    SECRET_FIELDS,
    SECRET_HEADERS,
    SECRET_QUERY,
    TOKEN_SHAPES,
    credentials,
)
from cachesaver.exchange import Headers, Request, Response

__all__ = [
    "BLANK",
    "SECRET_HOLDERS",
    "SECRET_NAMES",
    "hides_credentials",
    "redact_headers",
    "redact_response",
    "redact_text",
    "secrets_in",
]

BLANK = b"[redacted]"

SECRET_NAMES = frozenset(
    {
        *(path.rpartition(".")[2] for path in SECRET_FIELDS if not path.endswith((".*", ".key"))),
        "apikey",
        "client_secret",  # RFC 6749, section 2.3.1
        "refresh_token",  # RFC 6749, section 6
        "id_token",  # OpenID Connect Core, section 2
        "password",  # RFC 6749, section 4.3
        "connection_string",  # Azure's data sources: names a database, with the key to it
        # https://docs.litellm.ai/docs/providers/bedrock: credentials of the call
        "aws_secret_access_key",
        "aws_session_token",
        "private_key",  # Google's service accounts
    }
)
"""Members whose text is a credential wherever they stand in a body, for what is kept and shown."""

SECRET_HOLDERS = frozenset(
    {
        "headers",  # of a tool: whatever its server takes for a credential
        "authentication",  # Azure's data sources: a key, or who may use one
    }
)
"""Members all of whose texts are blanked, for what is kept and shown."""

_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
"""A string of JSON: no quote stands in one but after a backslash, so a name is found nowhere else."""

_ANY_NAME = "|".join(sorted(SECRET_NAMES)).encode()

_SIGNATURE = rb"(?i:sig|x-(?:amz|goog)-signature)=)[^&\"'\s\\]+"
"""Azure's, AWS's, Google's."""

_KEY = (
    rb"(?i:%s)=)(?=[^&\"'\s\\]{0,256}\d)[^&\"'\s\\#<>()\[\]{}$]{16,}"
    % "|".join(sorted(SECRET_QUERY | SECRET_ANSWERS)).encode()
)
"""Where APIs send one on, or say where to come back to."""

_MADE_UP = rb"(?=[^\"]{0,256}\d)(?=[^\"]{0,256}[A-Za-z])(?:[A-Za-z0-9._~+/=:;%|-]|\\{1,7}/)"
"""A character of what a machine made up; some encoders put a backslash before each slash."""

_Place = tuple[str, bytes, re.Pattern[bytes]]

_ADDRESSES: tuple[_Place, ...] = (
    (
        "userinfo of an address",  # RFC 3986, section 3.2.1
        b"://",
        re.compile(rb"(://)[^\s/?#\"'@:]+:[^\s/?#\"'@]+(?=@)"),
    ),
    ("signature of an address", b"://", re.compile(rb"([?&]" + _SIGNATURE)),
    ("key in an address", b"=", re.compile(rb"([?&#]" + _KEY)),
    # The same after a `&` as JSON and HTML have it: by themselves, for hardly a text has one.
    *(
        (kind, escaped, re.compile(rb"(" + escaped + field))
        for kind, field in (("signature of an address", _SIGNATURE), ("key in an address", _KEY))
        for escaped in (b"u0026", b"&amp;")
    ),
)
"""Where one stands in the addresses of a text."""

_PLACES: tuple[_Place, ...] = (
    (
        "member of a body",
        b'"',
        re.compile(rb'("(?i:%s)"\s*:\s*")[^"\\]*+(?:\\.[^"\\]*+)*+' % _ANY_NAME, re.DOTALL),
    ),
    (
        "field of a form",  # sorted and spelled anew
        b"form\n",
        re.compile(rb"((?:\A|[\n&])(?i:%s)=)[^&\n\"\\]+" % _ANY_NAME),
    ),
    (
        "token in a body",  # of those who hand out tokens; models' tokens are bits of words
        b'"',
        re.compile(rb'("(?i:token)"\s*:\s*")%s{20,}(?=")' % _MADE_UP),
    ),
    (
        "member of a text in a body",  # JSON that a tool or a model said; where prose says one it stays
        rb"\"",
        re.compile(
            rb'(\\"(?i:%s|token)\\{1,7}"\s*:\s*\\{1,7}")%s{16,}(?=\\)' % (_ANY_NAME, _MADE_UP)
        ),
    ),
    *_ADDRESSES,
)
"""Where a credential stands in a text, whatever its shape: what place that is, without what there is
none, and the place, whose first group stays."""

_HOLDER = re.compile(
    rb'"(?:%s)"\s*+:\s*+\{(?:\s*+%s\s*+:\s*+%s\s*+,?)++\s*+\}'
    % ("|".join(sorted(SECRET_HOLDERS)).encode(), _TEXT, _TEXT),
    re.DOTALL,
)
_HELD = re.compile(rb'("(?!type")[^"]*"\s*:\s*")[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


def redact_text(text: bytes, request: Request) -> bytes:
    """Return *text*, what *request* says, with every credential in it blanked.

    That is: its own, whatever has the shape of one or stands where one is meant to stand.
    """
    text = TOKEN_SHAPES.sub(BLANK, _without(text, credentials(request)))
    for _, sign, place in _PLACES:
        if sign in text:
            text = place.sub(rb"\1" + BLANK, text)
    if any(b'"%s"' % name.encode() in text for name in SECRET_HOLDERS):
        text = _HOLDER.sub(_emptied, text)
    return text


def secrets_in(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Iterate what `redact_text` would blank in *text*, of whatever request: the kind of place, and it."""
    for found in TOKEN_SHAPES.finditer(text):
        yield "token", found[0]
    told = set[tuple[int, int]]()
    for kind, sign, place in _PLACES:
        for found in place.finditer(text) if sign in text else ():
            if (
                span := (found.end(1), found.end())
            ) not in told:  # a field of a form, and of a query
                told.add(span)
                yield kind, found[0].removeprefix(found[1])
    for holder in _HOLDER.finditer(text):
        for found in _HELD.finditer(holder[0].partition(b"{")[2]):
            yield "member of headers in a body", found[0].removeprefix(found[1])


def _emptied(holder: re.Match[bytes]) -> bytes:
    name, brace, members = holder[0].partition(b"{")
    return name + brace + _HELD.sub(rb"\1" + BLANK, members)


def redact_headers(headers: Headers) -> Headers:
    """Return *headers* less those that hold credentials or name an account.

    Credentials in addresses (`Location`) are blanked.
    """
    return tuple(
        (name, _with_addresses_blanked(value))
        for name, value in headers
        if name.lower() not in SECRET_HEADERS and name.lower() not in ACCOUNT_HEADERS
    )


def _with_addresses_blanked(value: str) -> str:
    text = told = value.encode("latin-1", "replace")
    for _, sign, place in _ADDRESSES:
        if sign in text:
            text = place.sub(rb"\1" + BLANK, text)
    return value if text is told else text.decode("latin-1")


def redact_response(
    response: Response,
    request: Request,
    body: Mapping[str, object] = MappingProxyType({}),
    *,
    unread: bool = False,
) -> Response:
    """Return *response* as it may be kept: secret headers gone, the request's own keys blanked.

    Those of its *body* too, which servers echo with the tools. The arguments are `credentials`'.

    Token shapes inside the body stay: models write made-up keys into code all the time, and what
    a replay gives must be what the first caller saw. The caller's own credential never stays.
    """
    secrets = credentials(request, body, unread=unread)
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
