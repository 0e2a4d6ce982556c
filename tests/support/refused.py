"""Asking through each SDK that tries again by itself, with headers and so many retries."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

import anthropic
import cohere
import groq
import openai
import together
from google import genai
from google.genai import errors as genai_errors
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig

__all__ = ["SDKS", "Ask"]

TEXT = "Say something."


class Ask(Protocol):
    """Asks the provider at *url*, and tries again so many times; returns what it said."""

    def __call__(
        self, url: str, headers: dict[str, str], retries: int, text: str = TEXT
    ) -> str: ...


def say(text: str) -> Any:
    return {"messages": [{"role": "user", "content": text}]}


def chat(text: str) -> Any:
    return {"model": "gpt-5-mini", **say(text)}


def stainless(module: Any, **more: str) -> Ask:
    kind = {"openai": "OpenAI", "groq": "Groq", "together": "Together"}[module.__name__]

    def ask(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
        base = url + more.get("prefix", "")
        with getattr(module, kind)(base_url=base, api_key="k", max_retries=retries) as client:
            answer = client.chat.completions.create(**chat(text), extra_headers=headers)
        return str(answer.choices[0].message.content)

    return ask


def openai_async(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    async def run() -> Any:
        kind: Any = openai.AsyncOpenAI
        async with kind(base_url=f"{url}/v1", api_key="k", max_retries=retries) as client:
            return await client.chat.completions.create(**chat(text), extra_headers=headers)

    return str(asyncio.run(run()).choices[0].message.content)


def openai_stream(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=retries) as client:
        chunks = client.chat.completions.create(**chat(text), extra_headers=headers, stream=True)
        return "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)


def openai_embed(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=retries) as client:
        found = client.embeddings.create(
            model="text-embedding-3-small", input=["a", text], extra_headers=headers
        )
    return str([each.embedding[:2] for each in found.data])


def claude(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=retries) as client:
        messages: Any = client.messages
        answer: Any = messages.create(
            model="claude-haiku-4-5", max_tokens=99, **say(text), extra_headers=headers
        )
    return str(answer.content[0].text)


def cohere_v2(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    with cohere.ClientV2(api_key="k", base_url=url, max_retries=retries) as client:
        answer: Any = client.chat(
            model="command-a-03-2025", **say(text), request_options={"additional_headers": headers}
        )
    return str(answer.message.content[0].text)


def mistral(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    backoff = BackoffStrategy(5000, 5000, 1.5, 60_000)
    again = RetryConfig("backoff" if retries else "none", backoff, retry_connection_errors=False)
    with Mistral(api_key="k", server_url=url) as client:
        answer: Any = client.chat.complete(
            model="mistral-small-latest", **say(text), http_headers=headers, retries=again
        )
    return str(answer.choices[0].message.content)


def gemini(url: str, headers: dict[str, str], retries: int, text: str = TEXT) -> str:
    options: Any = {"base_url": url, "headers": headers}
    if retries:
        options["retry_options"] = {"attempts": retries + 1, "initial_delay": 0.01, "jitter": 0.01}
    kind: Any = genai.Client
    with contextlib.closing(kind(api_key="k", http_options=options)) as client:
        answer = client.models.generate_content(model="gemini-2.5-flash", contents=text)
    return str(answer.text)


SDKS = {
    "openai": (stainless(openai, prefix="/v1"), openai.RateLimitError),
    "openai async": (openai_async, openai.RateLimitError),
    "openai stream": (openai_stream, openai.RateLimitError),
    "openai embeddings": (openai_embed, openai.RateLimitError),
    "anthropic": (claude, anthropic.RateLimitError),
    "groq": (stainless(groq), groq.RateLimitError),
    "together": (stainless(together, prefix="/v1"), together.RateLimitError),
    "cohere": (cohere_v2, cohere.TooManyRequestsError),
    "mistralai": (mistral, Exception),
    "google-genai": (gemini, genai_errors.ClientError),
}
"""With the error that a status of 429 is there."""
