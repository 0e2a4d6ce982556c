"""google-genai, over each of the clients it can take."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from typing import Any

import httpx
import httpx2
from google import genai
from google.genai import errors

from matrix.ways import Way

Client: Any = genai.Client

_OF_THE_HOP = {"cache-status", "content-length", "date", "transfer-encoding"}
_KEY = "GOOGLE_GENAI_HTTP_CLIENT"


@contextlib.contextmanager
def _made(url: str, limit: float) -> Generator[Any]:
    client = Client(api_key="k", http_options={"base_url": url, "timeout": int(limit * 1000)})
    with contextlib.closing(client):
        yield client


@contextlib.contextmanager
def _over_httpx(url: str, limit: float) -> Generator[Any]:
    os.environ[_KEY] = "httpx"  # read when the client is made
    with _made(url, limit) as client:
        del os.environ[_KEY]
        yield client


@contextlib.asynccontextmanager
async def _async_made(url: str, limit: float) -> AsyncGenerator[Any]:
    with _made(url, limit) as client:
        async with client.aio as aio:
            yield aio


@contextlib.asynccontextmanager
async def _async_over_httpx2(url: str, limit: float) -> AsyncGenerator[Any]:
    async with httpx2.AsyncClient() as http:
        options: Any = {"base_url": url, "timeout": int(limit * 1000), "httpx_async_client": http}
        with contextlib.closing(Client(api_key="k", http_options=options)) as client:
            yield client.aio


def _asked(topic: str) -> dict[str, Any]:
    return {"model": "gemini-2.5-flash", "contents": topic}


def _ask(client: Any, topic: str) -> Any:
    return client.models.generate_content(**_asked(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with contextlib.closing(client.models.generate_content_stream(**_asked(topic))) as chunks:
        yield from chunks


async def _aask(client: Any, topic: str) -> Any:
    return await client.models.generate_content(**_asked(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    stream = await client.models.generate_content_stream(**_asked(topic))
    async with contextlib.aclosing(stream) as chunks:
        async for chunk in chunks:
            yield chunk


def _text(answer: Any) -> str:
    text: str = answer.text
    return text


def _texts(chunks: Sequence[Any]) -> str:
    return "".join(chunk.text or "" for chunk in chunks)


def _dumped(answer: Any) -> Any:
    """Everything the SDK knows of an answer; of the headers it kept, those that carry meaning."""
    said: dict[str, Any] = answer.model_dump(mode="json", warnings=False)
    http: dict[str, Any] = said.pop("sdk_http_response", None) or {}
    headers: dict[str, str] = http.get("headers") or {}
    said["headers"] = {k.lower(): v for k, v in headers.items() if k.lower() not in _OF_THE_HOP}
    return said


def _raises(timeout: type[BaseException]) -> dict[str, type[BaseException]]:
    return {"400": errors.ClientError, "500": errors.ServerError, "timeout": timeout}


_OWN: Any = {"text": _text, "texts": _texts, "dumped": _dumped}

WAYS = {
    "sync": Way(make=_made, ask=_ask, stream=_stream, raises=_raises(httpx2.ReadTimeout), **_OWN),
    "sync, httpx": Way(
        make=_over_httpx, ask=_ask, stream=_stream, raises=_raises(httpx.ReadTimeout), **_OWN
    ),
    "async, httpx2": Way(
        make=_async_over_httpx2,
        ask=_aask,
        stream=_astream,
        raises=_raises(httpx2.ReadTimeout),
        **_OWN,
    ),
    "async, aiohttp": Way(
        make=_async_made,
        ask=_aask,
        stream=_astream,
        raises=_raises(TimeoutError),
        **_OWN,
    ),
}
