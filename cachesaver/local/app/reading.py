"""JSON, read piece by piece: whoever else wants to run does so between two of them.

A parser of C or Rust lets no other thread run before it is done, and some megabytes take it a second.
Here it gets one string, or one number, or some thousands of numbers, or a small object with no other in it;
what else there is of lists and objects is put together in Python, which is slower.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from pydantic_core import from_json

from cachesaver.local.app.refusals import Refusal

__all__ = ["AT_ONCE", "LONGEST_STRING", "MOST_VALUES", "read_json"]

AT_ONCE = 1 << 18
"""Bytes of JSON that may as well be read in one go: it takes some milliseconds at the most."""

MOST_VALUES = 300_000
"""Fields of objects and items of lists, at any depth. Of several numbers in a list only the last
counts, so token ids are as many as they like; the bias of each token of a large vocabulary has room."""

LONGEST_STRING = 10 << 20
"""Bytes, as they were sent; OpenAI has as many characters."""

_DEEPEST = 200
"""Lists and objects in each other; as pydantic has it, but for one."""

_RUN = 1 << 15
"""Bytes of numbers, or of an object, that are read in one go."""

_BLANK = re.compile(rb"[ \t\n\r]*")
_NUMBERS = re.compile(rb"[-+.0-9eE, \t\n\r]*")
_FLAT = re.compile(rb'\{[^][{}"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^][{}"]*+)*+\}', re.DOTALL)
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]+")
_BACKSLASH = ord("\\")


def read_json(text: bytes) -> Any:
    """Return the value that *text* is, as `pydantic_core.from_json` does.

    Raises:
        ValueError: It is no JSON.
        Refusal: 400: it has more than `MOST_VALUES`, or a string longer than `LONGEST_STRING`.
    """
    reader = _Reader(text)
    value = reader.value(1)
    if reader.next():
        reader.fail("nothing more")
    return value


class _Reader:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._values = 0

    def value(self, depth: int) -> Any:
        """Read a value, which is in *depth* - 1 others."""
        self._count(1)
        match self.next():
            case b"{":
                return self._object(depth)
            case b"[":
                return self._list(depth)
            case b'"':
                return self._string()
            case _:
                return self._scalar()

    def next(self) -> bytes:
        """Pass over blanks and return the byte behind them; at the end there is none."""
        while (byte := self._text[self._at : self._at + 1]) and byte in b" \t\n\r":
            blank = _BLANK.match(self._text, self._at, self._at + _RUN)
            self._at = blank.end() if blank else self._at
        return byte

    def fail(self, wanted: str) -> NoReturn:
        """Raise what says that something else was *wanted* here."""
        found = "the end" if self._at >= len(self._text) else f"something else at byte {self._at}"
        raise ValueError(f"{wanted} was expected, and there is {found}")

    def _object(self, depth: int) -> dict[str, Any]:
        if flat := _FLAT.match(self._text, self._at, self._at + _RUN):
            return self._flat(flat, depth)
        self._descend(depth)
        made: dict[str, Any] = {}
        if self._passes(b"}"):
            return made
        while True:
            if self.next() != b'"':
                self.fail("the name of a field")
            name = self._string()
            if not self._passes(b":"):
                self.fail("a colon")
            made[name] = self.value(depth + 1)
            if self._is_over(b"}"):
                return made

    def _flat(self, found: re.Match[bytes], depth: int) -> dict[str, Any]:
        self._descend(depth)
        self._at = found.end()
        made: dict[str, Any] = from_json(found.group())
        self._count(len(made))
        return made

    def _list(self, depth: int) -> list[Any]:
        self._descend(depth)
        made: list[Any] = []
        if self._passes(b"]"):
            return made
        while True:
            while several := self._several_numbers():
                made += several
            made.append(self.value(depth + 1))
            if self._is_over(b"]"):
                return made

    def _several_numbers(self) -> list[Any]:
        """Read the numbers that come next, up to a comma; the last one before a comma is left."""
        run = _NUMBERS.match(self._text, self._at, self._at + _RUN)
        end = run.group().rfind(b",") if run else -1
        if end < 0:
            return []
        read: list[Any] = from_json(b"[%b]" % self._text[self._at : self._at + end])
        if not read:
            self.fail("a number")
        self._at += end + 1
        return read

    def _string(self) -> str:
        begin = end = self._at
        is_escaped = True
        while is_escaped:
            end = self._text.find(b'"', end + 1)
            if end < 0:
                self._at = len(self._text)
                self.fail("the end of a string")
            before = end
            while self._text[before - 1] == _BACKSLASH:
                before -= 1
            is_escaped = (end - before) % 2 == 1
        self._at = end + 1
        if self._at - begin > LONGEST_STRING:
            message = f"a string of more than {LONGEST_STRING} bytes"
            raise Refusal(400, message, code="string_above_max_length")
        read: str = from_json(self._text[begin : self._at])
        return read

    def _scalar(self) -> Any:
        found = _SCALAR.match(self._text, self._at)
        if found is None:
            self.fail("a value")
        self._at = found.end()
        return from_json(found.group())

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            message = f"a body of more than {MOST_VALUES} fields of objects and items of lists"
            raise Refusal(400, message, code="too_many_values")

    def _descend(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} lists and objects are in each other")
        self._at += 1

    def _is_over(self, closer: bytes) -> bool:
        """Pass *closer*, or the comma before what comes next."""
        if self._passes(closer):
            return True
        if not self._passes(b","):
            self.fail(f"a comma or {closer.decode()}")
        return False

    def _passes(self, byte: bytes) -> bool:
        is_there = self._text.startswith(byte, self._at) or self.next() == byte
        self._at += is_there
        return is_there
