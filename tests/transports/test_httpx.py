"""httpx and httpx2, blocking and async, by the contract and by what is peculiar to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar, cast

import anyio.from_thread
import httpx
import httpx2
import pytest
import uvloop

from cachesaver.exchange import Headers
from cachesaver.ports import Transport
from cachesaver.transports import httpx as adapter
from cachesaver.transports.testing import PATIENCE, Answer, Body, Caller, CookieContract

T = TypeVar("T")


def _answer(response: httpx.Response) -> Answer:
    return Answer(
        status=response.status_code,
        headers=tuple(response.headers.multi_items()),
        body=response.content,
    )


class BlockingCaller(Caller):
    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        return _answer(
            self.client.request(
                method, url, headers=list(headers), content=_content(body), timeout=timeout
            )
        )

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        with self.client.stream(
            method, url, headers=list(headers), content=_content(body)
        ) as response:
            yield response.iter_bytes()

    def close(self) -> None:
        self.client.close()


class AsyncCaller(Caller):
    """Steps an async client on *runner*'s loop."""

    def __init__(self, client: httpx.AsyncClient, runner: Runner) -> None:
        self.client = client
        self.runner = runner

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        return _answer(
            self.runner.run(
                self.client.request(
                    method, url, headers=list(headers), content=_acontent(body), timeout=timeout
                )
            )
        )

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        run = self.runner.run
        request = self.client.build_request(
            method, url, headers=list(headers), content=_acontent(body)
        )
        response = run(self.client.send(request, stream=True))
        chunks = response.aiter_bytes()
        try:
            yield self._steps(chunks)
        finally:
            run(cast("Any", chunks).aclose())
            run(response.aclose())

    def _steps(self, chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
        async def step() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self.runner.run(step())) is not None:
            yield chunk

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


class Runner:
    """Runs one coroutine after another on one event loop."""

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class AsyncioRunner(Runner):
    def __init__(self, *, fast: bool = False) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop if fast else None)

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(steps)

    def close(self) -> None:
        self._runner.close()


class TrioRunner(Runner):
    def __init__(self) -> None:
        self._open = anyio.from_thread.start_blocking_portal("trio")
        self._portal = self._open.__enter__()

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        async def call() -> T:
            return await steps

        return self._portal.call(call)

    def close(self) -> None:
        self._open.__exit__(None, None, None)


def _content(body: Body) -> Any:
    return body or None


def _acontent(body: Body) -> Any:
    """Return *body* in the form an AsyncClient takes: bytes, or an async iterator."""
    return _async_iterator(body) if not isinstance(body, bytes) else body or None


async def _async_iterator(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class HttpxContract(CookieContract):
    lib: Any
    packages = ("httpx", "httpcore", "httpx2", "httpcore2")

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return cast("ModuleType", self.lib)

    def options(self, connections: int | None) -> dict[str, Any]:
        return {
            "limits": self.lib.Limits(max_connections=connections),
            "follow_redirects": True,
            "trust_env": False,
        }

    def client(self, connections: int | None) -> Any:
        return self.lib.Client(**self.options(connections))

    def caller(self, *, connections: int | None = None) -> Caller:
        return BlockingCaller(self.client(connections))


class AsyncHttpxContract(HttpxContract):
    def runner(self) -> Runner:
        return AsyncioRunner()

    def client(self, connections: int | None) -> Any:
        return self.lib.AsyncClient(**self.options(connections))

    def caller(self, *, connections: int | None = None) -> Caller:
        return AsyncCaller(self.client(connections), self.runner())


class TestHttpx(HttpxContract):
    lib = httpx


class TestHttpx2(HttpxContract):
    lib = httpx2


class TestAsyncHttpx(AsyncHttpxContract):
    lib = httpx


class TestAsyncHttpx2(AsyncHttpxContract):
    lib = httpx2


class TrioHttpxContract(AsyncHttpxContract):
    def runner(self) -> Runner:
        return TrioRunner()


# trio, unlike asyncio, says so when a client (live as well) leaves generators of its own unfinished.
@pytest.mark.filterwarnings("ignore:Async generator 'http(x|core)[.]:ResourceWarning")
class TestTrioHttpx(TrioHttpxContract):
    lib = httpx


@pytest.mark.filterwarnings("ignore:Async generator 'httpcore2[.]:ResourceWarning")
class TestTrioHttpx2(TrioHttpxContract):
    lib = httpx2


class TestUvloopHttpx2(AsyncHttpxContract):
    lib = httpx2

    def runner(self) -> Runner:
        return AsyncioRunner(fast=True)
