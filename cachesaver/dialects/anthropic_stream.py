"""Anthropic's message, told as the stream of events it would have been.

`anthropic_whole` makes the very message of them again. Content that is known to be complete at its
start (tool results, redacted thinking, kinds yet to come) is carried over as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cachesaver.dialects.anthropic_whole import GIVEN_ONCE, NAME, refuse, served_by
from cachesaver.dialects.forms import is_list, is_object, write_json

__all__ = ["stream_of"]

_LAST_WORDS = ("stop_reason", "stop_sequence", "stop_details", "container")
"""What of the message is told at its end, in `message_delta.delta`."""

_COUNTED_TO_THE_END = frozenset(
    {"output_tokens", "output_tokens_details", "server_tool_use", "iterations", "fallback_credit"}
)
"""What of the usage is not known at the start; output tokens are, as a count of none yet."""

_TOLD_AGAIN = frozenset({"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"})
"""What of the usage the end repeats (`MessageDeltaUsage`): totals, not additions."""


def stream_of(message: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Iterate the events that tell *message*: `message_of` makes it of them again.

    Raises:
        DialectError: It is not a complete message.
    """
    content, usage = message.get("content"), message.get("usage")
    if not is_list(content) or not is_object(usage) or usage.get("output_tokens") is None:
        refuse("a message has content and usage")
    if message.get("stop_reason") is None:
        refuse("a complete message has a stop reason")
    served = [model for block in content if (model := served_by(block)) is not None]
    if served and message.get("model") != served[-1]:
        refuse("a message is labelled with the model it fell back to")
    yield {"type": "message_start", "message": _opening(message, content, usage)}
    for index, block in enumerate(content):
        yield from _block_events(index, block)
    yield _closing(message, usage)
    yield {"type": "message_stop"}


def _opening(
    message: Mapping[str, object], content: list[object], usage: Mapping[str, object]
) -> dict[str, object]:
    at_end = {name: None for name in (*_LAST_WORDS, "context_management") if name in message}
    first = {name: count for name, count in usage.items() if name not in _COUNTED_TO_THE_END}
    model = _asked_first(content)
    return {
        **message,
        **at_end,
        **({} if model is None else {"model": model}),
        "content": [],
        "usage": {**first, "output_tokens": 0},
    }


def _asked_first(content: list[object]) -> str | None:
    """Return the model that the first of the `fallback` blocks of *content* took over from."""
    for block in content:
        if is_object(block) and served_by(block) is not None:
            asked = block.get("from")
            model = asked.get("model") if is_object(asked) else None
            return model if isinstance(model, str) else None
    return None


def _closing(message: Mapping[str, object], usage: Mapping[str, object]) -> dict[str, object]:
    counted = _COUNTED_TO_THE_END | _TOLD_AGAIN
    closing: dict[str, object] = {
        "type": "message_delta",
        "delta": {name: message[name] for name in _LAST_WORDS if name in message},
        "usage": {name: count for name, count in usage.items() if name in counted},
    }
    if "context_management" in message:
        closing["context_management"] = message["context_management"]
    return closing


def _block_events(index: int, block: object) -> Iterator[dict[str, object]]:
    if not is_object(block):
        refuse("a content block is not an object")
    opening, deltas = _taken_apart(block)
    yield {"type": "content_block_start", "index": index, "content_block": opening}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _taken_apart(block: dict[str, object]) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return *block* as it is at its start, and the deltas that complete it."""
    match block:
        case {"type": "text", "text": str() as text}:
            return _text_apart(block, text)
        case {"type": "thinking", "thinking": str() as thought}:
            return _thinking_apart(block, thought)
        case {"type": "tool_use" | "server_tool_use" | "mcp_tool_use", "input": given} if is_object(
            given
        ):
            # Their input is streamed as JSON text; that of other blocks comes whole at their start.
            pieces = ["", write_json(given, dialect=NAME).decode()] if given else [""]
            return {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": piece} for piece in pieces
            ]
        case {"type": "compaction"}:
            told = {name: block[name] for name in GIVEN_ONCE["compaction_delta"] if name in block}
            return {**block, **dict.fromkeys(told)}, [{"type": "compaction_delta", **told}]
        case _:
            return block, []


def _text_apart(
    block: dict[str, object], text: str
) -> tuple[dict[str, object], list[dict[str, object]]]:
    opening, deltas = {**block, "text": ""}, list[dict[str, object]]()
    if text:
        deltas.append({"type": "text_delta", "text": text})
    if is_list(citations := block.get("citations")):
        opening["citations"] = []
        deltas += [{"type": "citations_delta", "citation": citation} for citation in citations]
    return opening, deltas


def _thinking_apart(
    block: dict[str, object], thought: str
) -> tuple[dict[str, object], list[dict[str, object]]]:
    opening, deltas = {**block, "thinking": ""}, list[dict[str, object]]()
    if thought:
        deltas.append({"type": "thinking_delta", "thinking": thought})
    if isinstance(signature := block.get("signature"), str) and signature:
        opening["signature"] = ""
        deltas.append({"type": "signature_delta", "signature": signature})
    return opening, deltas
