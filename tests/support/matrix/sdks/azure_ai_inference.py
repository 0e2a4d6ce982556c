"""azure-ai-inference, over the two clients azure-core has."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

from matrix.sdks.completions import chunk_texts, text
from matrix.ways import Way, about

# By name, because it is in no environment where types are checked.
Client: Any = import_module("azure.ai.inference").ChatCompletionsClient
AsyncClient: Any = import_module("azure.ai.inference.aio").ChatCompletionsClient
AzureKeyCredential: Any = import_module("azure.core.credentials").AzureKeyCredential
exceptions: Any = import_module("azure.core.exceptions")


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


def _dumped(told: Any) -> Any:
    return told.as_dict()


_OWN: Any = {
    "text": text,
    "texts": chunk_texts,
    "dumped": _dumped,
    "raises": {
        "400": exceptions.HttpResponseError,
        "500": exceptions.HttpResponseError,
        "timeout": exceptions.ServiceResponseError,
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
