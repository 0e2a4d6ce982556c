"""Function calls that Vertex AI streams in pieces (`streamFunctionCallArguments`), put together.

The types of the google-genai package say how: a piece with a name begins a call, `willContinue`
says that another piece follows, and each of `partialArgs` is a value, or a piece of a text, at a
JSON path (RFC 9535) in the arguments. A call that says anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object
from cachesaver.errors import DialectError

__all__ = ["NAME", "with_whole_calls"]

NAME = "gemini.generate"

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d]\w*)|\[(?P<index>\d{1,4})\]|\['(?P<one>[^'\\]*)'\]|\["(?P<two>[^"\\]*)"\]"""
)
"""A name or an index: https://www.rfc-editor.org/rfc/rfc9535#section-2.7, without escapes."""

_VALUES: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {"stringValue": str, "numberValue": (int, float), "boolValue": bool, "nullValue": object}
)
"""Fields of a piece, of which it has one, and what may stand there."""

_OF_A_PIECE = frozenset({"name", "id", "partialArgs", "willContinue"})


def with_whole_calls(parts: Iterable[object]) -> list[object]:
    """Return *parts* of one candidate, in their order, with every call in one part.

    Raises:
        DialectError: A call breaks off, or says something that is not understood.
    """
    whole, call = list[object](), None
    for part in parts:
        if not is_object(part) or not is_object(piece := part.get("functionCall", _NO_CALL)):
            _refuse("a part, or the call in it, is not an object")
        if call is None and not _is_piece(piece):
            whole.append(part)
            continue
        call = call or _Call(part, piece)
        call.add(part, piece)
        if call.ended:
            whole.append(call.part())
            call = None
    if call:
        _refuse("a function call breaks off")
    return whole


_NO_CALL: dict[str, object] = {"name": ""}
"""What stands for the call in a part that is none; as a piece it is refused, for its name."""


def _is_piece(call: Mapping[str, object]) -> bool:
    return bool("partialArgs" in call or call.get("willContinue") or "name" not in call)


class _Call:
    """A call being read. *add* every piece, the first one included; then ask for its *part*."""

    def __init__(self, part: dict[str, object], first: Mapping[str, object]) -> None:
        if not isinstance(first.get("name"), str):
            _refuse("a piece of a function call belongs to none")
        self._part = part
        self._named = {name: first[name] for name in ("id", "name") if name in first}
        self._told: dict[str, object] = {}
        self._growing = ""
        self._begun = self.ended = False

    def add(self, part: Mapping[str, object], piece: Mapping[str, object]) -> None:
        more = self._begun and ("name" in piece or len(part) > 1)
        if more or not piece.keys() <= _OF_A_PIECE:
            _refuse("a piece of a function call says more than is understood")
        told = piece.get("partialArgs", [])
        for each in told if is_list(told) else [None]:
            self._take(each)
        self._begun, self.ended = True, not piece.get("willContinue")

    def part(self) -> dict[str, object]:
        """Return the part that the call is, with all its arguments."""
        if self._growing:
            _refuse("an argument breaks off")
        arguments: dict[str, object] = {}
        for path, value in self._told.items():
            _put(arguments, _steps(path), value)
        return {**self._part, "functionCall": {**self._named, "args": arguments}}

    def _take(self, piece: object) -> None:
        if not is_object(piece) or not isinstance(path := piece.get("jsonPath"), str):
            _refuse("a piece of an argument has a path")
        if self._growing not in ("", path) or (path in self._told and not self._growing):
            _refuse("an argument is interrupted, or told twice")
        value, before = _value(piece), self._told.get(path, "")
        goes_on = bool(piece.get("willContinue"))
        if self._growing or goes_on:
            if not isinstance(value, str) or not isinstance(before, str):
                _refuse("only a text comes in pieces")
            value = before + value
        self._told[path] = value
        self._growing = path if goes_on else ""


def _value(piece: Mapping[str, object]) -> object:
    given = [name for name in _VALUES if name in piece]
    if len(given) != 1 or not isinstance(value := piece[given[0]], _VALUES[given[0]]):
        _refuse("a piece of an argument has one value")
    return None if given == ["nullValue"] else value


def _put(arguments: dict[str, object], steps: list[str | int], value: object) -> None:
    """Put *value* where *steps* lead to, and make what they lead through."""
    place: object = arguments
    for step, following in pairwise([*steps, None]):
        if following is None:
            place = _entered(place, step, value, fresh=True)
        else:
            place = _entered(place, step, {} if isinstance(following, str) else [], fresh=False)


def _entered(place: object, step: str | int | None, value: object, *, fresh: bool) -> object:
    """Return what stands at *step* of *place*: *value*, which is put there, or what was before."""
    if is_object(place) and isinstance(step, str):
        if fresh and step in place:
            _refuse("an argument is told twice")
        return place.setdefault(step, value)
    if not is_list(place) or not isinstance(step, int) or step > len(place):
        _refuse("two arguments do not fit into each other")
    if step == len(place):
        place.append(value)
    elif fresh:
        _refuse("an argument is told twice")
    return place[step]


def _steps(path: str) -> list[str | int]:
    steps, at = list[str | int](), 1
    while at < len(path) and (found := _STEP.match(path, at)):
        name = next((n for n in (found["name"], found["one"], found["two"]) if n is not None), None)
        steps.append(int(found["index"]) if name is None else name)
        at = found.end()
    if not path.startswith("$") or at < len(path) or not steps:
        _refuse("the path to an argument is not understood")
    return steps


def _refuse(why: str) -> NoReturn:
    raise DialectError(why, dialect=NAME)
