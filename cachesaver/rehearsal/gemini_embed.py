"""Gemini's embeddings: https://ai.google.dev/api/embeddings; the same text has the same vector."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import unquote

from cachesaver.rehearsal.gemini import GeminiApi
from cachesaver.rehearsal.reading import integer, listed, mapped, pick, required
from cachesaver.rehearsal.tokens import count_tokens
from cachesaver.rehearsal.values import Ask, Frame, Message, Prompt, RejectedError, Take, digest

__all__ = ["BatchEmbedApi", "EmbedApi"]

_DIMENSIONS = 16
"""Of an embedding, when none are asked for: enough to tell texts apart."""


class EmbedApi(GeminiApi):
    """`POST …/models/{model}:embedContent`: one input."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be embedded: one message an input."""
        requests = [mapped(each) for each in self.requests(body)]
        texts = [_text(each) for each in requests]
        model = re.search(r"models/([^/:]+):", unquote(path))
        return Ask(
            endpoint="gemini.embed",
            model=model[1] if model else "",
            prompt=Prompt(messages=tuple(Message(role="user", text=text) for text in texts)),
            shape=body,
            count=0,
            billed=sum(map(count_tokens, texts)),
            body=body,
        )

    def requests(self, body: Mapping[str, Any]) -> list[Any]:
        """Return what *body* asks for, each with its content."""
        return [body]

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the vector, of length 1, and its tokens."""
        (embedding,) = _embeddings(ask, self.requests(ask.body))
        return {"embedding": embedding, **_counted(ask)}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: embeddings are not streamed."""
        return iter(())


class BatchEmbedApi(EmbedApi):
    """`POST …/models/{model}:batchEmbedContents`: the vectors in the order of the requests."""

    def requests(self, body: Mapping[str, Any]) -> list[Any]:
        """Return the list of requests in *body*."""
        return listed(required(body, "requests", list))

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the vectors, of length 1, and the tokens of all."""
        return {"embeddings": _embeddings(ask, self.requests(ask.body)), **_counted(ask)}


def _text(request: Mapping[str, Any]) -> str:
    parts = listed(mapped(request.get("content")).get("parts"))
    if not parts:
        raise RejectedError(400, "* content.parts: must not be empty.", "content")
    return "\n".join(str(mapped(part).get("text", "")) for part in parts)


def _embeddings(ask: Ask, requests: list[Any]) -> list[dict[str, Any]]:
    return [
        {"values": _vector(ask.model, message.text, _task(request), _size(request))}
        for message, request in zip(ask.prompt.messages, map(mapped, requests), strict=True)
    ]


def _task(request: Mapping[str, Any]) -> str:
    return str(pick(request, "taskType", "task_type") or "")


def _size(request: Mapping[str, Any]) -> int:
    sizes = (integer(request, name) for name in ("outputDimensionality", "output_dimensionality"))
    return next((size for size in sizes if size), _DIMENSIONS)


def _vector(model: str, text: str, task: str, size: int) -> list[float]:
    rng = Random(digest(model, text, task))  # noqa: S311  # reproducible on purpose
    raw = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(x * x for x in raw))
    return [round(x / length, 8) for x in raw]


def _counted(ask: Ask) -> dict[str, Any]:
    details = [{"modality": "TEXT", "tokenCount": ask.prompt_tokens}]
    return {"usageMetadata": {"promptTokenCount": ask.prompt_tokens, "promptTokenDetails": details}}
