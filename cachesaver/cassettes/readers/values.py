"""What a recording is read into, and how headers, bodies and URLs become it."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cachesaver.exchange import Headers, Request, Response, get_header, without_headers

__all__ = [
    "Body",
    "Interaction",
    "as_body",
    "as_headers",
    "as_lines",
    "as_url",
    "decoded",
    "headers_of",
    "interaction",
    "of_sides",
]

REDACTED: Final = "https://redacted.invalid"
"""Where requests went whose URL was blanked."""

_FRAMING: Final = ("content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One recorded request and its answer.

    Attributes:
        request: Framing headers are left out, and a content coding that its body is not in. URLs
            that lack an origin have `https://redacted.invalid`, or one named after their placeholder.
        response: The same; its chunks and offsets where the format has them, else one chunk.
        lossy: What the file does not hold of what was on the wire, a clause each. When the parts of
            a stream arrived is kept by no format but ours, and is not said here.
        place: Which of the file's interactions, from 0.
        line: Of the file (decompressed) at which it begins, from 1; 0 where the format has no lines.
        recorded: When, as the file says it (RFC 3339, mostly); empty where it does not.
    """

    request: Request
    response: Response
    lossy: tuple[str, ...] = ()
    place: int = 0
    line: int = 0
    recorded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body's bytes, and what its recording lost of it."""

    content: bytes = b""
    lossy: tuple[str, ...] = ()


def interaction(
    request: tuple[str, str, Headers, Body],
    response: tuple[int, Headers, Body, str],
    *,
    place: int,
    line: int = 0,
    recorded: str = "",
) -> Interaction:
    """Return an interaction of method, URL, headers, body; and status, headers, body, reason."""
    method, url, asked, sent = request
    status, told, given, reason = response
    asked, asked_loss = _described(asked, sent.content, "request")
    told, told_loss = _described(told, given.content, "answer")
    address = as_url(url)
    is_blanked = ".invalid" in address or _PLACEHOLDER.search(url) is not None
    blanked = ("the URL was blanked",) if is_blanked else ()
    content = given.content
    return Interaction(
        request=Request(method=method.upper(), url=address, headers=asked, body=sent.content),
        response=Response(
            status=status, headers=told, chunks=(content,) if content else (), reason=reason
        ),
        lossy=(
            *blanked,
            *(f"the request's body {why}" for why in sent.lossy),
            *asked_loss,
            *(f"the answer's body {why}" for why in given.lossy),
            *told_loss,
        ),
        place=place,
        line=line,
        recorded=recorded,
    )


def of_sides(  # what a file has, and where
    asked: Mapping[str, Any],
    told: Mapping[str, Any],
    body_of: Callable[[Mapping[str, Any]], Body],
    *,
    place: int,
    line: int,
    recorded: object,
) -> Interaction:
    """Return the interaction of two sides as vcrpy, Ruby's VCR and betamax spell them, but for bodies."""
    status: Mapping[str, Any] = told.get("status") or {"code": told["status_code"]}
    return interaction(
        (asked["method"], asked["uri"], headers_of(asked), body_of(asked)),
        (int(status["code"]), headers_of(told), body_of(told), status.get("message") or ""),
        place=place,
        line=line,
        recorded=str(recorded or ""),
    )


def as_url(url: str) -> str:
    """Return *url* made a real one: `**REDACTED**`, `<BASE>/path`, `https://a.<REGION>.b/path`."""
    if "*" in url.partition("://")[0]:
        return f"{REDACTED}/{quote(url, safe='')}"
    if url.startswith("<"):
        base, _, path = url.partition(">")
        return f"https://{_named(base[1:])}.invalid{_escaped(path)}"
    scheme, cut, rest = url.partition("#")[0].partition("://")
    if not cut:
        return f"{REDACTED}/{_escaped(url.lstrip('/'))}"
    authority, slash, path = rest.partition("/")
    host = _PLACEHOLDER.sub(lambda found: _named(found[1]), authority)
    return f"{scheme}://{host}{slash}{_escaped(path)}"


_PLACEHOLDER: Final = re.compile("<([A-Z_]+)>")


def _named(placeholder: str) -> str:
    return placeholder.lower().replace("_", "-")


def _escaped(path: str) -> str:
    """*path* with what may not stand in a URL percent-encoded, and nothing else touched."""
    return quote(path, safe="/?%:@!$&'()*+,;=~")


def as_headers(pairs: Iterable[tuple[object, object]]) -> Headers:
    """Return names and values, which may be texts, bytes, `"b'...'"`, or lists of them."""
    return tuple((_latin(name), _latin(value)) for name, each in pairs for value in _listed(each))


def headers_of(side: Mapping[str, Any], name: str = "headers") -> Headers:
    """Return the headers that *side* has under *name*, as a mapping; none where it has none."""
    headers: Mapping[str, object] = side.get(name) or {}
    return as_headers(headers.items())


def as_body(body: object) -> Body:
    """Return *body* as it was on the wire: bytes, a text, None, or JSON that had been parsed."""
    if body is None:
        return Body()
    if isinstance(body, bytes):
        return Body(content=body)
    if isinstance(body, str):
        return _encoded(body)
    spelled = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Body(
        content=spelled.encode("utf-8", "surrogatepass"),
        lossy=("was kept parsed: its spelling is ours",),
    )


def decoded(text: str) -> Body:
    """Return the body that was kept as base64.

    Raises:
        ValueError: It is none.
    """
    return Body(content=base64.b64decode(text))


def _encoded(text: str) -> Body:
    content = text.encode("utf-8", "surrogatepass")
    lost = "�" in text
    return Body(
        content=content, lossy=("holds � where bytes were that are no text",) if lost else ()
    )


def as_lines(lines: Iterable[str]) -> Body:
    """Return the body that was kept line by line, binary ones as `b64:...`."""
    parts = (
        base64.b64decode(line[4:]) if line.startswith("b64:") else line.encode() for line in lines
    )
    return Body(content=b"".join(parts))


def _listed(value: object) -> list[object]:
    if isinstance(value, list | tuple):
        return [*value]  # pyright: ignore[reportUnknownVariableType]  # of any type
    return [value]


def _latin(value: object) -> str:
    if isinstance(value, str) and value.startswith(("b'", 'b"')):
        value = ast.literal_eval(value)
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    return raw.decode("latin-1")


def _described(headers: Headers, body: bytes, side: str) -> tuple[Headers, tuple[str, ...]]:
    kept = without_headers(headers, _FRAMING)
    coding = (get_header(kept, "content-encoding") or "").lower()
    if not coding or _is_coded(coding, body):
        return kept, ()
    lossy = (f"the {side}'s body was kept without its coding ({coding})",) if body else ()
    return without_headers(kept, ("content-encoding",)), lossy


def _is_coded(coding: str, body: bytes) -> bool:
    """Tell whether *body* is in *coding*: by its first bytes, or by not being text."""
    if coding in _SIGNS:
        return body.startswith(_SIGNS[coding])
    try:
        body.decode()
    except UnicodeDecodeError:
        return coding in ("br", "deflate")
    return False


_SIGNS: Final = {
    "gzip": b"\x1f\x8b",  # RFC 1952, section 2.3.1
    "x-gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",  # RFC 8878, section 3.1.1
}
"""What a body in a coding begins with."""
