"""What a recording is read into, and how headers, bodies and URLs become it."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from cachesaver.exchange import Headers, Request, Response, get_header, without_headers

__all__ = [
    "Exchange",
    "Pair",
    "as_bytes",
    "as_headers",
    "as_request",
    "as_response",
    "as_url",
    "facts_of",
    "joined_lines",
]

Pair: TypeAlias = tuple[Request | None, Response]

REDACTED = "https://redacted.invalid"
"""Where requests went whose URL was blanked."""

_FRAMING = ("content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded request and its answer.

    Attributes:
        file: Path in the corpus.
        place: Which of the file's interactions, from 0.
        request: None where only the answer was recorded. Framing headers are left out; URLs that
            lack an origin have the one of their provider or `https://redacted.invalid`.
        response: Framing headers are left out; `content-encoding` describes the body. Status 200
            where the recording does not tell.
        provider: As the index names it.
        llm: Whether the index counts it as traffic of a provider.
        status: As recorded; None where the recording does not tell.
        stream: Kind of stream (`"sse"`, ...); empty for a whole answer.
        count: The `n` of the request, where it stated one.
        sizes: Bytes of request and response body, as the index counts them; None where it does not.
        odd: The oddities the index saw.
    """

    file: str
    place: int
    request: Request | None
    response: Response
    provider: str
    llm: bool
    status: int | None
    stream: str
    count: int | None
    sizes: tuple[int | None, int | None]
    odd: frozenset[str]

    @property
    def name(self) -> str:
        """Where to look it up."""
        return f"{self.file}#{self.place}"


def facts_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the index tells of an interaction, as attributes of `Exchange`."""
    return {
        "provider": told["provider"],
        "llm": told.get("llm", True),  # where only answers were recorded, they are a provider's
        "status": told.get("status"),
        "stream": told.get("stream") or "",
        "count": told.get("n"),
        "sizes": (told.get("req_bytes"), told.get("resp_bytes", told.get("response_bytes"))),
        "odd": frozenset(told.get("odd", ())),
    }


def as_request(method: str, url: str, headers: Headers, body: bytes) -> Request:
    """Return a request; a content coding that its body is not in is left out."""
    described = _described(headers, body)
    return Request(method=method.upper(), url=as_url(url), headers=described, body=body)


def as_response(status: int, headers: Headers, body: bytes, reason: str = "") -> Response:
    """Return a response in one chunk; a content coding that its body is not in is left out."""
    chunks = (body,) if body else ()
    return Response(status=status, headers=_described(headers, body), chunks=chunks, reason=reason)


def as_url(url: str) -> str:
    """Return *url* made a real one: `**REDACTED**`, `<BASE>/path`, `https://a.<REGION>.b/path`."""
    if "*" in url:
        return f"{REDACTED}/{quote(url, safe='')}"
    if url.startswith("<"):
        base, _, path = url.partition(">")
        return f"https://{_named(base[1:])}.invalid{_escaped(path)}"
    scheme, _, rest = url.partition("#")[0].partition("://")
    authority, slash, path = rest.partition("/")
    host = _PLACEHOLDER.sub(lambda found: _named(found[1]), authority)
    return f"{scheme}://{host}{slash}{_escaped(path)}"


_PLACEHOLDER = re.compile("<([A-Z_]+)>")


def _named(placeholder: str) -> str:
    return placeholder.lower().replace("_", "-")


def _escaped(path: str) -> str:
    """*path* with what may not stand in a URL percent-encoded, and nothing else touched."""
    return quote(path, safe="/?%:@!$&'()*+,;=~")


def as_headers(pairs: Iterable[tuple[str, object]]) -> Headers:
    """Return names and values, which may be texts, bytes, `"b'...'"`, or lists of them."""
    return tuple((str(name), _latin(value)) for name, each in pairs for value in _listed(each))


def as_bytes(body: object) -> bytes:
    """Return *body* as it was on the wire: bytes, a text, None, or JSON that had been parsed."""
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def joined_lines(lines: Iterable[str]) -> bytes:
    """Return the body that was kept line by line, binary ones as `b64:...`."""
    return b"".join(
        base64.b64decode(line[4:]) if line.startswith("b64:") else line.encode() for line in lines
    )


def _listed(value: object) -> list[object]:
    return [*value] if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]


def _latin(value: object) -> str:
    if isinstance(value, str) and value.startswith(("b'", 'b"')):
        value = ast.literal_eval(value)
    raw = value if isinstance(value, bytes) else str(value).encode()
    return raw.decode("latin-1")


def _described(headers: Headers, body: bytes) -> Headers:
    kept = without_headers(headers, _FRAMING)
    coding = (get_header(kept, "content-encoding") or "").lower()
    if coding and not _is_coded(coding, body):
        kept = without_headers(kept, ("content-encoding",))
    return kept


def _is_coded(coding: str, body: bytes) -> bool:
    """Tell whether *body* is in *coding*: by its first bytes, brotli by not being text."""
    if coding == "gzip":
        return body.startswith(b"\x1f\x8b")
    try:
        body.decode()
    except UnicodeDecodeError:
        return coding == "br"
    return False
