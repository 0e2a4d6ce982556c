"""Calls that are none of our business, in a process of its own: `passing_tool.py ours|theirs URL`.

*ours* is a program that has installed us, *theirs* one that never imports us: nothing is switched on and
off, which costs a running interpreter more than what is looked for. Prints JSON: by client, what the
quickest block of its calls took, in seconds of processor time for one call.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import httpcore
import httpcore2
import httpx
import httpx2
import requests
import urllib3

from tests.bench import wires

Block = Callable[[int], object]

_ITEM = {"item": "tea"}

_CALLS = 40
"""In a block, which is over before a busy machine turns to another."""

_BLOCKS = 60
_FIRST = 400
"""Calls before any that count: by then the interpreter has seen what it will see."""

_SETTLING = 8
"""Calls before each block: others have had the caches meanwhile."""


def main() -> None:
    """Measure every client, block by block in turn; print what is found."""
    who, url = sys.argv[1:]
    with ExitStack() as stack:
        if who == "ours":
            import cachesaver

            stack.enter_context(cachesaver.install("a", store="memory://", quiet=True))
        print(json.dumps(_least(dict(_clients(url, stack)))))  # noqa: T201


def _least(clients: dict[str, Block]) -> dict[str, float]:
    for block in clients.values():
        block(_FIRST)
    found = dict.fromkeys(clients, float("inf"))
    for _ in range(_BLOCKS):
        for name, block in clients.items():
            block(_SETTLING)
            start = time.process_time()
            block(_CALLS)
            found[name] = min(found[name], (time.process_time() - start) / _CALLS)
    return found


def _clients(url: str, stack: ExitStack) -> Iterator[tuple[str, Block]]:
    yield from _mocked(stack)
    for name, block in _unwired(stack):
        yield f"{name}, no socket", block
    yield from _served(url, stack)


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


if __name__ == "__main__":
    main()
