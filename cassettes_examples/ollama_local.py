"""A local Ollama: chat whole and streamed (JSON lines), embeddings."""

from __future__ import annotations

from typing import Any

import ollama

MODEL = "llama3.2"


def whole() -> Any:
    return ollama.Client().chat(model=MODEL, messages=_user("Why is the sky blue?")).message.content


def streamed() -> Any:
    chunks = ollama.Client().chat(model=MODEL, messages=_user("Why is grass green?"), stream=True)
    return [chunk.message.content for chunk in chunks]


def embeddings() -> Any:
    told = ollama.Client().embed(model="nomic-embed-text", input=["one", "two"])
    return [list(vector)[:4] for vector in told.embeddings]


def _user(content: str) -> Any:
    return [{"role": "user", "content": content}]
