"""A whole response as the events that OpenAI's Responses API would have streamed it in.

https://platform.openai.com/docs/api-reference/responses-streaming names the events; the order is
that of recorded streams. Every text comes in one delta: where it was cut is not known any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType

from cachesaver.dialects.jsontext import is_list
from cachesaver.dialects.merging import as_list, as_object
from cachesaver.errors import DialectError

__all__ = ["Object", "events_of"]

Object = dict[str, object]

_ENDS: Mapping[str, str] = MappingProxyType(
    {"completed": "response.completed", "incomplete": "response.incomplete"}
)

_TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "function_call": ("arguments", "response.function_call_arguments"),
        "custom_tool_call": ("input", "response.custom_tool_call_input"),
        "mcp_call": ("arguments", "response.mcp_call_arguments"),
        "code_interpreter_call": ("code", "response.code_interpreter_call_code"),
    }
)
"""Items that consist of one text: its field, and what its events are called."""

_STAGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "web_search_call": (("in_progress", "searching"), ("completed",)),
        "file_search_call": (("in_progress", "searching"), ("completed",)),
        "image_generation_call": (("in_progress", "generating"), ("completed",)),
        "code_interpreter_call": (("in_progress",), ("interpreting", "completed")),
        "mcp_call": (("in_progress",), ("completed",)),
        "mcp_list_tools": (("in_progress",), ("completed",)),
    }
)
"""Items whose progress is told: before and after their text."""

_PARTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "output_text": ("text", "response.output_text"),
        "refusal": ("refusal", "response.refusal"),
        "reasoning_text": ("text", "response.reasoning_text"),
    }
)
"""Parts of a content: the field of their text, and what its events are called."""

_LATER = ("result", "results", "output", "outputs", "error")
"""Fields of an item that are not known when it is announced."""


def events_of(response: Object, *, dialect: str) -> Iterator[Object]:
    """Iterate the events, each with its `type` and `sequence_number`.

    Raises:
        DialectError: *response* is not finished, or its output is not made of items.
    """
    for number, event in zip(count(), _events(response, dialect), strict=False):
        yield {"type": event.pop("type"), "sequence_number": number, **event}


def _events(response: Object, dialect: str) -> Iterator[Object]:
    status = response.get("status", "completed")
    if not isinstance(status, str) or status not in _ENDS:
        raise DialectError("the response is not finished", dialect=dialect)
    begun = _begun(response)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    output = as_list(response.get("output"), "output", dialect=dialect)
    for index, found in enumerate(output):
        item = as_object(found, "an output item", dialect=dialect)
        yield {
            "type": "response.output_item.added",
            "output_index": index,
            "item": _announced(item),
        }
        place: Object = {"item_id": item.get("id", ""), "output_index": index}
        for event in _item_events(item, dialect):
            yield {"type": event.pop("type"), **place, **event}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": _ENDS[status], "response": response}


def _begun(response: Object) -> Object:
    """The response as it stands before its first token."""
    unknown = ("usage", "completed_at", "incomplete_details", "error")
    nothing: Object = {name: None for name in unknown if name in response}
    return {**response, "status": "in_progress", **nothing, "output": []}


def _announced(item: Object) -> Object:
    empty: Object = {name: [] for name in ("content", "summary") if is_list(item.get(name))}
    field = _text_field(item)
    if field in item:
        empty[field] = ""
    if "status" in item:
        empty["status"] = "in_progress"
    return {**{k: v for k, v in item.items() if k not in _LATER}, **empty}


def _item_events(item: Object, dialect: str) -> Iterator[Object]:
    kind = str(item.get("type"))
    before, after = _STAGES.get(kind, ((), ()))
    if item.get("error") and "completed" in after:
        after = (*after[:-1], "failed")
    for stage in before:
        yield {"type": f"response.{kind}.{stage}"}
    if isinstance(text := item.get(_text_field(item)), str):
        field, stem = _TEXTS[kind]
        yield {"type": f"{stem}.delta", "delta": text}
        named: Object = {"name": item["name"]} if kind == "function_call" and "name" in item else {}
        yield {"type": f"{stem}.done", field: text, **named}
    yield from _summary_events(item, dialect)
    yield from _content_events(item, dialect)
    for stage in after:
        yield {"type": f"response.{kind}.{stage}"}


def _text_field(item: Object) -> str:
    kind = item.get("type")
    return _TEXTS[kind][0] if isinstance(kind, str) and kind in _TEXTS else ""


def _summary_events(item: Object, dialect: str) -> Iterator[Object]:
    for index, found in enumerate(as_list(item.get("summary") or [], "summary", dialect=dialect)):
        part = as_object(found, "a summary part", dialect=dialect)
        place: Object = {"summary_index": index}
        text = part.get("text", "")
        head, stem = "response.reasoning_summary_part", "response.reasoning_summary_text"
        yield {"type": f"{head}.added", **place, "part": {**part, "text": ""}}
        yield {"type": f"{stem}.delta", **place, "delta": text}
        yield {"type": f"{stem}.done", **place, "text": text}
        yield {"type": f"{head}.done", **place, "part": part}


def _content_events(item: Object, dialect: str) -> Iterator[Object]:
    for index, found in enumerate(as_list(item.get("content") or [], "content", dialect=dialect)):
        part = as_object(found, "a content part", dialect=dialect)
        kind = part.get("type")
        if not isinstance(kind, str) or kind not in _PARTS:
            raise DialectError("a content part is of an unknown type", dialect=dialect)
        field, stem = _PARTS[kind]
        place: Object = {"content_index": index}
        logprobs: Object = {"logprobs": part.get("logprobs") or []} if kind == "output_text" else {}
        text = part.get(field, "")
        yield {"type": "response.content_part.added", **place, "part": _begun_part(part, field)}
        yield {"type": f"{stem}.delta", **place, "delta": text, **logprobs}
        yield from _annotation_events(part, place, dialect)
        yield {"type": f"{stem}.done", **place, field: text, **logprobs}
        yield {"type": "response.content_part.done", **place, "part": part}


def _begun_part(part: Object, field: str) -> Object:
    lists: Object = {name: [] for name in ("annotations", "logprobs") if is_list(part.get(name))}
    return {**part, field: "", **lists}


def _annotation_events(part: Object, place: Object, dialect: str) -> Iterator[Object]:
    found = as_list(part.get("annotations") or [], "annotations", dialect=dialect)
    for index, annotation in enumerate(found):
        yield {
            "type": "response.output_text.annotation.added",
            **place,
            "annotation_index": index,
            "annotation": annotation,
        }
