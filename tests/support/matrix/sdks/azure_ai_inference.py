"""azure-ai-inference, over the two clients azure-core has."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from matrix.sdks.stainless import chunk_texts, text
from matrix.ways import Way, about

Client: Any = ChatCompletionsClient
AsyncClient: Any = AsyncChatCompletionsClient


def _options(url: str, limit: float) -> dict[str, Any]:
    return {
        "endpoint": f"{url}/models",
        "credential": AzureKeyCredential("k"),
        "read_timeout": limit,
        "retry_total": 0,
    }


def _ask(client: Any, topic: str) -> Any:
    return client.complete(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with contextlib.closing(client.complete(**about(topic), stream=True)) as chunks:
        yield from chunks


async def _aask(client: Any, topic: str) -> Any:
    return await client.complete(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with contextlib.aclosing(await client.complete(**about(topic), stream=True)) as chunks:
        async for chunk in chunks:
            yield chunk


_OWN: Any = {
    "text": text,
    "texts": chunk_texts,
    "dumped": lambda told: told.as_dict(),
    "raises": {
        "400": HttpResponseError,
        "500": HttpResponseError,
        "timeout": ServiceResponseError,
        "stalled": Exception,
    },
}

WAYS = {
    "sync": Way(
        make=lambda url, limit: Client(**_options(url, limit)), ask=_ask, stream=_stream, **_OWN
    ),
    "async": Way(
        make=lambda url, limit: AsyncClient(**_options(url, limit)),
        ask=_aask,
        stream=_astream,
        **_OWN,
    ),
}
