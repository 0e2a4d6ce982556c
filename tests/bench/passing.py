"""What a call pays that is none of our business: by client, the same with our hooks and without."""

from __future__ import annotations

import asyncio
import functools
import http.client
import itertools
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import aiohttp
import httpcore
import httpcore2
import httpx
import httpx2
import requests
import urllib3

import cachesaver
from tests.bench import wires
from tests.bench.pairs import Least, least

__all__ = ["measured"]

Measured = Iterator[tuple[str, str, str, str, bool]]
Block = Callable[[int], object]

_OWNERS: tuple[type, ...] = (
    *(httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient),
    *(httpcore.ConnectionPool, httpcore.AsyncConnectionPool),
    *(httpcore2.ConnectionPool, httpcore2.AsyncConnectionPool),
    *(urllib3.HTTPConnectionPool, http.client.HTTPConnection, aiohttp.BaseConnector),
    asyncio.BaseEventLoop,
)

_SERVER = """
import asyncio

async def serve(reader, writer):
    while head := (await reader.readline()).lower():
        if head.startswith(b"content-length:"):
            length = int(head.partition(b":")[2])
        if head == b"\\r\\n":
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
"""In a process of its own, whose time does not count."""

_LIMIT = 3e-6
"""For httpx, whose calls need no network here: there is hardly any noise."""

_ITEM = {"item": "tea"}


def measured() -> Measured:
    """Yield a row for each client; and for paths that are new every time, as real ones are."""
    with _provider() as url, _switchable() as switch, ExitStack() as stack:
        for name, block in _mocked(stack):
            yield _row(name, least(block, switch=switch, calls=100), _LIMIT)
        for name, block in _unwired(stack):
            yield _row(f"{name}, no socket", least(block, switch=switch), None)
        for name, block in _served(url, stack):
            yield _row(name, least(block, switch=switch), None)


def _row(name: str, found: Least, limit: float | None) -> tuple[str, str, str, str, bool]:
    more = f"{found.more * 1e6:.1f} µs more than {found.theirs * 1e6:.0f}"
    told = f"≤ {_LIMIT * 1e6:.0f} µs more" if limit else f"noise: {found.noise * 1e6:.1f} µs"
    kept = found.more <= (limit or found.noise)
    what = f"one call that is none of our business ({name})"
    return what, "the client without us", more, told, kept


@contextmanager
def _switchable() -> Generator[Callable[[bool], None]]:
    """Yield what puts all of our hooks there, or takes them away; it leaves them there."""
    before = [dict(vars(owner)) for owner in _OWNERS]
    with cachesaver.install("a", store="memory://", quiet=True):
        places = [
            (owner, name, value, was[name])
            for owner, was in zip(_OWNERS, before, strict=True)
            for name, value in vars(owner).items()
            if name in was and was[name] is not value
        ]

        def switch(ours: bool) -> None:  # noqa: FBT001  # called by `least`
            for owner, name, hooked, original in places:
                setattr(owner, name, hooked if ours else original)

        try:
            yield switch
        finally:
            switch(True)  # as above


def _repeated(call: Callable[[], object]) -> Block:
    def block(calls: int) -> None:
        for _ in range(calls):
            call()

    return block


def _awaited(runner: asyncio.Runner, call: Callable[[], Awaitable[object]]) -> Block:
    async def several(calls: int) -> None:
        for _ in range(calls):
            await call()

    return lambda calls: runner.run(several(calls))


def _mocked(stack: ExitStack) -> Iterator[tuple[str, Block]]:
    """Iterate calls that need no network."""
    modules: tuple[Any, ...] = (httpx, httpx2)
    runner = stack.enter_context(asyncio.Runner())
    url = "https://shop.test/api/v2/customers"
    for lib in modules:
        name, transport = lib.__name__, lib.MockTransport(_empty(lib))
        client, later = lib.Client(transport=transport), lib.AsyncClient(transport=transport)
        order = functools.partial(client.post, f"{url}/orders", json=_ITEM)
        yield name, _repeated(order)
        yield f"{name}, a new path each time", _repeated(_elsewhere(client, url))
        yield f"{name}, GET", _repeated(functools.partial(client.get, f"{url}/orders"))
        order_later = functools.partial(later.post, f"{url}/orders", json=_ITEM)
        yield f"{name}, async", _awaited(runner, order_later)


def _elsewhere(client: Any, url: str) -> Callable[[], object]:
    numbers = itertools.count()

    def order() -> object:
        return client.post(f"{url}/{next(numbers)}/orders", json=_ITEM)

    return order


def _empty(lib: Any) -> Callable[[Any], Any]:
    return lambda _: lib.Response(200)


def _unwired(stack: ExitStack) -> Iterator[tuple[str, Block]]:
    """Iterate calls of clients as they are, but for what the bytes are written to."""
    url = "http://shop.test/api/v2/customers"
    cores: tuple[tuple[Any, Any], ...] = ((httpx, httpcore), (httpx2, httpcore2))
    for lib, core in cores:
        client = stack.enter_context(lib.Client(transport=wires.httpx_transport(lib, core)))
        order = functools.partial(client.post, f"{url}/orders", json=_ITEM)
        yield f"{lib.__name__} on {core.__name__}", _repeated(order)
    session = stack.enter_context(wires.session())
    yield "requests", _by_requests(session, url)
    pools = stack.enter_context(wires.urllib3_pools())
    yield "urllib3", _by_urllib3(pools, url)
    yield "http.client", _by_connection(wires.plain_connection())
    yield "aiohttp", _by_aiohttp(stack, wires.aiohttp_connector, url)


def _served(url: str, stack: ExitStack) -> Iterator[tuple[str, Block]]:
    """Iterate calls to *url*, each over a connection that is kept."""
    yield "requests", _by_requests(stack.enter_context(requests.Session()), url)
    yield "urllib3", _by_urllib3(stack.enter_context(urllib3.PoolManager()), url)
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    stack.callback(connection.close)
    yield "http.client", _by_connection(connection)
    yield "aiohttp", _by_aiohttp(stack, aiohttp.TCPConnector, url)


def _by_requests(session: requests.Session, url: str) -> Block:
    return _repeated(lambda: session.post(f"{url}/orders", json=_ITEM).content)


def _by_urllib3(pools: urllib3.PoolManager, url: str) -> Block:
    return _repeated(lambda: pools.request("POST", f"{url}/orders", json=_ITEM).data)


def _by_connection(connection: http.client.HTTPConnection) -> Block:
    def order() -> bytes:
        connection.request("POST", "/api/v2/customers/orders", b"{}")
        return connection.getresponse().read()

    return _repeated(order)


def _by_aiohttp(
    stack: ExitStack, connector: Callable[[], aiohttp.BaseConnector], url: str
) -> Block:
    runner = stack.enter_context(asyncio.Runner())

    async def opened() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=connector())

    client = runner.run(opened())
    stack.callback(lambda: runner.run(client.close()))

    async def order() -> bytes:
        async with client.post(f"{url}/orders", json=_ITEM) as answer:
            return await answer.read()

    return _awaited(runner, order)


@contextmanager
def _provider() -> Generator[str]:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()
