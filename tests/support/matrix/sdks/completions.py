"""What an answer of chat completions says, in the attributes that every SDK gives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["chunk_texts", "text"]


def text(answer: Any) -> str:
    content: str = answer.choices[0].message.content
    return content


def chunk_texts(chunks: Iterable[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
