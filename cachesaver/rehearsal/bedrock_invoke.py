"""Bedrock's InvokeModel and InvokeModelWithResponseStream, for three families of models.

Anthropic's (told by its `anthropic_version`), Llama's (by its `prompt`), Titan's embeddings (by its
`inputText`): https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal.anthropic_messages import MessagesApi
from cachesaver.rehearsal.bedrock import BedrockApi, frame, model_in
from cachesaver.rehearsal.openai_legacy import EmbeddingsApi
from cachesaver.rehearsal.reading import integer, mapped, number, required, without
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    dumps,
)

__all__ = ["InvokeApi"]

_ENDPOINT = "bedrock.invoke"

_STOP_REASONS = MappingProxyType(
    {Finish.STOP: "stop", Finish.LENGTH: "length", Finish.SEQUENCE: "stop", Finish.CALLS: "stop"}
)

_CLAUDE = MessagesApi()
_VECTORS = EmbeddingsApi()


class InvokeApi(BedrockApi):
    """`POST …/model/{model}/invoke` and `…/invoke-with-response-stream`."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; model and form stand in *path*."""
        model, streams = model_in(path), path.endswith("-stream")
        if "anthropic_version" in body:
            asked = _CLAUDE.read(path, {**body, "model": model})
            return replace(asked, endpoint=_ENDPOINT, stream=streams)
        if "prompt" in body:
            return _llama(model, body, stream=streams)
        if "inputText" in body and not streams:
            return replace(
                _VECTORS.read(path, {"model": model, "input": body["inputText"]}),
                endpoint=_ENDPOINT,
                body={**body, "inputText": required(body, "inputText", str)},
            )
        raise RejectedError(400, "Malformed input request, please reformat your input.")

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the body in the family's own format."""
        if not takes:
            return _embedded(ask)
        return _CLAUDE.whole(ask, takes) if _is_claude(ask) else _told(ask, takes[0])

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate chunks that carry the family's own events; the last has Bedrock's counts."""
        (take,) = takes
        events = list(_claude_events(ask, takes) if _is_claude(ask) else _llama_events(ask, take))
        events[-1][1]["amazon-bedrock-invocationMetrics"] = {
            "inputTokenCount": ask.prompt_tokens,
            "outputTokenCount": take.tokens,
            "invocationLatency": 7,
            "firstByteLatency": 7,
        }
        for step, event in events:
            carried = base64.b64encode(dumps(event).encode()).decode()
            yield Frame(body=frame("chunk", {"bytes": carried}), step=step)


def _is_claude(ask: Ask) -> bool:
    return "anthropic_version" in ask.body


def _claude_events(ask: Ask, takes: tuple[Take, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    for piece in _CLAUDE.stream(ask, takes):
        event = mapped(orjson.loads(next(decode(piece.body)).data))
        if event["type"] != "ping":
            yield piece.step, event


def _llama(model: str, body: Mapping[str, Any], *, stream: bool) -> Ask:
    prompt = required(body, "prompt", str)
    return Ask(
        endpoint=_ENDPOINT,
        model=model,
        prompt=Prompt(
            messages=(Message(role="user", text=prompt),),
            temperature=number(body, "temperature", 0.5, 1.0),
        ),
        shape=without(body, ()),
        stream=stream,
        limit=integer(body, "max_gen_len"),
        body=body,
    )


def _told(ask: Ask, take: Take) -> dict[str, Any]:
    return {
        "generation": take.text,
        "prompt_token_count": ask.prompt_tokens,
        "generation_token_count": take.tokens,
        "stop_reason": _STOP_REASONS[take.finish],
    }


def _llama_events(ask: Ask, take: Take) -> Iterator[tuple[int, dict[str, Any]]]:
    unsaid = {"prompt_token_count": None, "stop_reason": None}
    for step, piece in enumerate(take.pieces, 1):
        yield step, {**unsaid, "generation": piece, "generation_token_count": step}
    yield take.tokens, {**_told(ask, take), "generation": ""}


def _embedded(ask: Ask) -> dict[str, Any]:
    size = integer(ask.body, "dimensions")
    asked = replace(ask, body={"dimensions": size})
    (vector,) = _VECTORS.whole(asked, ())["data"]
    return {"embedding": vector["embedding"], "inputTextTokenCount": ask.prompt_tokens}
