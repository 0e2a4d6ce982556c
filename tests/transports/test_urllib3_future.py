"""urllib3.future and niquests, blocking and async, by the contract: in an environment of their own.

The fork takes urllib3's place where it is installed, so these run by `make apart`, not with the rest.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from cachesaver.exchange import Headers, Response
from cachesaver.ports import Gate, Transport
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import (
    PATIENCE,
    Answer,
    Body,
    Caller,
    CookieContract,
    HitGate,
    LoopbackServer,
    TeeGate,
    TransportContract,
)

niquests: Any = pytest.importorskip("niquests")
lib: Any = sys.modules["urllib3"]
"""The fork, in urllib3's place."""

KEPT = Response(status=200, chunks=(b"kept",))


@contextmanager
def hooked(gate: Gate) -> Generator[None]:
    unhook = adapter.hook(lib, gate)
    try:
        yield
    finally:
        unhook()


class _OfFork(TransportContract):
    packages = ("urllib3",)

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        module: ModuleType = lib
        return module


def _pool(connections: int | None) -> dict[str, Any]:
    return {} if connections is None else {"maxsize": connections, "block": True}


class PoolCaller(Caller):
    def __init__(self, **options: Any) -> None:
        self.manager = lib.PoolManager(**options)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.manager.request(
            method,
            url,
            headers=lib.HTTPHeaderDict(headers),
            body=body,
            timeout=timeout,
            retries=lib.Retry(1, read=0, connect=0),
        )
        found = tuple(response.headers.items())
        return Answer(status=response.status, headers=found, body=response.data or b"")

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        response = self.manager.request(
            method, url, headers=lib.HTTPHeaderDict(headers), body=body, preload_content=False
        )
        try:
            yield response.stream()
        finally:
            response.close()

    def close(self) -> None:
        self.manager.clear()


class AsyncPoolCaller(Caller):
    def __init__(self, **options: Any) -> None:
        self.runner = asyncio.Runner()
        self.manager = lib.AsyncPoolManager(**options)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        async def ask() -> Answer:
            response = await self.manager.request(
                method,
                url,
                headers=lib.HTTPHeaderDict(headers),
                body=body,
                timeout=timeout,
                retries=lib.Retry(1, read=0, connect=0),
            )
            found = tuple(response.headers.items())
            body_read = await response.data or b""
            return Answer(status=response.status, headers=found, body=body_read)

        return self.runner.run(ask())

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        response = self.runner.run(
            self.manager.request(
                method, url, headers=lib.HTTPHeaderDict(headers), body=body, preload_content=False
            )
        )
        try:
            yield _each(self.runner, response.stream())
        finally:
            self.runner.run(response.close())

    def close(self) -> None:
        self.runner.run(self.manager.clear())
        self.runner.close()


def _each(runner: asyncio.Runner, chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    async def step() -> bytes | None:
        return await anext(chunks, None)

    while (chunk := runner.run(step())) is not None:
        yield chunk


def _session(kind: Any, connections: int | None) -> Any:
    options: dict[str, Any] = {} if connections is None else {"pool_maxsize": connections}
    return kind(**options)


class NiquestsCaller(Caller):
    def __init__(self, session: Any) -> None:
        self.session = session

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.session.request(
            method, url, headers=dict(headers), data=body, timeout=timeout, allow_redirects=True
        )
        return _answer(response, response.content)

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        with self.session.request(
            method, url, headers=dict(headers), data=body, stream=True
        ) as response:
            yield response.iter_content(-1)

    def close(self) -> None:
        self.session.close()


class AsyncNiquestsCaller(Caller):
    def __init__(self, session: Any) -> None:
        self.runner = asyncio.Runner()
        self.session = session

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
            self.session.request(
                method, url, headers=dict(headers), data=body, timeout=timeout, allow_redirects=True
            )
        )
        return _answer(response, response.content)

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        async def begin() -> Any:
            response = await self.session.request(
                method, url, headers=dict(headers), data=body, stream=True
            )
            return response, await response.iter_content(-1)

        response, chunks = self.runner.run(begin())
        try:
            yield _each(self.runner, chunks)
        finally:
            self.runner.run(response.close())

    def close(self) -> None:
        self.runner.run(self.session.close())
        self.runner.close()


def _answer(response: Any, content: bytes | None) -> Answer:
    headers = tuple(response.raw.headers.items())
    return Answer(status=response.status_code, headers=headers, body=content or b"")


class TestPools(_OfFork):
    def caller(self, *, connections: int | None = None) -> Caller:
        return PoolCaller(**_pool(connections))


class TestAsyncPools(_OfFork):
    def caller(self, *, connections: int | None = None) -> Caller:
        return AsyncPoolCaller(**_pool(connections))


class TestNiquests(_OfFork, CookieContract):
    def caller(self, *, connections: int | None = None) -> Caller:
        return NiquestsCaller(_session(niquests.Session, connections))


class TestAsyncNiquests(_OfFork, CookieContract):
    def caller(self, *, connections: int | None = None) -> Caller:
        return AsyncNiquestsCaller(_session(niquests.AsyncSession, connections))


# --- what is the fork's own


def test_a_multiplexed_session_is_answered() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate), niquests.Session(multiplexed=True) as session:
        responses = [session.post(server.url + "/v1/x", data=f"{n}") for n in range(3)]
        session.gather()
        assert [response.content for response in responses] == [b"0", b"1", b"2"]

    with hooked(HitGate(KEPT)), niquests.Session(multiplexed=True) as session:
        responses = [session.post(server.url + "/v1/x", data=f"{n}") for n in range(3)]
        session.gather()
        assert [response.content for response in responses] == [b"kept"] * 3
    assert len(gate.asked) == 3


def test_a_multiplexed_async_session_is_answered() -> None:
    async def ask(url: str) -> list[bytes]:
        async with niquests.AsyncSession(multiplexed=True) as session:
            responses = [await session.post(url, data=f"{n}") for n in range(3)]
            await session.gather()
            return [response.content for response in responses]

    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert asyncio.run(ask(server.url + "/v1/x")) == [b"0", b"1", b"2"]
    with hooked(HitGate(KEPT)):
        assert asyncio.run(ask(server.url + "/v1/x")) == [b"kept"] * 3
    assert len(gate.asked) == 3


def test_the_bare_fork_by_its_own_name_is_hooked() -> None:
    import urllib3_future as own  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

    module: Any = own
    unhook = adapter.hook(module, HitGate(KEPT))
    try:
        assert module.PoolManager().request("POST", "http://127.0.0.1:9/v1/x").data == b"kept"
    finally:
        unhook()


@pytest.mark.parametrize("reading", ["read", "read(n)", "stream", "read1", "data", "json"])
def test_a_hit_reads_as_live(reading: str) -> None:
    def told(response: Any) -> object:
        match reading:
            case "read":
                return response.read(), response.closed
            case "read(n)":
                return [response.read(5) for _ in range(4)]
            case "stream":
                return list(response.stream(4))
            case "read1":
                return response.read1(3), response.read1(), response.read()
            case "json":
                return response.json()
            case _:
                return response.data, response.closed

    kept = Response(status=200, headers=(("Content-Length", "13"),), chunks=(b'{"a": "1234"}',))
    with LoopbackServer() as server, lib.PoolManager() as manager:
        url = server.url + "/v1/x"
        body = kept.body
        live = told(manager.request("POST", url, body=body, preload_content=False))
        with hooked(HitGate(kept)):
            hit = told(manager.request("POST", url, body=body, preload_content=False))
        with hooked(TeeGate()):
            miss = told(manager.request("POST", url, body=body, preload_content=False))

    assert live == hit == miss


def test_a_websocket_is_reported_and_left_alone() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate), lib.PoolManager() as manager:
        pool = manager.connection_from_url(server.url)
        with pytest.raises(Exception):  # noqa: B017, PT011 - nobody there speaks it
            pool.urlopen("POST", "/v1/x", extension=object())

    assert [reason for _, reason in gate.passes] == ["an extension takes over its connection"]
    assert not gate.asked
