"""`/v1/embeddings`: https://platform.openai.com/docs/api-reference/embeddings."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from cachesaver.local.app.completions import ids_of
from cachesaver.local.app.other_asks import EmbeddingAsk
from cachesaver.local.app.refusals import Refusal, unsupported
from cachesaver.local.app.served import Encoder, Served

__all__ = ["answer_embeddings", "texts_of"]


def texts_of(served: Served, ask: EmbeddingAsk) -> tuple[Encoder, list[Sequence[int]]]:
    """Return who embeds, and the token ids of what is to be embedded.

    Raises:
        Refusal: The model cannot.
    """
    encoder = served.encoder
    if encoder is None:
        message = f"{served.name} writes text and gives no embeddings"
        raise Refusal(400, message, param="model", code="model_not_supported")
    if ask.dimensions not in (None, encoder.width):
        raise unsupported("dimensions", f"dimensions other than {encoder.width} are not supported")
    texts: list[Sequence[int]] = []
    for at, given in enumerate(ask.inputs):
        text = given.lower() if encoder.lowers and isinstance(given, str) else given
        texts.append(ids_of(served, text))
        _check(encoder, at, texts[-1])
    return encoder, texts


def _check(encoder: Encoder, at: int, text: Sequence[int]) -> None:
    if len(text) > encoder.context:
        message = (
            f"this model's maximum context length is {encoder.context} tokens, and input {at} has "
            f"{len(text)}"
        )
        raise Refusal(400, message, param="input", code="context_length_exceeded")
    if not text or max(text) >= encoder.vocabulary:
        message = (
            f"input {at} is empty, or has ids of no token: they are below {encoder.vocabulary}"
        )
        raise Refusal(400, message, param="input", code="invalid_value")


def answer_embeddings(
    served: Served, ask: EmbeddingAsk, encoder: Encoder, texts: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Return the answer; takes as long as the model does."""
    vectors = encoder.embed(texts)
    tokens = sum(map(len, texts))
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": _written(ask, vector)}
            for at, vector in enumerate(vectors)
        ],
        "model": served.name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _written(ask: EmbeddingAsk, vector: list[float]) -> list[float] | str:
    """Return *vector* as it was asked for: numbers, or the base64 of little-endian float32."""
    if ask.encoding_format != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
