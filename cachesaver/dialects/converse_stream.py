"""Bedrock's Converse response and the events it is streamed as, each made of the other.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html and the
service model of botocore have the fields. What is not known to be put together in one way only is
refused: a guess would be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object, read_json, write_json
from cachesaver.errors import DialectError

__all__ = ["NAME", "events_of_response", "is_whole", "response_of"]

NAME = "bedrock.converse"

Object = dict[str, object]
Event = tuple[str, Object]

_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "messageStart": frozenset({"role"}),
        "contentBlockStart": frozenset({"contentBlockIndex", "start"}),
        "contentBlockDelta": frozenset({"contentBlockIndex", "delta"}),
        "contentBlockStop": frozenset({"contentBlockIndex"}),
        "messageStop": frozenset({"stopReason"}),
        "metadata": frozenset({"usage", "metrics", "trace", "performanceConfig", "serviceTier"}),
    }
)
"""All that an event may say. Not here: `additionalModelResponseFields`, which are pointed to in the
model's own body, and a stream's last event has another body than a whole answer (recorded:
`/delta/stop_sequence` is there what `/stop_sequence` is here)."""

_OF_METADATA = ("metrics", "performanceConfig", "serviceTier", "trace", "usage")
"""What a whole response has at its top, and a stream in its last event."""

_WHOLE = frozenset({"output", "stopReason", *_OF_METADATA})


def is_whole(events: Sequence[Event]) -> bool:
    """Tell whether *events* begin and end as a stream does."""
    names = [name for name, _ in events]
    return names[:1] == ["messageStart"] and names[-2:] == ["messageStop", "metadata"]


def response_of(events: Sequence[Event]) -> Object:
    """Return the response that *events* tell.

    Raises:
        DialectError: They break off, or say something that is not understood.
    """
    if not is_whole(events):
        _refuse("the stream breaks off")
    for name, event in events:
        if not event.keys() <= _FIELDS.get(name, frozenset()):
            _refuse("an event says what is not known to be in a whole response")
    (_, start), *middle, (_, stop), (_, metadata) = events
    role, reason = start.get("role"), stop.get("stopReason")
    if not isinstance(role, str) or not isinstance(reason, str):
        _refuse("the stream does not say who speaks, or why it stopped")
    return {
        "output": {"message": {"role": role, "content": list(_blocks(middle))}},
        "stopReason": reason,
        **{name: metadata[name] for name in _OF_METADATA if name in metadata},
    }


def events_of_response(response: Mapping[str, object]) -> Iterator[Event]:
    """Iterate the events that tell *response*: `response_of` makes it of them again.

    Raises:
        DialectError: It is not a complete response, or has what is not known to be streamed.
    """
    output = response.get("output")
    message = output.get("message") if is_object(output) else None
    content = message.get("content") if is_object(message) else None
    if not is_object(message) or not is_list(content) or not response.keys() <= _WHOLE:
        _refuse("a response has a message, and nothing that is not known to be streamed")
    if message.keys() != {"role", "content"}:
        _refuse("a message has a role and content")
    yield "messageStart", {"role": message["role"]}
    for index, block in enumerate(content):
        yield from _block_events(index, block)
    yield "messageStop", {"stopReason": response.get("stopReason")}
    yield "metadata", {name: response[name] for name in _OF_METADATA if name in response}


# --- a stream's blocks, put together


def _blocks(events: Sequence[Event]) -> Iterator[Object]:
    """The content blocks of *events*, each of which has all of its own in one piece."""
    begun: Object | None = None
    deltas, index = list[Object](), 0
    for name, event in events:
        if event.get("contentBlockIndex") != index or isinstance(event["contentBlockIndex"], bool):
            _refuse("a content block does not follow the one before it")
        if name == "contentBlockStart" and begun is None and not deltas:
            begun = _object(event.get("start"))
        elif name == "contentBlockDelta":
            deltas.append(_object(event.get("delta")))
        elif name == "contentBlockStop":
            yield _block(begun, deltas)
            begun, deltas, index = None, [], index + 1
        else:
            _refuse("an event is not expected at this place of the stream")
    if begun is not None or deltas:
        _refuse("a content block does not end")


def _block(begun: Object | None, deltas: list[Object]) -> Object:
    kinds = {tuple(delta) for delta in deltas}
    if begun is not None:
        return _begun_block(begun, deltas)
    if kinds == {("text",)}:
        return {"text": _joined(deltas, "text")}
    if kinds == {("text",), ("citation",)}:
        cited = [_object(delta["citation"]) for delta in deltas if "citation" in delta]
        if not all("location" in each for each in cited):
            _refuse("a citation does not say where: it may be a piece of one")
        texts = [delta for delta in deltas if "text" in delta]
        return {
            "citationsContent": {"content": [{"text": _joined(texts, "text")}], "citations": cited}
        }
    if kinds == {("reasoningContent",)}:
        return {"reasoningContent": _reasoning([_object(d["reasoningContent"]) for d in deltas])}
    return _refuse("a content block is of no known kind")


def _begun_block(begun: Object, deltas: list[Object]) -> Object:
    kinds = {*map(tuple, deltas), tuple(begun)}
    if kinds == {("toolUse",)}:
        head = _object(begun["toolUse"])
        text = _joined([_object(delta["toolUse"]) for delta in deltas], "input")
        return {"toolUse": {**head, "input": _object(read_json(text or "{}", dialect=NAME))}}
    if kinds == {("toolResult",)} and len(deltas) == 1:
        result = deltas[0]["toolResult"]
        if is_list(result):
            return {"toolResult": {**_object(begun["toolResult"]), "content": result}}
    return _refuse("a content block is of no known kind")


def _reasoning(deltas: list[Object]) -> Object:
    kinds = [tuple(delta) for delta in deltas]
    if kinds == [("redactedContent",)]:
        return deltas[0]
    if set(kinds) <= {("text",), ("signature",)} and kinds.count(("signature",)) <= 1:
        thought = _joined([delta for delta in deltas if "text" in delta], "text")
        signed = next((delta for delta in deltas if "signature" in delta), Object())
        return {"reasoningText": {"text": thought, **signed}}
    return _refuse("reasoning comes in pieces of which it is not known how they fit")


def _joined(deltas: list[Object], field: str) -> str:
    pieces = [piece for delta in deltas if isinstance(piece := delta.get(field), str)]
    if len(pieces) != len(deltas) or any(len(delta) != 1 for delta in deltas):
        _refuse("a piece of a content block is no text")
    return "".join(pieces)


# --- a whole response's blocks, taken apart


def _block_events(index: int, block: object) -> Iterator[Event]:
    begun, deltas = _taken_apart(block)
    at: Object = {"contentBlockIndex": index}
    if begun is not None:
        yield "contentBlockStart", {**at, "start": begun}
    for delta in deltas:
        yield "contentBlockDelta", {**at, "delta": delta}
    yield "contentBlockStop", at


_Apart = tuple[Object | None, list[Object]]
"""What a block begins with, if its beginning is told, and the deltas that complete it."""


def _taken_apart(block: object) -> _Apart:
    if not is_object(block) or len(block) != 1:
        _refuse("a content block is not of one kind")
    ((kind, told),) = block.items()
    if kind == "text" and isinstance(told, str):
        return None, [block]
    if kind not in _APART:
        _refuse("a content block is of no kind that is known to be streamed")
    return _APART[kind](_object(told))


def _call_apart(call: Object) -> _Apart:
    text = write_json(_object(call.get("input")), dialect=NAME).decode()
    return {"toolUse": _but(call, "input")}, [{"toolUse": {"input": text}}]


def _result_apart(result: Object) -> _Apart:
    content = result.get("content")
    if not is_list(content):
        _refuse("the result of a call has no content")
    return {"toolResult": _but(result, "content")}, [{"toolResult": content}]


def _thought_apart(told: Object) -> _Apart:
    """The thought, unless there is a signature alone; or what of it is redacted."""
    if told.keys() == {"redactedContent"}:
        return None, [{"reasoningContent": told}]
    thought = _object(told.get("reasoningText"))
    if told.keys() != {"reasoningText"} or not thought.keys() <= {"text", "signature"}:
        _refuse("reasoning has what is not known to be streamed")
    names = [name for name in ("text", "signature") if thought.get(name)] or ["text"]
    return None, [{"reasoningContent": {name: thought.get(name, "")}} for name in names]


def _cited_apart(told: Object) -> _Apart:
    content, citations = told.get("content"), told.get("citations")
    if told.keys() != {"content", "citations"} or not is_list(content) or not is_list(citations):
        _refuse("cited content has what is not known to be streamed")
    if len(content) != 1 or not citations:
        _refuse("cited content is not one text and its citations")
    cited: list[Object] = [{"citation": citation} for citation in citations]
    return None, [*cited, {"text": _joined([_object(content[0])], "text")}]


_APART: Mapping[str, Callable[[Object], _Apart]] = MappingProxyType(
    {
        "toolUse": _call_apart,
        "toolResult": _result_apart,
        "reasoningContent": _thought_apart,
        "citationsContent": _cited_apart,
    }
)


def _but(told: Object, left_out: str) -> Object:
    return {name: value for name, value in told.items() if name != left_out}


def _object(value: object) -> Object:
    return value if is_object(value) else _refuse("a part of the stream is not an object")


def _refuse(why: str) -> NoReturn:
    raise DialectError(why, dialect=NAME)
