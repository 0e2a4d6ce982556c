"""How a question is put and an answer is read, by those who use no SDK."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from loads.plans import Ask

__all__ = ["OPENAI", "Path_", "body_of", "read_answer", "tag"]

OPENAI = "/v1/chat/completions"

Path_: TypeAlias = tuple[tuple[str, int], ...]
"""Group and number of the clone, from the outermost to the one that asks."""

_TAG = re.compile(r"\[([0-9a-f]{8}#\d+)\]")


def body_of(ask: Ask) -> dict[str, Any]:
    """Return the body of the request."""
    messages = [{"role": "user", "content": "Say something."}]
    if ask.question.startswith("claude"):
        return {"model": ask.question, "messages": messages, "max_tokens": 500}
    counted: dict[str, Any] = {"n": ask.n} if ask.n > 1 else {}
    streamed: dict[str, Any] = {"stream": True} if ask.stream else {}
    return {"model": ask.question, "messages": messages, **counted, **streamed}


def tag(text: str) -> str:
    """Return the name under which the provider sold *text*, `QUESTION#ORDINAL`."""
    found = _TAG.match(text)
    if found is None:
        raise ValueError(f"no provider of ours said {text!r}")
    return found[1]


def read_answer(kind: str, body: bytes) -> list[str]:
    """Return the texts in an answer, OpenAI's (stream or whole) or Anthropic's (whole)."""
    if kind.startswith("text/event-stream"):
        events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
        choices = [choice for event in events for choice in json.loads(event)["choices"]]
        return ["".join(choice["delta"].get("content") or "" for choice in choices)]
    answer = json.loads(body)
    if "choices" in answer:
        return [choice["message"]["content"] for choice in answer["choices"]]
    return ["".join(block["text"] for block in answer["content"])]
