"""OpenAI responses: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from cachesaver.rehearsal.openai_common import (
    EPOCH,
    OpenAIApi,
    obfuscation,
    read_choice,
    read_tools,
    sse,
)
from cachesaver.rehearsal.reading import integer, listed, mapped, number, required, texts, without
from cachesaver.rehearsal.values import (
    Ask,
    Call,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    dumps,
)

__all__ = ["InputTokensApi", "ResponsesApi"]

NOT_SHAPING = frozenset(
    {
        "background",
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "user",
    }
)

_ECHOED: Mapping[str, Any] = {
    # What the answer repeats of the request, with the value it shows when nothing was given.
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}

Event = tuple[int, dict[str, Any]]


class ResponsesApi(OpenAIApi):
    """`POST …/responses`: one answer a request."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        model = required(body, "model", str)
        tools, forced = read_choice(body.get("tool_choice"), read_tools(body.get("tools")))
        return Ask(
            endpoint="openai.responses",
            model=model,
            prompt=Prompt(
                messages=_messages(body),
                tools=tools,
                forced=forced,
                schema=_schema(mapped(mapped(body.get("text")).get("format"))),
                temperature=number(body, "temperature", 1.0, 2.0),
            ),
            shape=without(body, NOT_SHAPING),
            stream=body.get("stream") is True,
            limit=integer(body, "max_output_tokens"),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `response`."""
        (take,) = takes
        return _response(ask, take, status=_status(take), output=_output(take))

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate named events, numbered from 0; there is no `[DONE]`."""
        (take,) = takes
        padded = mapped(ask.body.get("stream_options")).get("include_obfuscation") is not False
        for number_, (step, event) in enumerate(_events(ask, take)):
            if padded and event["type"].endswith(".delta"):
                event["obfuscation"] = obfuscation(take, number_)
            event["sequence_number"] = number_
            yield Frame(body=sse(event, name=event["type"]), step=step)

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an `error` event."""
        return sse({"type": "error", "sequence_number": place, **self.error(error)}, name="error")


class InputTokensApi(OpenAIApi):
    """`POST …/responses/input_tokens`: a number, always the same."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be counted."""
        tools, _ = read_choice(None, read_tools(body.get("tools")))
        return Ask(
            endpoint="openai.input_tokens",
            model=str(required(body, "model", str)),
            prompt=Prompt(messages=_messages(body), tools=tools),
            shape=without(body, NOT_SHAPING),
            count=0,
            billed=0,
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the count."""
        return {"object": "response.input_tokens", "input_tokens": ask.prompt.tokens}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: counts are not streamed."""
        return iter(())


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    given = required(body, "input", object)
    turns: list[Any] = listed(given) or [{"role": "user", "content": given}]
    instructions = body.get("instructions")
    first = (Message(role="system", text=instructions),) if isinstance(instructions, str) else ()
    return first + tuple(map(_message, map(mapped, turns)))


def _message(item: Mapping[str, Any]) -> Message:
    if item.get("type") == "function_call_output":
        return texts("tool", item.get("output"))
    if isinstance(role := item.get("role"), str):
        return texts("system" if role == "developer" else role, item.get("content"))
    if "type" not in item:
        raise RejectedError(400, "each of 'input' must have a 'role' or a 'type'", "input")
    return Message(role="assistant", text=dumps(item))


def _schema(format_: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if format_.get("type") == "json_schema":
        return mapped(format_.get("schema"))
    return {} if format_.get("type") == "json_object" else None


def _status(take: Take) -> str:
    return "incomplete" if take.finish is Finish.LENGTH else "completed"


def _response(ask: Ask, take: Take, *, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    ended = status != "in_progress"
    return {
        "id": take.id("resp_"),
        "object": "response",
        "created_at": EPOCH + take.ordinal,
        "status": status,
        "completed_at": EPOCH + take.ordinal + 1 if status == "completed" else None,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": ask.model,
        "output": output,
        **{k: ask.shape.get(k, ask.body.get(k) or shown) for k, shown in _ECHOED.items()},
        "service_tier": "default" if ended else "auto",
        "usage": _usage(ask, take) if ended else None,
    }


def _usage(ask: Ask, take: Take) -> dict[str, Any]:
    return {
        "input_tokens": ask.prompt.tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": take.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": ask.prompt.tokens + take.tokens,
    }


def _output(take: Take) -> list[dict[str, Any]]:
    items = [_function_call(take, place, call) for place, call in enumerate(take.calls)]
    return [_message_item(take), *items] if take.text or not items else items


def _message_item(take: Take) -> dict[str, Any]:
    return {
        "id": take.id("msg_"),
        "type": "message",
        "status": _status(take),
        "role": "assistant",
        "content": [_part(take.text)],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _function_call(take: Take, place: int, call: Call) -> dict[str, Any]:
    return {
        "id": take.id("fc_", place),
        "type": "function_call",
        "status": "completed",
        "arguments": dumps(call.arguments),
        "call_id": take.id("call_", place),
        "name": call.name,
    }


def _events(ask: Ask, take: Take) -> Iterator[Event]:
    opening = _response(ask, take, status="in_progress", output=[])
    yield 0, {"type": "response.created", "response": opening}
    yield 0, {"type": "response.in_progress", "response": opening}
    items = _output(take)
    calls = count()
    for output_index, item in enumerate(items):
        if item["type"] == "message":
            yield from _message_events(take, item, output_index)
        else:
            yield from _call_events(take, item, output_index, next(calls))
    status = _status(take)
    closing = _response(ask, take, status=status, output=items)
    yield take.tokens, {"type": f"response.{status}", "response": closing}


def _message_events(take: Take, item: dict[str, Any], output_index: int) -> Iterator[Event]:
    said = len(take.pieces)
    place: dict[str, Any] = {
        "item_id": item["id"],
        "output_index": output_index,
        "content_index": 0,
    }
    opening: dict[str, Any] = {**item, "status": "in_progress", "content": []}

    yield 0, {"type": "response.output_item.added", "output_index": output_index, "item": opening}
    yield 0, {"type": "response.content_part.added", **place, "part": _part("")}
    for step, piece in enumerate(take.pieces, 1):
        yield step, {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield said, {"type": "response.output_text.done", **place, "text": take.text, "logprobs": []}
    yield said, {"type": "response.content_part.done", **place, "part": _part(take.text)}
    yield said, {"type": "response.output_item.done", "output_index": output_index, "item": item}


def _call_events(
    take: Take, item: dict[str, Any], output_index: int, number_: int
) -> Iterator[Event]:
    said = len(take.pieces) + sum(map(len, take.call_pieces[:number_]))
    place = {"item_id": item["id"], "output_index": output_index}
    opening = {**item, "status": "in_progress", "arguments": ""}
    whole = {"name": item["name"], "arguments": item["arguments"]}

    yield (
        said,
        {"type": "response.output_item.added", "output_index": output_index, "item": opening},
    )
    for piece in take.call_pieces[number_]:
        said += 1
        yield said, {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    yield said, {"type": "response.function_call_arguments.done", **place, **whole}
    yield said, {"type": "response.output_item.done", "output_index": output_index, "item": item}
