"""aiohttp by the contract, on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType

import aiohttp
import uvloop
from yarl import URL

import cachesaver.transports.aiohttp
from cachesaver.exchange import Headers
from cachesaver.ports import Transport
from cachesaver.transports.testing import PATIENCE, Answer, Body, Caller, CookieContract

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class AiohttpCaller(Caller):
    def __init__(self, *, connections: int | None, loop_factory: LoopFactory | None) -> None:
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._session = self._runner.run(self._open(connections or 100))

    async def _open(self, connections: int) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        return self._runner.run(self._request(method, url, headers, body, timeout))

    async def _request(
        self, method: str, url: str, headers: Headers, body: Body, seconds: float
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with self._session.request(
            method, URL(url, encoded=True), headers=headers, data=_data(body), timeout=timeout
        ) as response:
            return Answer(
                status=response.status,
                headers=tuple((k.decode(), v.decode()) for k, v in response.raw_headers),
                body=await response.read(),
            )

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        response = self._runner.run(self._respond(method, url, headers, body))
        try:
            yield self._chunks(response)
        finally:
            self._runner.run(_leave(response))

    async def _respond(
        self, method: str, url: str, headers: Headers, body: Body
    ) -> aiohttp.ClientResponse:
        return await self._session.request(
            method, URL(url, encoded=True), headers=headers, data=_data(body)
        )

    def _chunks(self, response: aiohttp.ClientResponse) -> Iterator[bytes]:
        async def read() -> tuple[bytes, bool]:
            return await response.content.readchunk()

        while (piece := self._runner.run(read())) != (b"", False):
            if piece[0]:
                yield piece[0]

    def close(self) -> None:
        self._runner.run(self._session.close())
        assert self._runner.run(_left_over()) == set()
        self._runner.close()


async def _leave(response: aiohttp.ClientResponse) -> None:
    """Close *response* and let the loop turn: nobody may block it and expect things to happen."""
    await response.__aexit__(None, None, None)
    await asyncio.sleep(0)


async def _left_over() -> set[asyncio.Task[object]]:
    """Return the tasks that are still there when all that may end by itself has ended."""
    for _ in range(3):
        await asyncio.sleep(0)
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def _data(body: Body) -> object:
    if isinstance(body, bytes):
        return body or None
    return _slowly(body) if hasattr(body, "__next__") and not hasattr(body, "read") else body


async def _slowly(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class TestOnAsyncio(CookieContract):
    packages = ("aiohttp",)

    def loop_factory(self) -> LoopFactory | None:
        return None

    def transport(self) -> Transport:
        return cachesaver.transports.aiohttp

    def module(self) -> ModuleType:
        return aiohttp

    def caller(self, *, connections: int | None = None) -> Caller:
        return AiohttpCaller(connections=connections, loop_factory=self.loop_factory())


class TestOnUvloop(TestOnAsyncio):
    def loop_factory(self) -> LoopFactory | None:
        return uvloop.new_event_loop
