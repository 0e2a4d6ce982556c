"""Secrets in recordings, of whatever format: where one stands, and of which kind it is. Pure.

What a secret is stands in `credentials` and `redaction`; here it is looked for in every part of every
interaction, and in the text of the file besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, unquote_plus, urlsplit

from cachesaver.cassettes.readers import plain_text, read
from cachesaver.cassettes.readers.values import Interaction
from cachesaver.credentials import (
    ACCOUNT_HEADERS,
    PERHAPS_SECRET,
    SECRET_HEADERS,
    TOKEN_SHAPES,
    is_no_placeholder,
    is_secret,
)
from cachesaver.encoding import decoded
from cachesaver.exchange import Headers, Request, Response
from cachesaver.redaction import secrets_in

__all__ = ["Finding", "scan", "secrets_in_header"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A secret, and where it stands.

    Attributes:
        secret: Whole: never to be shown.
        kind: Such as "header authorization", "query key", "token".
        side: "request", "response", or "file" where it stands in neither.
        place: Which of the file's interactions, from 0; -1 where it stands in none.
        line: Of the file, from 1; 0 where it does not stand there as it is (base64, gzip).
    """

    secret: bytes = field(repr=False)
    kind: str
    side: str
    place: int
    line: int

    @property
    def shown(self) -> str:
        """Its beginning, no more than a quarter of it, and its length."""
        text = self.secret.decode("utf-8", "replace")
        return f"{text[: min(6, len(text) // 4)]}… ({len(text)} characters)"


def scan(content: bytes, *, location: str, accounts: bool = False) -> Iterator[Finding]:
    """Iterate the secrets of the file at *location*, each once for each kind, side and interaction.

    Args:
        content: Of the file, as it is.
        location: Its name.
        accounts: Whether headers that name an account (organisation, project) count, too.

    Raises:
        CassetteError, ConfigurationError: It cannot be read; see `readers.read`.
    """
    text, told = plain_text(content, location=location), set[bytes]()
    for interaction in read(content, location=location):
        found = dict.fromkeys(_found(interaction, accounts=accounts))
        for side, kind, secret in found:
            told.add(secret)
            yield Finding(
                secret=secret,
                kind=kind,
                side=side,
                place=interaction.place,
                line=_line(text, secret, interaction.line),
            )
    for secret in dict.fromkeys(match[0] for match in TOKEN_SHAPES.finditer(text)):
        if _counts(secret) and not any(secret in each for each in told):
            yield Finding(
                secret=secret, kind="token", side="file", place=-1, line=_line(text, secret, 1)
            )


def _found(interaction: Interaction, *, accounts: bool) -> Iterator[tuple[str, str, bytes]]:
    names = SECRET_HEADERS | ACCOUNT_HEADERS if accounts else SECRET_HEADERS
    request, response = interaction.request, interaction.response
    asked = (*_in_headers(request.headers, names), *_in_url(request), *_in_request(request))
    told = (*_in_headers(response.headers, names), *_in_response(response))
    for side, found in (("request", asked), ("response", told)):
        yield from ((side, kind, secret) for kind, secret in found if _counts(secret))


def _in_headers(headers: Headers, names: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    for name, value in headers:
        told = value.encode("latin-1")
        if name.lower() in names:
            yield f"header {name.lower()}", told
        else:
            for kind, secret in secrets_in_header(told):
                yield (
                    f"{kind} in header {name.lower()}" if kind else f"header {name.lower()}",
                    secret,
                )


def secrets_in_header(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Iterate kind and text of the secrets in *value*; a header that says its scheme is of no kind."""
    yield from secrets_in(value)
    yield from (("", each) for each in _BEARER.findall(value))


_BEARER: Final = re.compile(rb"(?i:bearer|basic) ([A-Za-z0-9._~+/=-]{16,})")


def _in_url(request: Request) -> Iterator[tuple[str, bytes]]:
    parts = urlsplit(request.url)
    for secret in (parts.username, parts.password):
        for told in {secret or "", unquote(secret or "")}:
            yield "userinfo of the URL", told.encode()
    for pair in parts.query.split("&"):
        field_, _, value = pair.partition("=")
        name = unquote(field_).lower()
        if name in PERHAPS_SECRET or is_secret(name, (parts.hostname or "").lower()):
            for told in {value, unquote_plus(value)}:
                yield f"query {name}", told.encode()
    yield from secrets_in(request.url.encode())


def _in_request(request: Request) -> Iterator[tuple[str, bytes]]:
    asked = Response(status=200, headers=request.headers, chunks=(request.body,))
    body = (decoded(asked) or asked).body
    is_form = (request.header("content-type") or "").startswith("application/x-www-form")
    return secrets_in(b"form\n" + body if is_form else body)


def _in_response(response: Response) -> Iterator[tuple[str, bytes]]:
    return secrets_in((decoded(response) or response).body)


_MASK: Final = re.compile(
    rb"[<>*{\[]|redact|sanitiz|filtered|scrub|masked|placeholder|dummy|fake|example|your|(?:x|0){6}",
    re.IGNORECASE,
)
"""What stands where a secret was taken out, or never was."""


_ATTRIBUTE: Final = re.compile(
    rb"\s*(?:expires|max-age|domain|path|samesite|secure|httponly|partitioned|priority)\b",
    re.IGNORECASE,
)
"""Parts of a Set-Cookie header that are no cookie (RFC 6265, section 4.1)."""


def _counts(secret: bytes) -> bool:
    """Tell whether *secret*, of which a part may do (several cookies), is more than a placeholder."""
    return any(_is_real(part) for part in secret.split(b";") if not _ATTRIBUTE.match(part))


def _is_real(secret: bytes) -> bool:
    text = secret.strip().decode("utf-8", "replace")
    return is_no_placeholder(text) and not text.isdigit() and _MASK.search(secret) is None


def _line(text: bytes, secret: bytes, otherwise: int) -> int:
    """Return the line that *secret* stands in; of several words, the longest must do."""
    for wanted in (secret, max(secret.split(), key=len, default=secret)):
        if (place := text.find(wanted)) >= 0:
            return text.count(b"\n", 0, place) + 1
    return otherwise
