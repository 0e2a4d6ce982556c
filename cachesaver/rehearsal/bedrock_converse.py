"""Bedrock's Converse, ConverseStream and CountTokens.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from cachesaver.rehearsal.anthropic_messages import MessagesApi
from cachesaver.rehearsal.bedrock import BedrockApi, frame, model_in
from cachesaver.rehearsal.reading import integer, listed, mapped, number, required, without
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

__all__ = ["ConverseApi", "CountTokensApi"]

_NOT_SHAPING = frozenset({"requestMetadata", "serviceTier"})

_STOP_REASONS = MappingProxyType(
    {
        Finish.STOP: "end_turn",
        Finish.LENGTH: "max_tokens",
        Finish.CALLS: "tool_use",
        Finish.SEQUENCE: "stop_sequence",
    }
)

_LATENCY = 7
"""What it says it took, in milliseconds: answers do not depend on when they were asked for."""


class ConverseApi(BedrockApi):
    """`POST …/model/{model}/converse` and `…/converse-stream`: one answer a request."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; model and form stand in *path*."""
        return _read(path, body, endpoint="bedrock.converse")

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `ConverseResponse`."""
        (take,) = takes
        return {
            **_metadata(ask, take),
            "output": {"message": {"content": _content(take), "role": "assistant"}},
            "stopReason": _STOP_REASONS[take.finish],
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate events from `messageStart` to `metadata`."""
        (take,) = takes
        yield Frame(body=frame("messageStart", {"role": "assistant"}))
        step = 0
        for index, (begun, pieces) in enumerate(_blocks(take)):
            at = {"contentBlockIndex": index}
            if begun:
                yield Frame(body=frame("contentBlockStart", {**at, "start": begun}), step=step)
            for delta in pieces:
                step += 1
                yield Frame(body=frame("contentBlockDelta", {**at, "delta": delta}), step=step)
            yield Frame(body=frame("contentBlockStop", at), step=step)
        reason = {"stopReason": _STOP_REASONS[take.finish]}
        yield Frame(body=frame("messageStop", reason), step=take.tokens)
        yield Frame(body=frame("metadata", _metadata(ask, take)), step=take.tokens)


class CountTokensApi(BedrockApi):
    """`POST …/model/{model}/count-tokens`: a number, always the same."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be counted."""
        counted = mapped(body.get("input"))
        invoked = mapped(counted.get("invokeModel")).get("body")
        if invoked is None:
            return _read(path, mapped(counted.get("converse")), endpoint=_COUNTING, count=0)
        try:
            inner = mapped(orjson.loads(base64.b64decode(str(invoked))))
        except ValueError:
            raise RejectedError(400, "The body is not base64 of JSON.", "input") from None
        asked = MessagesApi().read(path, {**inner, "model": model_in(path)})
        return Ask(
            endpoint=_COUNTING,
            model=asked.model,
            prompt=asked.prompt,
            shape=asked.shape,
            count=0,
            billed=0,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the count."""
        return {"inputTokens": ask.prompt.tokens}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: counts are not streamed."""
        return iter(())


_COUNTING = "bedrock.count_tokens"


def _read(path: str, body: Mapping[str, Any], *, endpoint: str, count: int = 1) -> Ask:
    config = mapped(body.get("inferenceConfig"))
    tools, forced = _tools(mapped(body.get("toolConfig")))
    return Ask(
        endpoint=endpoint,
        model=model_in(path),
        prompt=Prompt(
            messages=_messages(body),
            tools=tools,
            forced=forced,
            schema=_schema(body),
            temperature=number(config, "temperature", 1.0, 1.0),
        ),
        shape=without(body, _NOT_SHAPING),
        count=count,
        stream=path.endswith("-stream"),
        limit=integer(config, "maxTokens"),
        stops=tuple(s for s in listed(config.get("stopSequences")) if isinstance(s, str) and s),
        billed=None if count else 0,
        body=body,
    )


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    system = [Message(role="system", text=_said(listed(body.get("system"))))]
    turns = map(_message, map(mapped, required(body, "messages", list)))
    return (*(system if body.get("system") else ()), *turns)


def _message(turn: Mapping[str, Any]) -> Message:
    role, blocks = str(turn.get("role")), [mapped(b) for b in listed(turn.get("content"))]
    if role not in {"user", "assistant"}:
        raise RejectedError(400, "The role must be 'user' or 'assistant'.", "messages")
    if not blocks:
        raise RejectedError(400, "The content field is empty.", "messages")
    results = [mapped(b["toolResult"]) for b in blocks if "toolResult" in b]
    if results:
        return Message(
            role="tool", text="\n".join(_said(listed(r.get("content"))) for r in results)
        )
    told = ("text", "toolUse", "reasoningContent", "cachePoint")
    beside = sum(1 for block in blocks if not {*told} & block.keys())
    return Message(role=role, text=_said(blocks), attachments=beside)


def _said(blocks: list[Any]) -> str:
    """The text of *blocks*; what is said in JSON, as JSON."""
    told = [block["text"] if "text" in block else dumps(block) for block in map(mapped, blocks)]
    return "\n".join(map(str, told))


def _tools(config: Mapping[str, Any]) -> tuple[tuple[Tool, ...], str | None]:
    specs = [mapped(mapped(tool).get("toolSpec")) for tool in listed(config.get("tools"))]
    tools = tuple(
        Tool(
            name=str(spec.get("name")),
            description=str(spec.get("description") or ""),
            parameters=mapped(mapped(spec.get("inputSchema")).get("json")),
        )
        for spec in specs
        if spec
    )
    choice = mapped(config.get("toolChoice"))
    if "tool" in choice:
        return tools, str(mapped(choice["tool"]).get("name"))
    return tools, "*" if "any" in choice else None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = mapped(mapped(body.get("outputConfig")).get("textFormat"))
    schema = mapped(mapped(wanted.get("structure")).get("jsonSchema")).get("schema")
    if not isinstance(schema, str):
        return None
    try:
        return mapped(orjson.loads(schema))
    except orjson.JSONDecodeError:
        raise RejectedError(400, "The schema is not JSON.", "outputConfig") from None


def _metadata(ask: Ask, take: Take) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "cacheReadInputTokenCount": 0,
        "cacheReadInputTokens": 0,
        "inputTokens": ask.prompt.tokens,
        "outputTokens": take.tokens,
        "serverToolUsage": {},
        "totalTokens": ask.prompt.tokens + take.tokens,
    }
    return {"metrics": {"latencyMs": _LATENCY}, "usage": usage}


def _content(take: Take) -> list[dict[str, Any]]:
    calls = [
        {"toolUse": {**_head(take, place), "input": dict(call.arguments)}}
        for place, call in enumerate(take.calls)
    ]
    return [{"text": take.text}, *calls] if take.text or not calls else calls


def _blocks(take: Take) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """What each content block begins with, and its deltas."""
    if take.text or not take.calls:
        yield {}, [{"text": piece} for piece in take.pieces or ("",)]
    for place, pieces in enumerate(take.call_pieces):
        yield (
            {"toolUse": _head(take, place)},
            [{"toolUse": {"input": piece}} for piece in pieces],
        )


def _head(take: Take, place: int) -> dict[str, Any]:
    return {"name": take.calls[place].name, "toolUseId": take.id("tooluse_", place)}
