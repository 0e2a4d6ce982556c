"""Providers that are called by the openai SDK."""

from __future__ import annotations

import openai

from matrix.sdks.stainless import chats

WAYS = {
    f"{whose}, {name}": way
    for whose, prefix in (("DeepSeek", "/deepseek/v1"), ("xAI", "/xai/v1"))
    for name, way in chats(openai, openai.OpenAI, openai.AsyncOpenAI, prefix).items()
}
