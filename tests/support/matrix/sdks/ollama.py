"""ollama."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from typing import Any

import httpx
import ollama

from matrix.ways import Way, about

Client: Any = ollama.Client
AsyncClient: Any = ollama.AsyncClient


@contextlib.contextmanager
def _make(url: str, limit: float) -> Generator[Any]:
    with contextlib.closing(Client(host=url, timeout=limit)) as client:
        yield client


@contextlib.asynccontextmanager
async def _amake(url: str, limit: float) -> AsyncGenerator[Any]:
    client = AsyncClient(host=url, timeout=limit)
    try:
        yield client
    finally:
        await client.close()


def _ask(client: Any, topic: str) -> Any:
    return client.chat(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with contextlib.closing(client.chat(**about(topic), stream=True)) as lines:
        yield from lines


async def _aask(client: Any, topic: str) -> Any:
    return await client.chat(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with contextlib.aclosing(await client.chat(**about(topic), stream=True)) as lines:
        async for line in lines:
            yield line


def _text(answer: Any) -> str:
    text: str = answer.message.content
    return text


def _texts(lines: Sequence[Any]) -> str:
    return "".join(line.message.content or "" for line in lines)


_OWN: Any = {
    "text": _text,
    "texts": _texts,
    "raises": {
        "400": ollama.ResponseError,
        "500": ollama.ResponseError,
        "timeout": httpx.ReadTimeout,
    },
}

WAYS = {
    "sync": Way(make=_make, ask=_ask, stream=_stream, **_OWN),
    "async": Way(make=_amake, ask=_aask, stream=_astream, **_OWN),
}
