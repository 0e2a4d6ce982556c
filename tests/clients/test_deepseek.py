"""DeepSeek by the openai SDK, whose paths it has."""

from __future__ import annotations

from typing import Any

import openai

import cachesaver
from chatting import about, contract, programs, stainless, text_of, thought

OpenAI: Any = openai.OpenAI

SDK = stainless(OpenAI, openai.AsyncOpenAI, "/deepseek/v1")
BETA = stainless(OpenAI, openai.AsyncOpenAI, "/deepseek/beta")


def middle_then_streamed(url: str) -> Any:
    """https://api-docs.deepseek.com/guides/fim_completion."""
    ask: Any = {"model": "deepseek-chat", "prompt": "def fib(n):", "suffix": "    return fib"}
    with OpenAI(base_url=f"{url}/deepseek/beta", api_key="k", max_retries=0) as client:
        text = client.completions.create(**ask).choices[0].text
        with cachesaver.namespace("other"):
            chunks = list(client.completions.create(**ask, stream=True))
    return [text, "".join(chunk.choices[0].text for chunk in chunks)]


def prefix_then_streamed(url: str) -> Any:
    """https://api-docs.deepseek.com/guides/chat_prefix_completion."""
    ask = about("prefix")
    ask["messages"].append({"role": "assistant", "content": "```python", "prefix": True})
    text = BETA.said(url, ask)
    with cachesaver.namespace("other"):
        return [text, text_of(BETA.stream(url, ask))]


PROGRAMS = programs(
    SDK,
    thought(SDK, "reasoning_content", extra_body={"thinking": {"type": "enabled"}}),
    middle_then_streamed,
    prefix_then_streamed,
)

TestDeepSeek = contract(PROGRAMS)
