"""The names of the members of a JSON object, or of a form's fields, as its bytes go by.

Pure. However large a body is and however it is cut, only its place is kept and the names found: those of
the outermost object, never of what is inside. Chunk framing (RFC 9112, section 7.1) does not disturb it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["NOTHING", "Reading", "read"]

_NAME: Final = 64
"""The longest name that is told, in bytes; and how much is kept of what may become one."""

_MARK: Final = re.compile(rb'["{}\[\]:]')
_TEXT: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_FRAMING: Final = re.compile(rb"\r\n[0-9a-fA-F]+[^\r\n]*\r\n")
_FIELD: Final = re.compile(rb'form-data;[ \t]*name="?([\w-]{1,30})"?[\s;]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Where in a body one is.

    Attributes:
        names: Found so far.
        depth: How many objects and lists are open.
        text: The start of the string that is open, or that has just ended at depth 1; else None.
        is_open: Whether that string is open.
        is_escaped: Whether it stands right behind a backslash.
        tail: The last bytes, where a form's field may have begun.
    """

    names: frozenset[str] = frozenset()
    depth: int = 0
    text: bytes | None = None
    is_open: bool = False
    is_escaped: bool = False
    tail: bytes = b""


NOTHING: Final = Reading()


def read(reading: Reading, data: bytes) -> Reading:
    """Return *reading* after the next bytes *data* of the body."""
    fields = {name.decode("latin-1") for name in _FIELD.findall(reading.tail + data)}
    tail = (reading.tail + data[-_NAME:])[-_NAME:]
    reading = replace(reading, names=reading.names | fields, tail=tail)
    place = 0
    while place < len(data):
        reading, place = (
            _string(reading, data, place) if reading.is_open else _mark(reading, data, place)
        )
    return reading


def _string(reading: Reading, data: bytes, place: int) -> tuple[Reading, int]:
    """Go on inside a string to its end, or to the end of *data*."""
    start = place
    found = _TEXT.match(data, place + reading.is_escaped)
    place = len(data) if found is None else found.end()
    text = ((reading.text or b"") + data[start : min(place, start + _NAME)])[:_NAME]
    if place >= len(data):
        return replace(reading, text=text, is_escaped=False), place
    if data[place : place + 1] == b"\\":  # the last byte
        return replace(reading, text=text, is_escaped=True), place + 1
    return replace(reading, text=text, is_escaped=False, is_open=False), place + 1


def _mark(reading: Reading, data: bytes, place: int) -> tuple[Reading, int]:
    """Go on outside of strings, past the next mark."""
    found = _MARK.search(data, place)
    if found is None:
        return reading, len(data)
    mark, place = found[0], found.end()
    if mark == b'"':
        return replace(reading, text=b"", is_open=True), place
    if mark == b":":
        names = reading.names
        if reading.depth == 1 and reading.text is not None:
            names |= {_FRAMING.sub(b"", reading.text).decode("latin-1")}
        return replace(reading, names=names, text=None), place
    return replace(reading, depth=reading.depth + (1 if mark in b"{[" else -1), text=None), place
