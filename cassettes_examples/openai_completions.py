"""OpenAI's older completions: whole, streamed, and several at once."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

MODEL = "gpt-3.5-turbo-instruct"


def whole() -> Any:
    with OpenAI() as client:
        return client.completions.create(model=MODEL, prompt="Once upon a").choices[0].text


def streamed() -> Any:
    with OpenAI() as client:
        chunks = client.completions.create(model=MODEL, prompt="There was a", stream=True)
        return [chunk.choices[0].text for chunk in chunks]


def several() -> Any:
    with OpenAI() as client:
        answer = client.completions.create(model=MODEL, prompt="It was a", n=2)
    return [choice.text for choice in answer.choices]
