"""Bodies of requests as blocking clients take them (text, bytes, files, iterables), read once.

What ends by itself is read; what may not is left alone, or handed on where reading stopped. Knows
no client.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

__all__ = ["LARGEST_BODY", "TOO_LARGE", "Body", "Parts", "is_content", "may_not_end", "read_body"]

LARGEST_BODY: Final = 64 * 2**20
"""Bytes. A request with a larger body passes unread: it would have to be held in memory whole."""

_BLOCK: Final = 65536
TOO_LARGE: Final = "its body is too large to be read first"
_UNKNOWN_LENGTH: Final = "its body is a file of unknown length"


class Parts(tuple[bytes, ...]):
    """What an iterable gave: it can be iterated again, and a client sends each part by itself."""

    __slots__ = ()

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What was found where a request has its body.

    Attributes:
        content: As it goes out, without chunk framing; None when it could not be read.
        parts: Those of an iterable; none of anything else.
        source: What is to be sent in its place when it was not read: as good as new.
        reason: Why it could not be read; one clause.
    """

    content: bytes | None = None
    parts: Parts = field(default_factory=Parts)
    source: object = None
    reason: str = ""


def is_content(body: object) -> bool:
    """Tell whether *body* is all there, and no file or iterable."""
    return body is None or isinstance(body, str | bytes | bytearray | memoryview)


def may_not_end(body: object, *, length: int = -1) -> str:
    """Return why *body* must not be waited for; empty where it ends, or outgrows what is read.

    Args:
        body: A file is left where it stands, an iterable is not begun.
        length: As for `read_body`.
    """
    if length > LARGEST_BODY:
        return TOO_LARGE
    is_open = hasattr(body, "read") and length < 0 and _rewound(body, None) is None
    return _UNKNOWN_LENGTH if is_open else ""


def read_body(
    body: object, *, charset: str = "utf-8", length: int = -1, position: object = None
) -> Body:
    """Read *body* to its end, as a client would that sends all of it before it listens.

    Args:
        body: None is none.
        charset: In which the client encodes text.
        length: Declared in the headers; -1 if none is. A file that cannot be rewound is read only
            if it has one: a pipe ends when its other end likes.
        position: Where in a file the body begins; None where it stands. What cannot go there is
            not read.
    """
    if position is not None and not hasattr(body, "seek"):
        return Body(source=body, reason="its body cannot be rewound")
    if body is None:
        return Body(content=b"")
    if isinstance(body, str):
        return Body(content=body.encode(charset))
    if hasattr(body, "read"):
        return _read_file(body, charset, length, position)
    try:
        return Body(content=bytes(memoryview(cast("bytes", body))))
    except TypeError:
        return _read_iterable(body, charset)


def _read_file(file: Any, charset: str, length: int, position: object) -> Body:
    start = _rewound(file, position)
    if start is None and (position is not None or not 0 <= length <= LARGEST_BODY):
        return Body(source=file, reason=_UNKNOWN_LENGTH)
    found = _read_iterable(iter(lambda: file.read(_BLOCK) or None, None), charset)
    if found.content is None and start is not None:
        file.seek(start)
        return Body(source=file, reason=found.reason)
    return dataclasses.replace(found, parts=Parts())


def _rewound(file: Any, position: object) -> int | None:
    """Return where the body begins in *file*, which stands there; None if it cannot be rewound."""
    try:
        start = file.tell() if position is None else position
        file.seek(start)
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    return cast("int", start)


def _read_iterable(body: object, charset: str) -> Body:
    if not isinstance(body, Iterable):
        return Body(source=body, reason="its body is of no known kind")
    arriving = iter(cast("Iterable[object]", body))
    read: list[object] = []
    parts: list[bytes] = []
    size = 0
    for part in arriving:
        read.append(part)
        if isinstance(part, str):
            parts.append(part.encode(charset))
        elif isinstance(part, bytes | bytearray | memoryview):
            parts.append(bytes(cast("bytes", part)))
        else:
            return _unread(cast("object", body), read, arriving, "its body is not made of bytes")
        size += len(parts[-1])
        if size > LARGEST_BODY:
            return _unread(cast("object", body), read, arriving, TOO_LARGE)
    return Body(content=b"".join(parts), parts=Parts(parts))


def _unread(body: object, read: list[object], rest: Iterator[object], reason: str) -> Body:
    """Return what sends all of *body*, of which *read* is read and *rest* is not."""
    again = rest is not body
    return Body(source=body if again else itertools.chain(read, rest), reason=reason)
