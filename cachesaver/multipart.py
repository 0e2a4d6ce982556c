"""Form bodies of several parts (RFC 7578): bytes to parts, and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Part", "read_parts", "write_parts"]

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^";,\s]+))', re.IGNORECASE)
_PARAMETER = r';\s*{}=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))'
_NAME = re.compile(_PARAMETER.format("name"), re.IGNORECASE)
_FILENAME = re.compile(_PARAMETER.format(r"filename"), re.IGNORECASE)

_EXTENDED = re.compile(r';\s*filename\*=(?:"[^"]*"|[^;\s]+)', re.IGNORECASE)
"""The same name in another coding (RFC 5987), beside the plain one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: its header lines as they stand, and its content.

    Attributes:
        lines: Without line ends, in their order; `latin-1` where they are not ASCII.
        content: Any bytes.
    """

    lines: tuple[str, ...]
    content: bytes

    @property
    def name(self) -> str:
        """The field it is of; empty where it has none."""
        return self._parameter(_NAME)

    @property
    def is_file(self) -> bool:
        """Whether it has a file name."""
        return _FILENAME.search(self._disposition) is not None

    @property
    def filename(self) -> str:
        """Its file's name; empty where it has none."""
        return self._parameter(_FILENAME)

    def with_filename(self, name: str) -> Part:
        """Return this part, which is a file, with another file name (no quotes in it)."""
        lines = tuple(
            _FILENAME.sub(f'; filename="{name}"', _EXTENDED.sub("", line))
            if line.lower().startswith("content-disposition:")
            else line
            for line in self.lines
        )
        return Part(lines=lines, content=self.content)

    @property
    def _disposition(self) -> str:
        kinds = (line for line in self.lines if line.lower().startswith("content-disposition:"))
        return next(kinds, "")

    def _parameter(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self._disposition)
        return (found[1] or found[2] or "") if found else ""


def read_parts(body: bytes, content_type: str) -> tuple[Part, ...] | None:
    """Return the parts of *body*; None when it is not what *content_type* says it is."""
    delimiter = _delimiter(content_type)
    if delimiter is None:
        return None
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):  # noqa: PLR2004  # a part and the end
        return None
    return tuple(map(_part, pieces[1:-1]))


def write_parts(parts: Sequence[Part], content_type: str) -> bytes:
    """Return *parts* as a body that *content_type*, with its boundary, describes.

    Raises:
        ValueError: *content_type* names no boundary, or a part holds it.
    """
    delimiter = _delimiter(content_type)
    if delimiter is None:
        raise ValueError("the content type names no boundary")
    if any(b"\r\n" + delimiter in b"\r\n" + part.content for part in parts):
        raise ValueError("a part holds the boundary")
    pieces = [
        b"\r\n".join(
            (delimiter, *(line.encode("latin-1") for line in part.lines), b"", part.content)
        )
        for part in parts
    ]
    return b"\r\n".join((*pieces, delimiter + b"--", b""))


def _delimiter(content_type: str) -> bytes | None:
    found = _BOUNDARY.search(content_type)
    return None if found is None else b"--" + (found[1] or found[2]).encode("latin-1", "replace")


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    lines = [line.strip() for line in head.decode("latin-1").split("\r\n")]
    return Part(lines=tuple(line for line in lines if line), content=content)
