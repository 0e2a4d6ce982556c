"""Recordings to try the command line on."""

from __future__ import annotations

import json

import yaml

__all__ = ["KEY", "vcrpy"]

KEY = "sk-proj-Qm9ndXNLZXlGb3JUZXN0c09ubHk"
"""In every recording, as vcrpy leaves it there."""


def vcrpy(*texts: str, answer: str = "Hello") -> bytes:
    """Return a cassette of vcrpy: a chat for each of *texts*, and a search."""
    pairs = [_pair(_ask(text), _told(f"{answer} {text}")) for text in texts]
    search = _pair(b'{"q": 1}', b"{}", url="https://search.test/find")
    return yaml.safe_dump({"interactions": [*pairs, search], "version": 1}).encode()


def _ask(text: str) -> bytes:
    asked = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]}
    return json.dumps(asked).encode()


def _told(text: str) -> bytes:
    choice = {"index": 0, "finish_reason": "stop"}
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    told = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5-mini-2025-08-07"}
    return json.dumps(
        {**told, "choices": [{**choice, "message": message}], "usage": usage}
    ).encode()


def _pair(
    asked: bytes, told: bytes, *, url: str = "https://api.openai.com/v1/chat/completions"
) -> dict[str, object]:
    json_type = {"Content-Type": ["application/json"]}
    return {
        "request": {
            "method": "POST",
            "uri": url,
            "headers": {**json_type, "Authorization": [f"Bearer {KEY}"]},
            "body": asked.decode(),
        },
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": json_type,
            "body": {"string": told.decode()},
        },
    }
