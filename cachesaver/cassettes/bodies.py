"""Bodies as people read them in a cassette, and the very same bytes again.

JSON stands as JSON wherever one of the usual serialisers makes the recorded bytes of it; what no
serialiser makes stands as text, and what is no text as base64. Pure.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, cast

import orjson

__all__ = ["read_body", "read_chunks", "write_body", "write_chunks"]

_Dump = Callable[[object], str]

STYLES: Final[Mapping[str, _Dump]] = MappingProxyType(
    {
        # name in the file: whose JSON looks like that
        # JavaScript, Go, Rust, orjson
        "compact": partial(json.dumps, ensure_ascii=False, separators=(",", ":")),
        "compact ascii": partial(json.dumps, separators=(",", ":")),
        # Python
        "spaced": partial(json.dumps, ensure_ascii=False),
        "spaced ascii": json.dumps,
        # OpenAI's and Google's answers
        "indent 2": partial(json.dumps, ensure_ascii=False, indent=2),
        "indent 2 ascii": partial(json.dumps, indent=2),
        "indent 4": partial(json.dumps, ensure_ascii=False, indent=4),
    }
)
"""Ways to write JSON. The first is meant where a body names none."""

_DEFAULT: Final = "compact"
_ENDS: Final = MappingProxyType({"": "", "newline": "\n"})

_EVENT: Final = re.compile(rb"(?:event: ?([^\r\n]*)\n)?data: ([^\r\n]*)\n\n")
_LINE: Final = re.compile(rb"([^\r\n]+)\n")


def write_body(body: bytes) -> dict[str, object]:
    """Return the members that stand for *body*: `{"json": ...}`, `{"text": ...}` or `{"base64": ...}`.

    With JSON stands its `style` where that is not "compact", and its `end` where there is one.
    """
    if not body:
        return {}
    end = "newline" if body.endswith(b"\n") else ""
    found = _json(body.removesuffix(b"\n"))
    if found is None:
        return _plain(body)
    value, style = found
    return {"json": value} | _named("style", style, _DEFAULT) | _named("end", end, "")


def read_body(members: Mapping[str, Any]) -> bytes:
    """Return the body that `write_body` made *members* of.

    Raises:
        ValueError, KeyError, TypeError: They are none of the above.
    """
    if "json" in members:
        dump = STYLES[members.get("style", _DEFAULT)]
        return (dump(members["json"]) + _ENDS[members.get("end", "")]).encode()
    if "text" in members:
        text = members["text"]
        return (text if isinstance(text, str) else "".join(text)).encode()
    return base64.b64decode(members.get("base64", ""), validate=True)


def _named(name: str, value: str, default: str) -> dict[str, object]:
    return {} if value == default else {name: value}


def _plain(body: bytes) -> dict[str, object]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    lines = text.splitlines(keepends=True)
    return {"text": text if len(lines) < 2 else lines}  # noqa: PLR2004  # one line is one string


def _json(body: bytes, styles: tuple[str, ...] = tuple(STYLES)) -> tuple[object, str] | None:
    """Return the object or list that *body* says and the style that writes it so; None: no style."""
    if body[:1] not in (b"{", b"["):
        return None
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    for style in styles:
        if STYLES[style](value).encode("utf-8", "replace") == body:
            return value, style
    return None


# --- streams


def write_chunks(chunks: tuple[bytes, ...]) -> list[list[object]]:
    """Return a list of pieces for each of *chunks*.

    A piece is an event (`{"event": name, "data": JSON}`, the name left out where the stream does),
    a line of JSON (`{"line": JSON}`), or what else there was, as in `write_body`; text is a string.
    """
    return [list(_pieces(chunk)) for chunk in chunks]


def read_chunks(chunks: list[list[Any]]) -> tuple[bytes, ...]:
    """Return the chunks that `write_chunks` made *chunks* of.

    Raises:
        ValueError, KeyError, TypeError: They are none of the above.
    """
    return tuple([b"".join(map(_piece, pieces)) for pieces in chunks])


def _pieces(chunk: bytes) -> Iterator[object]:
    """Iterate the pieces of *chunk*; the longest beginning that is all events or lines, then the rest."""
    place = 0
    for pattern, made in ((_EVENT, _event), (_LINE, _line)):
        while (found := pattern.match(chunk, place)) and (piece := made(found)) is not None:
            yield piece
            place = found.end()
    if rest := chunk[place:]:
        try:
            yield rest.decode()
        except UnicodeDecodeError:
            yield _plain(rest)


def _event(found: re.Match[bytes]) -> dict[str, object] | None:
    name, data = found.groups()
    read = _json(data, _LINES)
    if read is None or found[0] != _spelled(name, data):
        return None
    try:
        head = {} if name is None else {"event": name.decode()}
    except UnicodeDecodeError:
        return None
    return head | {"data": read[0]} | _named("style", read[1], _DEFAULT)


def _line(found: re.Match[bytes]) -> dict[str, object] | None:
    read = _json(found[1], _LINES)
    return None if read is None else {"line": read[0]} | _named("style", read[1], _DEFAULT)


_LINES: Final = ("compact", "compact ascii", "spaced", "spaced ascii")
"""Styles that stay on one line."""


def _spelled(name: bytes | None, data: bytes) -> bytes:
    head = b"" if name is None else b"event: %b\n" % name
    return b"%bdata: %b\n\n" % (head, data)


def _piece(piece: object) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    members = cast("dict[str, Any]", piece)
    dump = STYLES[members.get("style", _DEFAULT)]
    if "data" in members:
        name = members.get("event")
        return _spelled(None if name is None else name.encode(), dump(members["data"]).encode())
    if "line" in members:
        return dump(members["line"]).encode() + b"\n"
    return read_body(members)
