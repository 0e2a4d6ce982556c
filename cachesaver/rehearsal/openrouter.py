"""OpenRouter's chat completions, where they are told from OpenAI's: errors, and comments in a stream.

https://openrouter.ai/docs/api-reference/errors and …/api-reference/streaming.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.rehearsal.openai_chat import ChatApi
from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.values import Ask, Frame, RejectedError, Take

__all__ = ["OpenRouterApi"]


class OpenRouterApi(ChatApi):
    """`POST …/chat/completions`; `n` is taken and ignored."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked, once."""
        return super().read(path, {**body, "n": 1})

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the answer, a comment first that keeps the connection alive."""
        yield Frame(body=b": OPENROUTER PROCESSING\n\n")
        yield from super().stream(ask, takes)

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"error": {...}}`; its code is the status."""
        return {"error": {"message": error.message, "code": error.status}}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return a chunk that ends its choice with an error."""
        end = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        chunk = {
            "id": f"gen-{place}",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
        }
        return sse({**chunk, **self.error(error), "choices": [end]})
