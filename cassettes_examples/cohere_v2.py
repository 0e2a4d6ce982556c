"""Cohere: chat whole and streamed, embeddings, and documents in order."""

from __future__ import annotations

from typing import Any

import cohere

MODEL = "command-a-03-2025"


def whole() -> Any:
    told: Any = cohere.ClientV2().chat(model=MODEL, messages=_user("Why is the sky blue?"))
    return told.message.content[0].text


def streamed() -> Any:
    events: Any = cohere.ClientV2().chat_stream(model=MODEL, messages=_user("Why is grass green?"))
    return [e.delta.message.content.text for e in events if e.type == "content-delta"]


def embeddings() -> Any:
    told = cohere.ClientV2().embed(
        model="embed-v4.0",
        texts=["one", "two"],
        input_type="search_document",
        embedding_types=["float"],
        output_dimension=256,
    )
    return [vector[:4] for vector in told.embeddings.float_ or []]


def rerank() -> Any:
    told = cohere.ClientV2().rerank(
        model="rerank-v3.5", query="a fruit", documents=["a stone", "an apple", "a pear"], top_n=2
    )
    return [each.index for each in told.results]


def _user(content: str) -> Any:
    return [{"role": "user", "content": content}]
