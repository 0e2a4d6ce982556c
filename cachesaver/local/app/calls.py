"""Calls of functions in what a model says: found while it speaks, read when it has ended.

Each family of models writes them in its own way; `MARKS` are the beginnings. What turns out to be no
call of a function that there is stays text: nothing that was said is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cachesaver.local.app.stops import held_back

__all__ = ["MARKS", "Call", "Listener", "read_calls"]

MARKS = (
    "<tool_call>",  # Hermes, Qwen 2.5 and 3, Granite: <tool_call>{"name": …, "arguments": {…}}</tool_call>
    "<function=",  # Qwen 3 Coder: <function=NAME><parameter=KEY>VALUE</parameter></function>
    "[TOOL_CALLS]",  # Mistral: [TOOL_CALLS][{…}], and from Small 3.2 on [TOOL_CALLS]NAME[ARGS]{…}
    "<|python_tag|>",  # Llama 3: <|python_tag|>{"name": …, "parameters": {…}}; …
)
"""Where calls begin. Models that write bare JSON (Llama 3.1 and 3.2) begin their answer with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call.

    Attributes:
        arguments: JSON.
    """

    name: str
    arguments: str


class Listener:
    """Lets text through until a call may begin; what follows waits for the end."""

    def __init__(self) -> None:
        self._held = ""
        self._is_holding = False
        self._has_begun = False

    def feed(self, text: str) -> str:
        """Return what of *text*, and of what was held back, can be no part of a call."""
        self._held += text
        self._is_holding = self._is_holding or self._begins_as_json()
        if self._is_holding:
            return ""
        found = [at for mark in MARKS if (at := self._held.find(mark)) >= 0]
        if found:
            self._is_holding = True
            return self._pass(min(found))
        if not self._held.strip():
            return ""  # JSON may follow
        return self._pass(len(self._held) - held_back(self._held, MARKS))

    def rest(self) -> str:
        """Return what was held back: no more text comes."""
        return self._pass(len(self._held))

    def _begins_as_json(self) -> bool:
        return not self._has_begun and self._held.lstrip()[:1] in ("{", "[")

    def _pass(self, count: int) -> str:
        passed, self._held = self._held[:count], self._held[count:]
        self._has_begun = self._has_begun or bool(passed.strip())
        return passed


def read_calls(text: str, names: Sequence[str]) -> tuple[Call, ...]:
    """Return the calls that *text* consists of; none where it says anything else.

    Args:
        text: From a mark on.
        names: Of the functions that there are.
    """
    for mark, reader in _READERS.items():
        if text.lstrip().startswith(mark):
            return _known(_read(reader, text.strip()), names)
    return _known(_read(_bare, text.strip()), names)


def _read(reader: Callable[[str], Iterator[Call]], text: str) -> tuple[Call, ...]:
    try:
        return tuple(reader(text))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()  # it stays text


def _known(calls: tuple[Call, ...], names: Sequence[str]) -> tuple[Call, ...]:
    return calls if all(call.name in names for call in calls) else ()


def _call(given: Any) -> Call:
    """Return the call in a JSON object."""
    if not isinstance(given, dict):
        raise TypeError("no call")
    if isinstance(given.get("function"), dict):
        given = given["function"]
    arguments = given["arguments"] if "arguments" in given else given["parameters"]
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    if not isinstance(given["name"], str) or not isinstance(arguments, dict):
        raise TypeError("no call")
    return Call(name=given["name"], arguments=json.dumps(arguments, ensure_ascii=False))


def _values(text: str) -> Iterator[Any]:
    """Iterate the JSON values in *text*, between blanks, commas and semicolons."""
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n;,":
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield from value if isinstance(value, list) else [value]


def _bare(text: str) -> Iterator[Call]:
    return map(_call, _values(text))


def _after_python_tag(text: str) -> Iterator[Call]:
    return _bare(text.removeprefix("<|python_tag|>").removesuffix("<|eom_id|>"))


_BLOCK = re.compile(r"\s*<tool_call>(.*?)(?:</tool_call>|\Z)\s*", re.DOTALL)
_FUNCTION = re.compile(r"\s*<function=([^>\s]+)>(.*?)</function>\s*(?:</tool_call>)?\s*", re.DOTALL)
_PARAMETER = re.compile(r"\s*<parameter=([^>\s]+)>\n?(.*?)\n?</parameter>\s*", re.DOTALL)


def _blocks(text: str) -> Iterator[Call]:
    for found in _whole(_BLOCK, text):
        inner = found[1].strip()
        yield from _functions(inner) if inner.startswith("<function=") else _bare(inner)


def _functions(text: str) -> Iterator[Call]:
    for found in _whole(_FUNCTION, text):
        given = {each[1]: _value(each[2]) for each in _whole(_PARAMETER, found[2])}
        yield Call(name=found[1], arguments=json.dumps(given, ensure_ascii=False))


def _value(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return written


def _whole(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Iterate the matches of *pattern* that follow each other from the beginning to the end."""
    at = 0
    while at < len(text):
        found = pattern.match(text, at)
        if found is None:
            raise ValueError("something else stands between the calls")
        yield found
        at = found.end()


_NAMED = re.compile(r"\s*([a-zA-Z0-9_-]+)(?:\[CALL_ID\][^\[]*)?(?:\[ARGS\])?\s*(?={)")


def _mistral(text: str) -> Iterator[Call]:
    for part in text.split("[TOOL_CALLS]")[1:]:
        found = _NAMED.match(part)
        if found is None:
            yield from _bare(part)
        else:
            (arguments,) = _values(part[found.end() :])
            yield _call({"name": found[1], "arguments": arguments})


_READERS: dict[str, Callable[[str], Iterator[Call]]] = {
    "<tool_call>": _blocks,
    "<function=": _functions,
    "[TOOL_CALLS]": _mistral,
    "<|python_tag|>": _after_python_tag,
}
