"""openrouter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from openrouter import OpenRouter, errors

from matrix.sdks.completions import chunk_texts, text
from matrix.ways import Way, about


def _make(url: str, limit: float) -> Any:
    return OpenRouter(
        server_url=f"{url}/openrouter/api/v1",
        api_key="k",
        retry_config=None,
        timeout_ms=int(limit * 1000),
    )


def _ask(client: Any, topic: str) -> Any:
    return client.chat.send(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with client.chat.send(**about(topic), stream=True) as chunks:
        yield from chunks


async def _aask(client: Any, topic: str) -> Any:
    return await client.chat.send_async(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with await client.chat.send_async(**about(topic), stream=True) as chunks:
        async for chunk in chunks:
            yield chunk


_OWN: Any = {
    "make": _make,
    "text": text,
    "texts": chunk_texts,
    "after": 2,  # the first is a comment: it is being worked on
    "raises": {
        "400": errors.BadRequestResponseError,
        "500": errors.InternalServerResponseError,
        "timeout": httpx.ReadTimeout,
    },
}

WAYS = {
    "sync": Way(ask=_ask, stream=_stream, **_OWN),
    "async": Way(ask=_aask, stream=_astream, **_OWN),
}
