"""Cohere's chat answer (API v2), told as the stream of events it would have been.

`cohere_whole` makes the very answer of them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cachesaver.dialects.cohere_whole import (
    EMPTY,
    GROWING,
    Object,
    as_object,
    as_objects,
    as_text,
    is_finish,
    refuse,
)

__all__ = ["events_of"]

_PLAN = "PLAN"
"""The type of a citation in the tool plan; all others are in a block of content."""


def events_of(answer: Mapping[str, object]) -> Iterator[Object]:
    """Iterate the events that tell *answer*: `answer_of` makes it of them again.

    Raises:
        DialectError: It is not a complete answer, or has what no event is known for.
    """
    message = as_object(answer.get("message"), "a message")
    if not is_finish(answer.get("finish_reason")):
        refuse("a complete answer has a finish reason")
    content = as_objects(message.get("content"), "content")
    citations = _Citations(message, len(content) - 1)
    pieces = _in_pieces(content, answer.get("logprobs"))

    opening = {"message": {**message, **EMPTY}}
    yield {"type": "message-start", "id": as_text(answer.get("id")), "delta": opening}
    if plan := as_text(message.get("tool_plan") or ""):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": plan}}}
    yield from citations.up_to(-1)
    for index, block in enumerate(content):
        yield from _block_events(index, block, pieces[index])
        yield from citations.up_to(index)
        yield {"type": "content-end", "index": index}
    for index, call in enumerate(as_objects(message.get("tool_calls"), "tool_calls")):
        yield from _call_events(index, call)
    closing = {k: v for k, v in answer.items() if k not in ("id", "message", "logprobs")}
    yield {"type": "message-end", "delta": closing}


class _Citations:
    """The citations of a message, to be told where they belong, in their order.

    Args:
        message: Whose they are.
        last: The last block of content, -1 where there is none: what stands behind comes there.
    """

    def __init__(self, message: Object, last: int) -> None:
        self._left = [*enumerate(as_objects(message.get("citations"), "citations"))]
        self._last = last

    def up_to(self, block: int) -> Iterator[Object]:
        """Iterate the events of those in *block* (-1: the tool plan) that nothing keeps back."""
        while self._left and (block == self._last or self._place() <= block):
            index, citation = self._left.pop(0)
            told: Object = {"message": {"citations": citation}}
            yield {"type": "citation-start", "index": index, "delta": told}
            yield {"type": "citation-end", "index": index}

    def _place(self) -> int:
        citation = self._left[0][1]
        if citation.get("type") == _PLAN:
            return -1
        place = citation.get("content_index")
        return place if isinstance(place, int) else self._last


def _in_pieces(content: list[Object], logprobs: object) -> list[list[tuple[str, object]]]:
    """The text of each block, in the pieces that *logprobs* are of, or in one without any."""
    texts = [as_text(block.get(_kind(block))) for block in content]
    if logprobs is None:
        return [[(text, None)] if text else [] for text in texts]
    items = [(as_text(item.get("text")), item) for item in as_objects(logprobs, "logprobs")]
    pieces = [list(_taken(text, items)) for text in texts]
    if items:
        refuse("there are log probabilities of more than the text")
    return pieces


def _taken(text: str, items: list[tuple[str, Object]]) -> Iterator[tuple[str, object]]:
    """Take from *items* what *text* is made of."""
    at = 0
    while at < len(text):
        piece = items[0][0] if items else ""
        if not piece or not text.startswith(piece, at):
            refuse("the log probabilities are not those of the text")
        yield items.pop(0)
        at += len(piece)


def _kind(block: Object) -> str:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in GROWING:
        refuse("a block of content is of no known type")
    return kind


def _block_events(index: int, block: Object, pieces: list[tuple[str, object]]) -> Iterator[Object]:
    """Iterate the events of *block*, but the one that ends it."""
    kind = _kind(block)
    opening: Object = {"message": {"content": {**block, kind: ""}}}
    yield {"type": "content-start", "index": index, "delta": opening}
    for piece, logprobs in pieces:
        told: Object = {} if logprobs is None else {"logprobs": logprobs}
        delta: Object = {"message": {"content": {kind: piece}}}
        yield {"type": "content-delta", "index": index, "delta": delta, **told}


def _call_events(index: int, call: Object) -> Iterator[Object]:
    function = as_object(call.get("function"), "a function")
    opening: Object = {**call, "function": {**function, "arguments": ""}}
    added: Object = {"function": {"arguments": as_text(function.get("arguments"))}}
    for kind, told in (("tool-call-start", opening), ("tool-call-delta", added)):
        yield {"type": kind, "index": index, "delta": {"message": {"tool_calls": told}}}
    yield {"type": "tool-call-end", "index": index}
