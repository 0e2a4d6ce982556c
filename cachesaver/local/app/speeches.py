"""What one sample of a chat says, as the deltas of OpenAI's chunks: text, or calls of functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from cachesaver.local.app.calls import Call, Listener, read_calls

__all__ = ["AnyCall", "Choosing", "NamedCall", "Plain", "Speech", "call_id"]

Delta = dict[str, Any]


class Speech(Protocol):
    """Turns text into deltas.

    Attributes:
        calls: Whether it ended in calls, so that `tool_calls` is why the answer ended.
    """

    calls: bool

    def feed(self, text: str) -> list[Delta]:
        """Return the deltas that *text* gives."""
        ...

    def close(self) -> list[Delta]:
        """Return those that are left: no more text comes."""
        ...


class Plain:
    """Text."""

    calls = False

    def feed(self, text: str) -> list[Delta]:
        """Return *text*."""
        return [{"content": text}] if text else []

    def close(self) -> list[Delta]:
        """Return nothing."""
        return []


class Choosing:
    """Text, or calls in the model's own way of writing them.

    Args:
        origin: Names the sample: ids of calls are made of it, so that a replay has the same.
        names: Of the functions.
        most: Calls at most; what is beyond is left out. `None`: any number.
    """

    def __init__(self, origin: str, names: Sequence[str], *, most: int | None) -> None:
        self.calls = False
        self._origin = origin
        self._names = names
        self._most = most
        self._listener = Listener()

    def feed(self, text: str) -> list[Delta]:
        """Return what can be no part of a call."""
        return Plain().feed(self._listener.feed(text))

    def close(self) -> list[Delta]:
        """Return the calls, or the text that they turned out to be."""
        text = self._listener.rest()
        calls = read_calls(text, self._names)[: self._most]
        self.calls = bool(calls)
        return _deltas(self._origin, calls) if calls else Plain().feed(text)


class NamedCall:
    """The arguments of the one function that was asked for; the text is JSON."""

    calls = False  # as OpenAI has it: the answer ends with "stop"

    def __init__(self, origin: str, name: str) -> None:
        self._origin = origin
        self._name = name
        self._has_begun = False

    def feed(self, text: str) -> list[Delta]:
        """Return *text* as a part of the arguments."""
        if not text:
            return []
        if self._has_begun:
            return [{"tool_calls": [{"index": 0, "function": {"arguments": text}}]}]
        self._has_begun = True
        return _deltas(self._origin, [Call(name=self._name, arguments=text)])

    def close(self) -> list[Delta]:
        """Return nothing."""
        return []


class AnyCall:
    """A call of any function, as JSON with `name` and `arguments`."""

    def __init__(self, origin: str) -> None:
        self.calls = False
        self._origin = origin
        self._text = ""

    def feed(self, text: str) -> list[Delta]:
        """Wait for the end: the name comes with the arguments."""
        self._text += text
        return []

    def close(self) -> list[Delta]:
        """Return the call; what broke off at the greatest length is text."""
        try:
            said = json.loads(self._text)
        except ValueError:
            return Plain().feed(self._text)
        self.calls = True
        arguments = json.dumps(said["arguments"], ensure_ascii=False)
        return _deltas(self._origin, [Call(name=said["name"], arguments=arguments)])


def call_id(origin: str, number: int) -> str:
    """Return the id of call *number* of the sample *origin*."""
    return f"call_{hashlib.sha256(f'{origin}/{number}'.encode()).hexdigest()[:24]}"


def _deltas(origin: str, calls: Sequence[Call]) -> list[Delta]:
    return [
        {
            "tool_calls": [
                {
                    "index": at,
                    "id": call_id(origin, at),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
            ]
        }
        for at, call in enumerate(calls)
    ]
