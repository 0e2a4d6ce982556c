"""Cohere's stream of chat events (API v2), read into the answer it tells.

https://docs.cohere.com/v2/docs/streaming and recorded exchanges have the order of events. What a
stream says beyond what is understood here is refused: what it adds to an answer cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NoReturn

from cachesaver.dialects import cohere_common
from cachesaver.dialects.jsontext import is_list, is_object

__all__ = [
    "BROKEN",
    "EMPTY",
    "GROWING",
    "NAME",
    "Object",
    "answer_of",
    "as_object",
    "as_objects",
    "as_text",
    "is_complete",
    "is_finish",
    "refuse",
    "usage_of",
]

NAME = "cohere.chat"

Object = dict[str, object]

BROKEN: Mapping[str, str] = MappingProxyType(
    {
        # https://docs.cohere.com/reference/chat (ChatFinishReason)
        "ERROR": "the generation failed due to an internal error",
        "TIMEOUT": "it was stopped because it exceeded the allowed time",
    }
)
"""Finish reasons of what is no answer."""

GROWING = frozenset({"text", "thinking"})
"""Types of content, and the fields of the same names that grow piece by piece."""

EMPTY: Mapping[str, object] = MappingProxyType(
    {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
)
"""What a stream begins with; a whole answer leaves out what stayed empty (recorded exchanges)."""


def answer_of(events: Iterable[Mapping[str, object]]) -> Object:
    """Return the whole answer that *events* tell, from `message-start` to `message-end`.

    Raises:
        DialectError: They break off, report an error, or say something that is not understood.
    """
    reader = _Reader()
    for event in events:
        reader.take(event)
    return reader.answer()


def is_complete(events: Iterable[Mapping[str, object]]) -> bool:
    """Tell whether *events* are a stream from its first word to its last, without an error."""
    told = list(events)
    kinds = [event.get("type") for event in told]
    if kinds[:1] != ["message-start"] or kinds[-1:] != ["message-end"]:
        return False
    end = told[-1].get("delta")
    reason = end.get("finish_reason") if is_object(end) else None
    return is_finish(reason) and not any(map(_is_error, told))


def is_finish(reason: object) -> bool:
    """Tell whether *reason* ends an answer that is one."""
    return isinstance(reason, str) and bool(reason) and reason not in BROKEN


def usage_of(events: Iterable[Mapping[str, object]]) -> Mapping[str, object]:
    """Return the usage that *events* tell; empty where they do not."""
    for event in events:
        end = event.get("delta") if event.get("type") == "message-end" else None
        if is_object(end) and is_object(usage := end.get("usage")):
            return usage
    return MappingProxyType({})


class _Reader:
    """An answer being read. *take* events in their order, then ask for the *answer*."""

    def __init__(self) -> None:
        self._head: Object | None = None
        self._end: Object | None = None
        self._plan: list[str] = []
        self._blocks: list[_Part] = []
        self._calls: list[_Part] = []
        self._citations: list[Object] = []
        self._logprobs: list[object] = []
        self._takes: Mapping[str, Callable[[Mapping[str, object]], None]] = {
            "message-start": self._begin,
            "tool-plan-delta": self._plan_on,
            "content-start": lambda event: _open(self._blocks, event, "content"),
            "content-delta": self._add,
            "content-end": lambda event: _close(self._blocks, event),
            "tool-call-start": lambda event: _open(self._calls, event, "tool_calls"),
            "tool-call-delta": self._add_arguments,
            "tool-call-end": lambda event: _close(self._calls, event),
            "citation-start": self._cite,
            "citation-end": self._cited,
            "message-end": self._conclude,
        }

    def take(self, event: Mapping[str, object]) -> None:
        kind = event.get("type")
        if self._end is not None or (self._head is None) != (kind == "message-start"):
            refuse("an event is not expected at this place of the stream")
        takes = self._takes.get(kind) if isinstance(kind, str) else None
        if takes is None:
            refuse("an event is an error, or not known")
        takes(event)

    def answer(self) -> Object:
        if self._head is None or self._end is None:
            refuse("the stream breaks off")
        if self._end.get("error") or not is_finish(self._end.get("finish_reason")):
            refuse("the stream ends with an error")
        if any(part.is_open for part in (*self._blocks, *self._calls)):
            refuse("a part of the message has no end")
        told: Object = {
            "tool_plan": "".join(self._plan),
            "content": [block.whole() for block in self._blocks],
            "tool_calls": [call.whole() for call in self._calls],
            "citations": self._citations,
        }
        message = {
            **as_object(self._head["message"], "a message"),
            **{name: value for name, value in told.items() if value},
        }
        logprobs: Object = {"logprobs": self._logprobs} if self._logprobs else {}
        return {**self._head, "message": message, **self._end, **logprobs}

    def _begin(self, event: Mapping[str, object]) -> None:
        self._head = _begun(event)

    def _plan_on(self, event: Mapping[str, object]) -> None:
        self._plan.append(as_text(_told(event, "tool_plan")))

    def _add_arguments(self, event: Mapping[str, object]) -> None:
        _current(self._calls, event).add_arguments(_told(event, "tool_calls"))

    def _cite(self, event: Mapping[str, object]) -> None:
        if event.get("index") != len(self._citations):
            refuse("a citation does not follow the one before it")
        self._citations.append(as_object(_told(event, "citations"), "a citation"))

    def _cited(self, event: Mapping[str, object]) -> None:
        if event.get("index") != len(self._citations) - 1:
            refuse("a citation ends that was not begun")

    def _conclude(self, event: Mapping[str, object]) -> None:
        self._end = as_object(event.get("delta"), "the end of a message")

    def _add(self, event: Mapping[str, object]) -> None:
        _current(self._blocks, event).add(_told(event, "content"))
        if event.get("logprobs") is not None:
            self._logprobs.append(event["logprobs"])


class _Part:
    """A block of content or a tool call being read."""

    def __init__(self, begun: Object) -> None:
        self.is_open = True
        self._begun = begun
        self._pieces: list[str] = []
        self._kind = str(begun.get("type"))

    def add(self, piece: object) -> None:
        told = as_object(piece, "content")
        if self._kind not in GROWING or set(told) - {"type"} != {self._kind}:
            refuse("a delta does not fit the content it adds to")
        self._pieces.append(as_text(told[self._kind]))

    def add_arguments(self, piece: object) -> None:
        told = as_object(piece, "a tool call")
        function = as_object(told.get("function"), "a function")
        if set(told) != {"function"} or set(function) != {"arguments"}:
            refuse("a delta of a tool call adds to more than its arguments")
        self._pieces.append(as_text(function["arguments"]))

    def whole(self) -> Object:
        added = "".join(self._pieces)
        if not added:
            return self._begun
        if self._kind in GROWING:
            return {**self._begun, self._kind: as_text(self._begun.get(self._kind, "")) + added}
        function = as_object(self._begun.get("function"), "a function")
        arguments = as_text(function.get("arguments", "")) + added
        return {**self._begun, "function": {**function, "arguments": arguments}}


def _begun(event: Mapping[str, object]) -> Object:
    """The answer as it begins: its id, and what its message has beside what is still to come."""
    delta = as_object(event.get("delta"), "a delta")
    message = as_object(delta.get("message"), "a message")
    if any(message.get(name) for name in EMPTY):
        refuse("a message does not begin empty")
    kept = {name: value for name, value in message.items() if name not in EMPTY}
    return {"id": as_text(event.get("id")), "message": kept}


def _open(parts: list[_Part], event: Mapping[str, object], name: str) -> None:
    begun = as_object(_told(event, name), name)
    # One stream of the reference leaves the index out, as there is only one block.
    if event.get("index", len(parts)) != len(parts) or any(part.is_open for part in parts):
        refuse("a part of the message does not follow the one before it")
    parts.append(_Part(begun))


def _close(parts: list[_Part], event: Mapping[str, object]) -> None:
    _current(parts, event).is_open = False


def _current(parts: list[_Part], event: Mapping[str, object]) -> _Part:
    last = len(parts) - 1
    if not parts or not parts[last].is_open or event.get("index", last) != last:
        refuse("an event belongs to nothing that was begun")
    return parts[last]


def _told(event: Mapping[str, object], name: str) -> object:
    """What *event* says of the member *name* of the message, and nothing else."""
    delta = as_object(event.get("delta"), "a delta")
    message = as_object(delta.get("message"), "a message")
    if set(message) != {name} or set(delta) != {"message"}:
        refuse(f"a delta of {name} says more than that")
    return message[name]


def _is_error(event: Mapping[str, object]) -> bool:
    delta = event.get("delta")
    return bool(event.get("error") or (is_object(delta) and delta.get("error")))


def as_object(value: object, what: str) -> Object:
    """Return *value* as the JSON object that *what* has to be."""
    return value if is_object(value) else refuse(f"{what} is not an object")


def as_objects(value: object, what: str) -> list[Object]:
    """Return *value* as the list of objects that *what* has to be; none where it is null."""
    if value is None:
        return []
    return [as_object(each, what) for each in value] if is_list(value) else refuse(f"no {what}")


def as_text(value: object) -> str:
    """Return *value* as the text it has to be."""
    return value if isinstance(value, str) else refuse("what should be text is not")


def refuse(why: str) -> NoReturn:
    """Raise a DialectError of this dialect."""
    cohere_common.refuse(why, dialect=NAME)
