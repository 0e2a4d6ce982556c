"""Server-sent events: bytes to events and back (WHATWG HTML, section 9.2 "Server-sent events").

Lenient where providers are: CR, LF and CRLF line ends, comments, fields without a space, a last
event without its blank line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Event", "decode", "encode"]

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. *data* is its data lines joined with newlines; *name* is empty when not given."""

    data: str
    name: str = ""


def decode(body: bytes) -> Iterator[Event]:
    """Iterate the events of a whole stream; comments and events without data are left out."""
    name, data = "", list[str]()
    for line in (*_LINE_END.split(body.removeprefix(b"\xef\xbb\xbf")), b""):
        if not line:
            if data:
                yield Event(data="\n".join(data), name=name)
            name, data = "", []
            continue
        field, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if field == b"data":
            data.append(text)
        elif field == b"event":
            name = text


def encode(data: bytes, *, name: str = "") -> bytes:
    """Return one event with *data* (a single line, such as compact JSON)."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, data)
