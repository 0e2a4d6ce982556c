"""replicate: a prediction is started, and polled until it is there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from importlib import import_module
from typing import Any

import httpx

from matrix.ways import Way, as_it_is

# By name, because it is in no environment where types are checked.
Client: Any = import_module("replicate").Client
ReplicateError: Any = import_module("replicate.exceptions").ReplicateError


def _client(url: str, limit: float) -> Any:
    return Client(api_token="k", base_url=url, timeout=httpx.Timeout(limit))


@contextlib.contextmanager
def _make(url: str, limit: float) -> Generator[Any]:
    yield _client(url, limit)


@contextlib.asynccontextmanager
async def _amake(url: str, limit: float) -> AsyncGenerator[Any]:
    yield _client(url, limit)


def _ask(client: Any, topic: str) -> Any:
    return client.run("o/m", input={"prompt": topic}, use_file_output=False)


async def _aask(client: Any, topic: str) -> Any:
    return await client.async_run("o/m", input={"prompt": topic}, use_file_output=False)


_OWN: Any = {
    "stream": None,
    "text": str,
    "texts": str,
    "dumped": as_it_is,
    "raises": {"400": ReplicateError, "500": ReplicateError, "timeout": httpx.ReadTimeout},
}

WAYS = {
    "sync": Way(make=_make, ask=_ask, **_OWN),
    "async": Way(make=_amake, ask=_aask, **_OWN),
}
