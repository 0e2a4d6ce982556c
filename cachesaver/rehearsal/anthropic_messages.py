"""Anthropic messages: https://docs.anthropic.com/en/api/messages and …/messages-streaming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.reading import (
    integer,
    listed,
    mapped,
    number,
    required,
    texts,
    without,
)
from cachesaver.rehearsal.values import (
    Ask,
    Call,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    Tool,
    digest,
    dumps,
)

__all__ = ["CountTokensApi", "MessagesApi"]

NOT_SHAPING = frozenset({"metadata", "service_tier", "stream"})

_NO_INPUT: dict[str, Any] = {"input": {}}

_COUNTING = "anthropic.count_tokens"

_STOP_REASONS = MappingProxyType(
    {
        Finish.STOP: "end_turn",
        Finish.LENGTH: "max_tokens",
        Finish.CALLS: "tool_use",
        Finish.SEQUENCE: "stop_sequence",
    }
)

_ERROR_TYPES = MappingProxyType(
    {
        # https://docs.anthropic.com/en/api/errors
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)


class AnthropicApi:
    """The half of `Api` that does not depend on the endpoint."""

    content_type = "application/json"
    event_stream = "text/event-stream; charset=utf-8"
    pretty = False
    overloaded = 529

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"type": "error", "error": {...}}`."""
        kind = _ERROR_TYPES.get(error.status, "api_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": error.message},
            "request_id": f"req_{digest(error.message)[:24]}",
        }

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an `error` event."""
        return sse(self.error(error), name="error")

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return what Anthropic sends beside the body."""
        return {
            "request-id": f"req_{digest('anthropic', serial)[:24]}",
            "anthropic-organization-id": "rehearsal",
        }


class MessagesApi(AnthropicApi):
    """`POST …/messages`: one answer a request."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        ask = _read(body, "anthropic.messages")
        if ask.limit is None:
            raise RejectedError(400, "max_tokens: Field required", "max_tokens")
        return ask

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `message`."""
        (take,) = takes
        return {
            **_head(ask, take),
            "content": _content(take),
            "stop_reason": _STOP_REASONS[take.finish],
            "stop_sequence": take.stopped_by,
            "stop_details": None,
            "usage": _usage(ask, take.tokens),
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate named events from `message_start` to `message_stop`, one `ping` among them."""
        (take,) = takes
        for step, event in _events(ask, take):
            yield Frame(body=sse(event, name=event["type"]), step=step)


class CountTokensApi(AnthropicApi):
    """`POST …/messages/count_tokens`: a number, always the same."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be counted."""
        return _read(body, _COUNTING)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the count."""
        return {"input_tokens": ask.prompt.tokens}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: counts are not streamed."""
        return iter(())


def _read(body: Mapping[str, Any], endpoint: str) -> Ask:
    model = required(body, "model", str)
    tools, forced = _tools(body)
    return Ask(
        endpoint=endpoint,
        model=model,
        prompt=Prompt(
            messages=_messages(body),
            tools=tools,
            forced=forced,
            schema=_schema(body),
            temperature=number(body, "temperature", 1.0, 1.0),
        ),
        shape=without(body, NOT_SHAPING),
        count=0 if endpoint == _COUNTING else 1,
        stream=endpoint != _COUNTING and body.get("stream") is True,
        limit=integer(body, "max_tokens"),
        billed=0 if endpoint == _COUNTING else None,
        stops=tuple(s for s in listed(body.get("stop_sequences")) if isinstance(s, str) and s),
        body=body,
    )


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    system = texts("system", body.get("system"))
    turns = tuple(map(_message, map(mapped, required(body, "messages", list))))
    return (system, *turns) if system.text else turns


def _message(turn: Mapping[str, Any]) -> Message:
    if (role := turn.get("role")) not in {"user", "assistant"}:
        raise RejectedError(400, "messages: 'role' must be 'user' or 'assistant'", "messages")
    blocks = listed(turn.get("content"))
    results = [b for b in map(mapped, blocks) if b.get("type") == "tool_result"]
    if results:
        said = [texts("tool", result.get("content")).text for result in results]
        return Message(role="tool", text="\n".join(said))
    uses = "".join(dumps(b) for b in map(mapped, blocks) if b.get("type") == "tool_use")
    plain = [b for b in blocks if mapped(b).get("type") != "tool_use"]
    said_ = texts(str(role), plain if blocks else turn.get("content"))
    return Message(role=said_.role, text=said_.text + uses, attachments=said_.attachments)


def _tools(body: Mapping[str, Any]) -> tuple[tuple[Tool, ...], str | None]:
    tools = tuple(
        Tool(
            name=str(tool.get("name")),
            description=str(tool.get("description") or ""),
            parameters=mapped(tool.get("input_schema")),
        )
        for tool in map(mapped, listed(body.get("tools")))
        if "input_schema" in tool
    )
    choice = mapped(body.get("tool_choice"))
    kind = choice.get("type")
    if kind == "none":
        return (), None
    return tools, {"any": "*", "tool": str(choice.get("name"))}.get(str(kind))


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    nested = mapped(mapped(body.get("output_config")).get("format"))
    format_ = nested or mapped(body.get("output_format"))
    return mapped(format_.get("schema")) if format_.get("type") == "json_schema" else None


def _head(ask: Ask, take: Take) -> dict[str, Any]:
    return {
        "id": take.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
    }


def _usage(ask: Ask, said: int) -> dict[str, Any]:
    return {
        "input_tokens": ask.prompt.tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": said,
        "service_tier": "standard",
    }


def _content(take: Take) -> list[dict[str, Any]]:
    calls = [_tool_use(take, place, call) for place, call in enumerate(take.calls)]
    return [{"type": "text", "text": take.text}, *calls] if take.text or not calls else calls


def _tool_use(take: Take, place: int, call: Call) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": take.id("toolu_", place),
        "name": call.name,
        "input": dict(call.arguments),
    }


def _events(ask: Ask, take: Take) -> Iterator[tuple[int, dict[str, Any]]]:
    ending = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
    opening: dict[str, Any] = {**_head(ask, take), "content": [], **ending, "usage": _usage(ask, 1)}
    reason = {"stop_reason": _STOP_REASONS[take.finish], "stop_sequence": take.stopped_by}
    closing: dict[str, Any] = {**ending, **reason}
    counted = {k: v for k, v in _usage(ask, take.tokens).items() if k.endswith("tokens")}

    yield 0, {"type": "message_start", "message": opening}
    yield from _blocks(take)
    yield take.tokens, {"type": "message_delta", "delta": closing, "usage": counted}
    yield take.tokens, {"type": "message_stop"}


def _blocks(take: Take) -> Iterator[tuple[int, dict[str, Any]]]:
    step, calls = 0, 0
    empty: dict[str, Any]
    for index, block in enumerate(_content(take)):
        if block["type"] == "text":
            empty, kind, field, pieces = {"text": ""}, "text_delta", "text", take.pieces
        else:
            empty, kind, field = _NO_INPUT, "input_json_delta", "partial_json"
            pieces, calls = ("", *take.call_pieces[calls]), calls + 1
        yield (
            step,
            {"type": "content_block_start", "index": index, "content_block": {**block, **empty}},
        )
        if index == 0:
            yield step, {"type": "ping"}
        for piece in pieces:
            step += bool(piece)
            delta = {"type": kind, field: piece}
            yield step, {"type": "content_block_delta", "index": index, "delta": delta}
        yield step, {"type": "content_block_stop", "index": index}
