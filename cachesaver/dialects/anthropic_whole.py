"""Anthropic's stream of events, read into the message it tells.

https://platform.claude.com/docs/en/build-with-claude/streaming has the order of events; the types
of the anthropic package have their fields. A stream that says something not understood here is
refused: what it adds to a message cannot be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object, read_json
from cachesaver.errors import DialectError

__all__ = ["GIVEN_ONCE", "NAME", "message_of", "refuse", "served_by", "usage_of"]

NAME = "anthropic.messages"

_NAME = re.compile(r"[a-z_]{1,40}")

_GROWING = MappingProxyType({"text_delta": "text", "thinking_delta": "thinking"})
"""Delta kinds that append to a string of the block, and which."""

GIVEN_ONCE = MappingProxyType(
    {"signature_delta": ("signature",), "compaction_delta": ("content", "encrypted_content")}
)
"""Delta kinds that set fields of the block, and which."""

_EVENTS_OWN = frozenset({"type", "delta", "usage"})
"""Fields of `message_delta` that are not fields of the message."""

_SETTLED = frozenset({"id", "type", "role", "model", "content", "usage"})
"""Fields of the message that no `message_delta` may set."""


def message_of(events: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return the message that *events* tell, from `message_start` to `message_stop`.

    Raises:
        DialectError: They break off, report an error, or say something that is not understood.
    """
    reader = _Reader()
    for event in events:
        reader.take(event)
    return reader.message()


def usage_of(events: Iterable[Mapping[str, object]]) -> tuple[str, dict[str, object]]:
    """Return model and usage as far as *events* tell them; they may break off."""
    model, usage = "", dict[str, object]()
    for event in events:
        message = event.get("message")
        if is_object(message) and is_object(first := message.get("usage")):
            named = message.get("model")
            model, usage = named if isinstance(named, str) else "", dict(first)
        model = served_by(event.get("content_block")) or model
        if event.get("type") == "message_delta" and is_object(later := event.get("usage")):
            _overwrite(usage, later)
    return model, usage


class _Reader:
    """A message being read. *take* events in their order, then ask for the *message*."""

    def __init__(self) -> None:
        self._message: dict[str, object] | None = None
        self._blocks: list[object] = []
        self._open: dict[int, _Block] = {}
        self._finished = False

    def take(self, event: Mapping[str, object]) -> None:
        kind = event.get("type")
        if kind == "ping":
            return
        if self._finished or (self._message is None) != (kind == "message_start"):
            refuse(f"{_named(kind)} is not expected at this place of the stream")
        match kind:
            case "message_start":
                self._message, self._blocks = _begun(event.get("message"))
            case "content_block_start":
                self._begin(event.get("index"), event.get("content_block"))
            case "content_block_delta":
                self._block(event).add(event.get("delta"))
            case "content_block_stop":
                self._block(event).end()
                del self._open[len(self._blocks) - 1]
            case "message_delta":
                self._conclude(event)
            case "message_stop":
                self._finished = True
            case _:
                refuse(f"{_named(kind)} is an error or not known")

    def message(self) -> dict[str, object]:
        if self._message is None or not self._finished or self._open:
            refuse("the stream breaks off")
        if self._message.get("stop_reason") is None:
            refuse("the stream gives no stop reason")
        return self._message

    def _begin(self, index: object, block: object) -> None:
        if self._open or index != len(self._blocks) or not is_object(block):
            refuse("a content block does not follow the one before it")
        assert self._message is not None  # noqa: S101  # take() saw to it; tells type checkers
        begun = dict(block)
        self._open[len(self._blocks)] = _Block(begun)
        self._blocks.append(begun)
        if (model := served_by(block)) is not None:
            self._message["model"] = model

    def _block(self, event: Mapping[str, object]) -> _Block:
        index = event.get("index")
        block = self._open.get(index) if isinstance(index, int) else None
        if block is None:
            refuse("an event belongs to no open content block")
        return block

    def _conclude(self, event: Mapping[str, object]) -> None:
        delta, usage = event.get("delta"), event.get("usage")
        assert self._message is not None  # noqa: S101  # take() saw to it; tells type checkers
        told = self._message.get("usage")
        if self._open or not is_object(delta) or not is_object(usage) or not is_object(told):
            refuse("a message_delta has delta and usage and follows the content")
        beside = {name: value for name, value in event.items() if name not in _EVENTS_OWN}
        if not _SETTLED.isdisjoint((*delta, *beside)):
            refuse("a message_delta changes what the message was begun with")
        _overwrite(self._message, {**beside, **delta})
        _overwrite(told, usage)


class _Block:
    """A content block being read into *block*."""

    def __init__(self, block: dict[str, object]) -> None:
        self._block = block
        self._given = set[str]()
        self._json: list[str] = []
        self._text: dict[str, list[str]] = {}

    def add(self, delta: object) -> None:
        kind = delta.get("type") if is_object(delta) else None
        if not is_object(delta) or not isinstance(kind, str):
            refuse("a delta has no type")
        if kind in _GROWING:
            self._append(_GROWING[kind], delta)
        elif kind in GIVEN_ONCE and kind not in self._given:
            self._given.add(kind)
            self._block |= {k: delta[k] for k in GIVEN_ONCE[kind] if k in delta}
        elif kind == "input_json_delta" and isinstance(part := delta.get("partial_json"), str):
            self._json.append(part)
        elif kind == "citations_delta" and "citation" in delta:
            cited = self._block.get("citations")
            self._block["citations"] = [*(cited if is_list(cited) else ()), delta["citation"]]
        else:
            refuse(f"{_named(kind)} is not known, or comes twice")

    def end(self) -> None:
        self._block |= {name: "".join(pieces) for name, pieces in self._text.items()}
        if text := "".join(self._json).strip():
            # Cut off by max_tokens, it is no JSON: how the API shows that whole is not known.
            arguments = read_json(text, dialect=NAME)
            self._block["input"] = arguments if is_object(arguments) else refuse("no arguments")

    def _append(self, name: str, delta: Mapping[str, object]) -> None:
        begun, more = self._block.get(name), delta.get(name)
        if not isinstance(begun, str) or not isinstance(more, str):
            refuse(f"a delta does not fit the {name} it adds to")
        self._text.setdefault(name, [begun]).append(more)


def _begun(message: object) -> tuple[dict[str, object], list[object]]:
    """Return *message* to be completed, and the list that is its content.

    It is empty, but for calls made by running code, which come whole in `message_start`.
    """
    content = message.get("content") if is_object(message) else None
    if not is_object(message) or not is_list(content):
        refuse("a message_start has a message with a list of content")
    usage, blocks = message.get("usage"), content.copy()
    usage = dict(usage) if is_object(usage) else usage
    return {**message, "content": blocks, "usage": usage}, blocks


def _overwrite(told: dict[str, object], later: Mapping[str, object]) -> None:
    """Let *later* win, but where it is null: that says no more than leaving it out."""
    for name, value in later.items():
        if value is not None or name not in told:
            told[name] = value


def served_by(block: object) -> str | None:
    """Return the model that takes over with a `fallback` block; the message is labelled with it."""
    if not is_object(block) or block.get("type") != "fallback":
        return None
    to = block.get("to")
    model = to.get("model") if is_object(to) else None
    return model if isinstance(model, str) else None


def _named(kind: object) -> str:
    """Name an event or delta in a message, where it is a name and not somebody's text."""
    return kind if isinstance(kind, str) and _NAME.fullmatch(kind) else "an event of no known kind"


def refuse(why: str) -> NoReturn:
    """Raise a DialectError of this dialect."""
    raise DialectError(why, dialect=NAME)
