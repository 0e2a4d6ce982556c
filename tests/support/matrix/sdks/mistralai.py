"""mistralai."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx2
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from matrix.sdks.completions import text
from matrix.ways import Way, about


def _make(url: str, limit: float) -> Any:
    return Mistral(server_url=f"{url}/mistral", api_key="k", timeout_ms=int(limit * 1000))


def _ask(client: Any, topic: str) -> Any:
    return client.chat.complete(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with client.chat.stream(**about(topic)) as events:
        yield from events


async def _aask(client: Any, topic: str) -> Any:
    return await client.chat.complete_async(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with await client.chat.stream_async(**about(topic)) as events:
        async for event in events:
            yield event


def _texts(events: Sequence[Any]) -> str:
    return "".join(event.data.choices[0].delta.content or "" for event in events)


_OWN: Any = {
    "make": _make,
    "text": text,
    "texts": _texts,
    "raises": {"400": SDKError, "500": SDKError, "timeout": httpx2.ReadTimeout},
}

WAYS = {
    "sync": Way(ask=_ask, stream=_stream, **_OWN),
    "async": Way(ask=_aask, stream=_astream, **_OWN),
}
