"""Mistral's fill-in-the-middle: a prompt and perhaps a suffix in, a chat completion out.

https://docs.mistral.ai/api (fim) and the SDK mistralai 3.7.0. One sample a request: there is no `n`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects.chat_hosts import MISTRAL
from cachesaver.dialects.openai_chat import CompatibleChat
from cachesaver.exchange import Request

__all__ = ["MistralFim"]


class MistralFim(CompatibleChat):
    """Mistral's completions between two texts."""

    name = "mistral.fim"
    endpoints = (r"/fim/completions",)
    hosts = f"{MISTRAL.hosts}:443"
    # mistralai 3.7.0, models/fimcompletionrequest.py
    volatile: Mapping[str, str] = MappingProxyType(
        {
            "stream": "the form of the answer, not the answer",
            "metadata": "labels for the account's own books",
            "prompt_cache_key": "which machine is likely to hold the prompt's prefix",
        }
    )
    max_count = 1

    def __init__(self) -> None:
        super().__init__(MISTRAL)

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        model = body.get("model")
        return isinstance(model, str) and bool(model) and isinstance(body.get("prompt"), str)

    def count(self, body: Mapping[str, object]) -> int:
        return 1
