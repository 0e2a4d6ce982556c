"""Mistral: chat whole and streamed, and fill in the middle."""

from __future__ import annotations

import os
from typing import Any

from mistralai.client import Mistral

MODEL = "mistral-medium-latest"


def whole() -> Any:
    with _client() as client:
        answer: Any = client.chat.complete(model=MODEL, messages=_user("Why is the sky blue?"))
    return answer.choices[0].message.content


def streamed() -> Any:
    with _client() as client:
        events: Any = client.chat.stream(model=MODEL, messages=_user("Why is grass green?"))
        return [event.data.choices[0].delta.content or "" for event in events]


def middle() -> Any:
    with _client() as client:
        answer: Any = client.fim.complete(
            model="codestral-latest", prompt="def add(a, b):", suffix="return c"
        )
    return answer.choices[0].message.content


def _client() -> Mistral:
    return Mistral(api_key=os.environ["MISTRAL_API_KEY"])


def _user(content: str) -> Any:
    return [{"role": "user", "content": content}]
