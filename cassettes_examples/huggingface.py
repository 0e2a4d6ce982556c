"""Hugging Face's router: chat whole and streamed."""

from __future__ import annotations

from typing import Any

from huggingface_hub import InferenceClient

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
ROUTER = "https://router.huggingface.co/v1"


def whole() -> Any:
    with InferenceClient(base_url=ROUTER) as client:
        told = client.chat_completion(_user("Why is the sky blue?"), model=MODEL)
    return told.choices[0].message.content


def streamed() -> Any:
    with InferenceClient(base_url=ROUTER) as client:
        chunks = client.chat_completion(_user("Why is grass green?"), model=MODEL, stream=True)
        return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]


def _user(content: str) -> Any:
    return [{"role": "user", "content": content}]
