"""cohere."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import cohere
import httpx

from matrix.ways import Way, about

ClientV2: Any = cohere.ClientV2
AsyncClientV2: Any = cohere.AsyncClientV2


def _make(url: str, limit: float) -> Any:
    return ClientV2(api_key="k", base_url=url, max_retries=0, timeout=limit)


def _amake(url: str, limit: float) -> Any:
    return AsyncClientV2(api_key="k", base_url=url, max_retries=0, timeout=limit)


def _ask(client: Any, topic: str) -> Any:
    return client.chat(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with contextlib.closing(client.chat_stream(**about(topic))) as events:
        yield from events


async def _aask(client: Any, topic: str) -> Any:
    return await client.chat(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with contextlib.aclosing(client.chat_stream(**about(topic))) as events:
        async for event in events:
            yield event


def _text(answer: Any) -> str:
    text: str = answer.message.content[0].text
    return text


def _texts(events: Sequence[Any]) -> str:
    deltas = (event.delta for event in events if event.type == "content-delta")
    return "".join(delta.message.content.text or "" for delta in deltas)


_OWN: Any = {
    "text": _text,
    "texts": _texts,
    "raises": {
        "400": cohere.BadRequestError,
        "500": cohere.InternalServerError,
        "timeout": httpx.ReadTimeout,
    },
}

WAYS = {
    "sync": Way(make=_make, ask=_ask, stream=_stream, **_OWN),
    "async": Way(make=_amake, ask=_aask, stream=_astream, **_OWN),
}
