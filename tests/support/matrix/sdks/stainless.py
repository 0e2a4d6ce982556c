"""SDKs that are generated as OpenAI's is, as far as they are alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import MappingProxyType, ModuleType
from typing import Any

import httpx

from matrix.sdks.completions import chunk_texts, text
from matrix.ways import Way, about

__all__ = ["STALLED", "aiohttp", "chats", "maker", "raises"]

STALLED: Mapping[str, Any] = MappingProxyType({"stalled": httpx.ReadTimeout})
"""In the middle of a stream, most let the client's own exception through; OpenAI's does not."""


def raises(lib: ModuleType, **others: Any) -> Mapping[str, Any]:
    """Return the exceptions of *lib*, and *others*."""
    found: Any = lib
    return {
        "400": found.BadRequestError,
        "500": found.InternalServerError,
        "timeout": found.APITimeoutError,
        **others,
    }


def maker(
    client: Callable[..., Any], prefix: str, **options: Callable[[], Any]
) -> Callable[[str, float], Any]:
    """Return what makes a *client*; *options* are made anew for each."""

    def make(url: str, limit: float) -> Any:
        made = {name: option() for name, option in options.items()}
        return client(base_url=url + prefix, api_key="k", max_retries=0, timeout=limit, **made)

    return make


def chats(
    lib: ModuleType,
    client: Callable[..., AbstractContextManager[Any]],
    aclient: Callable[..., AbstractAsyncContextManager[Any]],
    prefix: str = "",
    **others: Any,
) -> dict[str, Way]:
    """Return the blocking way and the async one to ask for chat completions.

    Args:
        lib: The package, with its exceptions.
        client: The blocking client.
        aclient: The async one.
        prefix: Of the paths, as a part of the base URL.
        others: Exceptions that are not named as OpenAI's.
    """
    own: Any = {"text": text, "texts": chunk_texts, "raises": raises(lib, **others)}
    return {
        "sync": Way(make=maker(client, prefix), ask=_ask, stream=_stream, **own),
        "async": Way(make=maker(aclient, prefix), ask=_aask, stream=_astream, **own),
    }


def aiohttp(
    lib: ModuleType,
    aclient: Callable[..., AbstractAsyncContextManager[Any]],
    prefix: str = "",
    **others: Any,
) -> dict[str, Way]:
    """Return the async way over the aiohttp client that *lib* brings."""
    found: Any = lib
    make = maker(aclient, prefix, http_client=found.DefaultAioHttpClient)
    own: Any = {"text": text, "texts": chunk_texts, "raises": raises(lib, **others)}
    return {"async, aiohttp": Way(make=make, ask=_aask, stream=_astream, **own)}


def _ask(client: Any, topic: str) -> Any:
    return client.chat.completions.create(**about(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with client.chat.completions.create(**about(topic), stream=True) as chunks:
        yield from chunks


async def _aask(client: Any, topic: str) -> Any:
    return await client.chat.completions.create(**about(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with await client.chat.completions.create(**about(topic), stream=True) as chunks:
        async for chunk in chunks:
            yield chunk
