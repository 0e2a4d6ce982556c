"""Ollama's answer and the lines it is streamed as, each made of the other.

As its server makes the one of the other (`writeChatResponse`, `GenerateHandler`): the whole answer
is the last line, with the texts, calls and log probabilities of all of them.
https://github.com/ollama/ollama/blob/main/server/routes.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object
from cachesaver.errors import DialectError

__all__ = ["COUNTS", "answer_of", "is_complete", "lines_of"]

COUNTS = ("prompt_eval_count", "eval_count")
"""What of the last line is usage."""

_TOLD_ANEW = frozenset(
    {
        # https://github.com/ollama/ollama/blob/main/api/types.go: of each line, and of the last one.
        "created_at",
        "done",
        "done_reason",
        "total_duration",
        "load_duration",
        "prompt_eval_duration",
        "eval_duration",
        *COUNTS,
    }
)
"""What each line may say differently, and the last one says for good."""

_EVERYWHERE = ("model", "remote_model", "remote_host", "created_at")
"""What every line repeats."""

_TEXTS = ("thinking", "content", "response")
"""What is streamed piece by piece, in the order it is said."""

_LISTS = ("tool_calls", "logprobs")
"""What is streamed item by item."""

_STATED = frozenset({"role", "images"})
"""What the message of every line repeats (`"images": null` until 2024)."""


def answer_of(told: Sequence[Mapping[str, object]], *, dialect: str) -> dict[str, object]:
    """Return the whole answer that the lines *told* come to.

    Raises:
        DialectError: They break off, hold an error, or say something this knows no way to add up.
    """
    if not is_complete(told):
        _refuse("the stream breaks off or holds an error", dialect)
    messages = [_message(line, dialect) for line in told]
    answer = _added(told, dialect)
    if any(messages):
        answer["message"] = _added(messages, dialect)
    return answer


def is_complete(told: Sequence[Mapping[str, object]]) -> bool:
    """Tell whether *told* ends in the line that says so, holds no other such and no error."""
    ends = [line.get("done") is True for line in told]
    return ends.count(True) == 1 and ends[-1] and not any(line.get("error") for line in told)


def lines_of(answer: Mapping[str, object], *, dialect: str) -> Iterator[dict[str, object]]:
    """Iterate lines that tell *answer*: its thought, its text, each call, and how it ended.

    Raises:
        DialectError: It is not a complete answer.
    """
    if not is_complete([answer]):
        _refuse("the answer is not complete", dialect)
    shared = {name: answer[name] for name in _EVERYWHERE if name in answer}
    logprobs = answer.get("logprobs")
    for piece in _pieces(answer, dialect):
        # Of all tokens, on the first line that holds some: a reader adds them up.
        first = {"logprobs": logprobs} if logprobs else {}
        logprobs = None
        yield {**shared, **piece, "done": False, **first}
    yield _last(answer, untold=bool(logprobs))


def _added(pieces: Sequence[Mapping[str, object]], dialect: str) -> dict[str, object]:
    """The last of *pieces*, with what all of them said bit by bit."""
    whole = dict(pieces[-1])
    for name in _TEXTS:
        texts = [_text(piece, name, dialect) for piece in pieces]
        if name in whole or any(texts):
            whole[name] = "".join(texts)
    for name in _LISTS:
        if items := [item for piece in pieces for item in _items(piece, name, dialect)]:
            whole[name] = items
    for piece in pieces[:-1]:
        for name, value in piece.items():
            if name not in (*_TEXTS, *_LISTS, "message"):
                _state(whole, name, value, dialect)
    return whole


def _state(whole: dict[str, object], name: str, value: object, dialect: str) -> None:
    """Hold the *value* of an earlier line against that of the last one."""
    if name in _STATED or (name in _EVERYWHERE and name != "created_at"):
        if whole.setdefault(name, value) != value:
            _refuse(f"two lines of the stream state {name} differently", dialect)
    elif name not in _TOLD_ANEW:
        _refuse("a line of the stream holds a field that is not known to be added up", dialect)


def _pieces(answer: Mapping[str, object], dialect: str) -> Iterator[dict[str, object]]:
    """Iterate what the lines but the last say, without what every line repeats."""
    if "message" not in answer:
        for name in ("thinking", "response"):
            if text := _text(answer, name, dialect):
                yield {"response": "", name: text}
        return
    message = _message(answer, dialect)
    stated = {name: value for name, value in message.items() if name in _STATED}
    for name in ("thinking", "content"):
        if text := _text(message, name, dialect):
            yield {"message": {**stated, "content": "", name: text}}
    for call in _items(message, "tool_calls", dialect):
        yield {"message": {**stated, "content": "", "tool_calls": [call]}}


def _last(answer: Mapping[str, object], *, untold: bool) -> dict[str, object]:
    """The line that says how *answer* ended; with its log probabilities where no other had them."""
    said = {"thinking"} if untold else {"thinking", "logprobs"}
    last = {name: value for name, value in answer.items() if name not in said}
    if "response" in last:
        last["response"] = ""
    if is_object(message := last.get("message")):
        told = ("thinking", "content", "tool_calls")
        rest = {name: value for name, value in message.items() if name not in told}
        last["message"] = {**rest, "content": ""}
    return last


def _message(line: Mapping[str, object], dialect: str) -> dict[str, object]:
    message = line.get("message", {})
    if not is_object(message):
        _refuse("a message is not an object", dialect)
    return message


def _text(piece: Mapping[str, object], name: str, dialect: str) -> str:
    text = piece.get(name)
    if text is not None and not isinstance(text, str):
        _refuse(f"{name} is not a text", dialect)
    return text or ""


def _items(piece: Mapping[str, object], name: str, dialect: str) -> list[object]:
    items = piece.get(name)
    if items is not None and not is_list(items):
        _refuse(f"{name} is not a list", dialect)
    return items or []


def _refuse(why: str, dialect: str) -> NoReturn:
    raise DialectError(why, dialect=dialect)
