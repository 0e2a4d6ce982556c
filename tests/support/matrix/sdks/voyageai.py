"""voyageai: reranking, of which there is one answer to a question."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any

import voyageai
from voyageai import error

from matrix.ways import Way

# By name, because the package does not say that it exports them.
Client: Any = vars(voyageai)["Client"]
AsyncClient: Any = vars(voyageai)["AsyncClient"]

_RANK: Any = {"documents": ["a stone", "a river", "a bird"], "model": "rerank-2.5"}


@contextlib.contextmanager
def _make(url: str, limit: float) -> Generator[Any]:
    yield Client(api_key="k", base_url=f"{url}/v1", timeout=limit)


@contextlib.asynccontextmanager
async def _amake(url: str, limit: float) -> AsyncGenerator[Any]:
    yield AsyncClient(api_key="k", base_url=f"{url}/v1", timeout=limit)


def _ask(client: Any, topic: str) -> Any:
    return client.rerank(query=topic, **_RANK)


async def _aask(client: Any, topic: str) -> Any:
    return await client.rerank(query=topic, **_RANK)


def _dumped(told: Any) -> Any:
    return [[list(result) for result in told.results], told.total_tokens]


_OWN: Any = {
    "stream": None,
    "text": str,
    "texts": str,
    "dumped": _dumped,
    "raises": {
        "400": error.APIError,
        "500": error.ServerError,
        "timeout": error.Timeout,
    },
}

WAYS = {
    "sync": Way(make=_make, ask=_ask, **_OWN),
    "async": Way(make=_amake, ask=_aask, **_OWN),
}
