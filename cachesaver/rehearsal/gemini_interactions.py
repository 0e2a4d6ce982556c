"""Gemini's interactions: https://ai.google.dev/api/interactions-api; nothing is kept between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.rehearsal.gemini import GeminiApi
from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.reading import integer, listed, mapped, number, required, texts, without
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    Tool,
    dumps,
)

__all__ = ["InteractionsApi"]

NOT_SHAPING = frozenset({"stream", "labels", "service_tier"})

_TIME = "2026-01-01T00:00:00Z"


class InteractionsApi(GeminiApi):
    """`POST …/interactions`: one interaction with a model a request."""

    pretty = False

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        if body.get("agent") or body.get("background"):
            raise RejectedError(400, "a rehearsal has no agents and works in the foreground")
        config = mapped(body.get("generation_config"))
        tools, forced = _tools(body, config)
        return Ask(
            endpoint="gemini.interactions",
            model=required(body, "model", str),
            prompt=Prompt(
                messages=_messages(body),
                tools=tools,
                forced=forced,
                schema=_schema(body),
                temperature=number(config, "temperature", 1.0, 2.0),
            ),
            shape=without(body, NOT_SHAPING),
            stream=body.get("stream") is True,
            limit=integer(config, "max_output_tokens"),
            stops=tuple(
                s for s in listed(config.get("stop_sequences")) if isinstance(s, str) and s
            ),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return an interaction with its steps."""
        (take,) = takes
        return {**_told(ask, take), "steps": [*_steps(take)]}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate events from `interaction.created` to `interaction.completed`, and `[DONE]`."""
        (take,) = takes
        for step, event in _events(ask, take):
            yield Frame(body=sse(event, name=event["event_type"]), step=step)
        yield Frame(body=b"event: done\ndata: [DONE]\n\n", step=take.tokens)

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an `error` event."""
        said = {"code": str(error.status), "message": error.message}
        return sse({"event_type": "error", "error": said}, name="error")


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    asked = body.get("input")
    said = tuple(map(_message, listed(asked) or [asked])) if asked else ()
    if not said and not body.get("previous_interaction_id"):
        raise RejectedError(400, "input must not be empty", "input")
    system = body.get("system_instruction")
    return (Message(role="system", text=str(system)), *said) if system else said


def _message(turn: object) -> Message:
    """A text, a content, a step or a turn of the conversation."""
    kind = mapped(turn).get("type")
    if kind in ("function_result", "function_call"):
        return Message(role="tool" if kind == "function_result" else "assistant", text=dumps(turn))
    role = "assistant" if kind == "model_output" or mapped(turn).get("role") == "model" else "user"
    content = mapped(turn).get("content")
    return texts(role, content or [turn])


def _tools(
    body: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[tuple[Tool, ...], str | None]:
    tools = tuple(
        Tool(
            name=str(tool.get("name")),
            description=str(tool.get("description") or ""),
            parameters=mapped(tool.get("parameters")),
        )
        for tool in map(mapped, listed(body.get("tools")))
        if tool.get("type") == "function"
    )
    choice = config.get("tool_choice")
    return (() if choice == "none" else tools), ("*" if choice == "any" else None)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = body.get("response_format")
    formats = [mapped(each) for each in (listed(asked) or [asked])]
    return next((mapped(each["schema"]) for each in formats if "schema" in each), None)


def _steps(take: Take) -> Iterator[dict[str, Any]]:
    yield {"type": "thought", "signature": take.id("", "signature")}
    for place, call in enumerate(take.calls):
        yield {
            "type": "function_call",
            "id": take.id("", "call", place)[:8],
            "name": call.name,
            "arguments": dict(call.arguments),
        }
    if take.text or not take.calls:
        yield {"type": "model_output", "content": [{"type": "text", "text": take.text}]}


def _told(ask: Ask, take: Take) -> dict[str, Any]:
    status = {Finish.CALLS: "requires_action", Finish.LENGTH: "incomplete"}
    asked = ask.prompt_tokens
    return {
        **_begun(ask, take),
        "status": status.get(take.finish, "completed"),
        "created": _TIME,
        "updated": _TIME,
        "usage": {
            "total_input_tokens": asked,
            "total_output_tokens": take.tokens,
            "total_thought_tokens": 0,
            "total_tokens": asked + take.tokens,
        },
    }


def _begun(ask: Ask, take: Take) -> dict[str, Any]:
    return {"id": take.id("v1_"), "model": ask.model, "object": "interaction"}


def _events(ask: Ask, take: Take) -> Iterator[tuple[int, dict[str, Any]]]:
    begun = {**_begun(ask, take), "status": "in_progress"}
    yield 0, {"event_type": "interaction.created", "interaction": begun}
    spoken = 0
    for index, step in enumerate(_steps(take)):
        empty, deltas = _taken_apart(step, take)
        yield spoken, {"event_type": "step.start", "index": index, "step": empty}
        for delta in deltas:
            spoken = min(spoken + 1, take.tokens)
            yield spoken, {"event_type": "step.delta", "index": index, "delta": delta}
        yield spoken, {"event_type": "step.stop", "index": index}
    yield take.tokens, {"event_type": "interaction.completed", "interaction": _told(ask, take)}


def _taken_apart(step: dict[str, Any], take: Take) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match step["type"]:
        case "thought":
            told = {"type": "thought_signature", "signature": step["signature"]}
            return {"type": "thought"}, [told]
        case "function_call":
            told = {"type": "arguments_delta", "arguments": dumps(step["arguments"])}
            return {**step, "arguments": {}}, [told]
        case _:
            return {"type": "model_output"}, [
                {"type": "text", "text": each} for each in take.pieces
            ]
