"""OpenAI's text completions and embeddings.

https://platform.openai.com/docs/api-reference/completions and …/embeddings.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, cast

from cachesaver.rehearsal.openai_chat import FINISH_REASONS, NOT_SHAPING, read_stops, usage
from cachesaver.rehearsal.openai_common import EPOCH, OpenAIApi, interleaved, sse
from cachesaver.rehearsal.reading import integer, listed, mapped, number, required, without
from cachesaver.rehearsal.tokens import count_tokens
from cachesaver.rehearsal.values import (
    Ask,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
)

__all__ = ["CompletionsApi", "EmbeddingsApi"]

_DIMENSIONS = 16
"""Of an embedding, when none are asked for: enough to tell texts apart."""


class CompletionsApi(OpenAIApi):
    """`POST …/completions`, with one prompt."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        deployment = path.partition("/deployments/")[2].partition("/")[0]
        model = body.get("model") or deployment or required(body, "model", str)
        prompts = _inputs(body.get("prompt", "<|endoftext|>"), "prompt")
        if len(prompts) > 1:
            raise RejectedError(400, "a rehearsal takes one 'prompt' a request", "prompt")
        return Ask(
            endpoint="openai.completions",
            model=str(model),
            prompt=Prompt(
                messages=(Message(role="user", text=prompts[0]),),
                temperature=number(body, "temperature", 1.0, 2.0),
            ),
            shape=without(body, NOT_SHAPING),
            count=integer(body, "n", 1, 128) or 1,
            stream=body.get("stream") is True,
            # 16 is the documented default.
            limit=integer(body, "max_tokens", least=0)
            if body.get("max_tokens") is not None
            else 16,
            stops=read_stops(body.get("stop")),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `text_completion`."""
        choices = [
            _choice(index, take.text, FINISH_REASONS[take.finish])
            for index, take in enumerate(takes)
        ]
        return {**_head(ask, takes), "choices": choices, "usage": _usage(ask, takes)}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate chunks, the choices interleaved, and `[DONE]`."""
        head = _head(ask, takes)
        counted = mapped(ask.body.get("stream_options")).get("include_usage") is True
        usual: dict[str, Any] = {"usage": None} if counted else {}
        longest = max(take.tokens for take in takes)

        for step, index, piece in interleaved(takes):
            yield Frame(
                body=sse({**head, "choices": [_choice(index, piece, None)], **usual}), step=step
            )
        for index, take in enumerate(takes):
            choice = _choice(index, "", FINISH_REASONS[take.finish])
            yield Frame(body=sse({**head, "choices": [choice], **usual}), step=longest)
        if counted:
            event: dict[str, Any] = {**head, "choices": [], "usage": _usage(ask, takes)}
            yield Frame(body=sse(event), step=longest)
        yield Frame(body=b"data: [DONE]\n\n", step=longest)


class EmbeddingsApi(OpenAIApi):
    """`POST …/embeddings`: the same text has the same vector, always."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be embedded: one message an input."""
        deployment = path.partition("/deployments/")[2].partition("/")[0]
        model = body.get("model") or deployment or required(body, "model", str)
        inputs = _inputs(required(body, "input", object), "input")
        return Ask(
            endpoint="openai.embeddings",
            model=str(model),
            prompt=Prompt(messages=tuple(Message(role="user", text=text) for text in inputs)),
            shape=without(body, ("user",)),
            count=0,
            billed=sum(map(count_tokens, inputs)),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a list of vectors of length 1, as numbers or base64."""
        size = integer(ask.body, "dimensions") or _DIMENSIONS
        packed = ask.body.get("encoding_format") == "base64"
        texts = [message.text for message in ask.prompt.messages]
        vectors = [_vector(ask.model, text, size) for text in texts]
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _pack(v) if packed else v}
                for index, v in enumerate(vectors)
            ],
            "model": ask.model,
            "usage": {"prompt_tokens": ask.prompt_tokens, "total_tokens": ask.prompt_tokens},
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: embeddings are not streamed."""
        return iter(())


def _inputs(given: object, name: str) -> list[str]:
    """Return the texts in *given*: a text, token ids, or a list of either."""
    if isinstance(given, str):
        return [given]
    items = listed(given)
    if items and all(isinstance(item, int) for item in items):
        return [_from_ids(items)]
    if not items or not all(isinstance(item, str | list) for item in items):
        raise RejectedError(400, f"'{name}' must be a text, token ids, or a list of these", name)
    return [item if isinstance(item, str) else _from_ids(item) for item in items]


def _from_ids(ids: object) -> str:
    return " ".join(map(str, cast("list[object]", ids)))


def _head(ask: Ask, takes: tuple[Take, ...]) -> dict[str, Any]:
    return {
        "id": takes[0].id("cmpl-", len(takes)),
        "object": "text_completion",
        "created": EPOCH + takes[0].ordinal,
        "model": ask.model,
    }


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _usage(ask: Ask, takes: tuple[Take, ...]) -> dict[str, int]:
    counted = usage(ask, takes)
    return {k: v for k, v in counted.items() if isinstance(v, int)}


def _vector(model: str, text: str, size: int) -> list[float]:
    rng = Random(digest(model, text))  # noqa: S311  # reproducible on purpose
    raw = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(x * x for x in raw))
    return [struct.unpack("<f", struct.pack("<f", x / length))[0] for x in raw]


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
