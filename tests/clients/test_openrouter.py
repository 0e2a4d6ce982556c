"""The openrouter SDK as it is: it has no `n`."""

from __future__ import annotations

from typing import Any

import openai
from openrouter import OpenRouter

from chatting import Sdk, about, contract, programs, stainless, thought


def made(url: str) -> Any:
    return OpenRouter(server_url=f"{url}/openrouter/api/v1", api_key="k", retry_config=None)


def create(url: str, ask: Any) -> Any:
    with made(url) as client:
        return client.chat.send(**ask)


def stream(url: str, ask: Any) -> Any:
    with made(url) as client, client.chat.send(**ask, stream=True) as chunks:
        yield from chunks


async def acreate(url: str, ask: Any) -> Any:
    async with made(url) as client:
        return await client.chat.send_async(**ask)


async def astream(url: str, ask: Any) -> Any:
    async with made(url) as client:
        return [chunk async for chunk in await client.chat.send_async(**ask, stream=True)]


SDK = Sdk(create=create, stream=stream, acreate=acreate, astream=astream, takes_n=False)


def two_of_one(url: str) -> Any:
    """OpenRouter takes `n=2` and gives one choice; who asks for two gets two."""
    sdk = stainless(openai.OpenAI, openai.AsyncOpenAI, "/openrouter/api/v1")
    answer = sdk.create(url, about("two of one", n=2))
    return [choice.message.content for choice in answer.choices]


PROGRAMS = programs(SDK, thought(SDK, "reasoning", reasoning={"effort": "low"}), two_of_one)

TestOpenRouter = contract(PROGRAMS)


def test_what_was_not_given_is_bought_too(played: Any) -> None:
    first, second = played.bought["two_of_one"]["said"]

    assert first != second
    assert played.bought["two_of_one"]["calls"] == 2
