"""How two canonical questions differ, for people. Pure."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import Final

import orjson

__all__ = ["difference"]

_BRIEF: Final = 60
"""Lines of a brief diff."""
_COMPARED: Final = 400
"""Lines compared for one."""
_CUT: Final = 200
"""Characters of a line."""


def difference(
    one: bytes,
    other: bytes,
    *,
    names: tuple[str, str] = ("stored", "asked"),
    brief: bool = False,
) -> str:
    """Return a unified diff of two canonical forms, their JSON bodies one member a line.

    A *brief* one takes no longer and is no longer than people read, whatever the bodies are.
    """
    before, after = _lines(one), _lines(other)
    if brief:
        before, after = _around(before, after)
    lines = [*difflib.unified_diff(before, after, *names, lineterm="", n=2)]
    if brief:
        lines = [*_cut(lines[:_BRIEF]), *["…"] * (len(lines) > _BRIEF)]
    return "\n".join(lines)


def _around(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Return where *before* and *after* begin to differ, and what follows as far as it is compared."""
    pairs = enumerate(zip(before, after, strict=False))
    shorter = min(len(before), len(after))
    first = next((place for place, (one, other) in pairs if one != other), shorter)
    start = max(0, first - 2)
    return before[start : start + _COMPARED], after[start : start + _COMPARED]


def _cut(lines: list[str]) -> Iterator[str]:
    """Iterate the *lines* of a diff, long ones cut to where a line differs from the one it became."""
    for place, line in enumerate(lines):
        if len(line) <= _CUT:
            yield line
            continue
        beside = {"-": lines[place + 1 : place + 2], "+": lines[max(0, place - 1) : place]}
        twin = next(iter(beside.get(line[:1], ())), "")
        same = _same(line[1:], twin[1:])
        start = 1 + max(0, same - _CUT // 4)
        end = start + _CUT
        yield f"{line[:1]}{'…' * (start > 1)}{line[start:end]}{'…' * (end < len(line))}"


def _same(one: str, other: str) -> int:
    """Return the length of the common beginning, found by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _lines(canonical: bytes) -> list[str]:
    head, _, body = canonical.partition(b"\n\n")
    with contextlib.suppress(orjson.JSONDecodeError):  # other bodies are shown as they are
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    return [
        *head.decode("utf-8", "replace").split("\n"),
        *body.decode("utf-8", "replace").split("\n"),
    ]
