"""huggingface-hub: chat completions by its inference client."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import asdict
from typing import Any

import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

from matrix.sdks.completions import chunk_texts, text
from matrix.ways import Way, about

InferenceClient: Any = huggingface_hub.InferenceClient
AsyncInferenceClient: Any = huggingface_hub.AsyncInferenceClient


@contextlib.contextmanager
def _make(url: str, limit: float) -> Generator[Any]:
    yield InferenceClient(base_url=f"{url}/v1", api_key="k", timeout=limit)


def _amake(url: str, limit: float) -> Any:
    return AsyncInferenceClient(base_url=f"{url}/v1", api_key="k", timeout=limit)


def _ask(client: Any, topic: str) -> Any:
    return client.chat_completion(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with contextlib.closing(client.chat_completion(**about(topic), stream=True)) as chunks:
        yield from chunks


async def _aask(client: Any, topic: str) -> Any:
    return await client.chat_completion(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    stream = await client.chat_completion(**about(topic), stream=True)
    async with contextlib.aclosing(stream) as chunks:
        async for chunk in chunks:
            yield chunk


_OWN: Any = {
    "text": text,
    "texts": chunk_texts,
    "raises": {
        "400": HfHubHTTPError,
        "500": HfHubHTTPError,
        "timeout": InferenceTimeoutError,
        "stalled": httpx2.ReadTimeout,
    },
    "dumped": asdict,
}

WAYS = {
    "sync": Way(make=_make, ask=_ask, stream=_stream, **_OWN),
    "async": Way(make=_amake, ask=_aask, stream=_astream, **_OWN),
}
