"""Bare httpcore and httpcore2, blocking and async, by the contract."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

import httpcore
import httpcore2

from cachesaver.exchange import Headers, get_header
from cachesaver.ports import Transport
from cachesaver.transports import httpcore as adapter
from cachesaver.transports.testing import PATIENCE, Answer, Body, Caller, TransportContract


def extensions(timeout: float) -> dict[str, Any]:
    return {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)}


def content(body: Body) -> Any:
    return None if body == b"" else body


def answered(response: Any) -> Answer:
    """Return *response* as a user makes it: httpcore decodes nothing."""
    headers = tuple((n.decode(), v.decode()) for n, v in response.headers)
    packed = get_header(headers, "content-encoding") == "gzip"
    body = gzip.decompress(response.content) if packed else response.content
    return Answer(status=response.status, headers=headers, body=body)


class PoolCaller(Caller):
    """Follows redirects; httpcore does not."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self.pool = pool

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.pool.request(
            method,
            url,
            headers=list(headers),
            content=content(body),
            extensions=extensions(timeout),
        )
        answer = answered(response)
        if location := answer.header("location"):
            return self.request(method, urljoin(url, location), headers=headers, body=body)
        return answer

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        with self.pool.stream(
            method, url, headers=list(headers), content=content(body)
        ) as response:
            yield response.iter_stream()

    def close(self) -> None:
        self.pool.close()


class AsyncPoolCaller(Caller):
    """The same over an async pool, step by step on a loop of its own."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self.pool = pool
        self.runner = asyncio.Runner()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.runner.run(
            self.pool.request(
                method,
                url,
                headers=list(headers),
                content=_async_content(body),
                extensions=extensions(timeout),
            )
        )
        answer = answered(response)
        if location := answer.header("location"):
            return self.request(method, urljoin(url, location), headers=headers, body=body)
        return answer

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        going = self.pool.stream(method, url, headers=list(headers), content=_async_content(body))
        response = self.runner.run(going.__aenter__())
        try:
            yield self._each(response.aiter_stream())
        finally:
            self.runner.run(going.__aexit__(None, None, None))

    def _each(self, chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
        async def step() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self.runner.run(step())) is not None:
            yield chunk

    def close(self) -> None:
        self.runner.run(self.pool.aclose())
        self.runner.close()


def _async_content(body: Body) -> Any:
    if isinstance(body, bytes):
        return content(body)

    async def parts() -> AsyncIterator[bytes]:
        for part in body:
            yield part

    return parts()


class _OfOne(TransportContract):
    lib: ModuleType = httpcore

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return self.lib


class TestHttpcore(_OfOne):
    packages = ("httpcore",)

    def caller(self, *, connections: int | None = None) -> Caller:
        return PoolCaller(self.module().ConnectionPool(max_connections=connections))


class TestAsyncHttpcore(_OfOne):
    packages = ("httpcore",)

    def caller(self, *, connections: int | None = None) -> Caller:
        return AsyncPoolCaller(self.module().AsyncConnectionPool(max_connections=connections))


class TestHttpcore2(TestHttpcore):
    packages = ("httpcore2",)
    lib = httpcore2


class TestAsyncHttpcore2(TestAsyncHttpcore):
    packages = ("httpcore2",)
    lib = httpcore2
