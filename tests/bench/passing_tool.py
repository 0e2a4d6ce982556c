"""Calls that are none of our business, in a process of its own: `passing_tool.py ours|theirs URL`.

*ours* is a program that has installed us, *theirs* one that never imports us: nothing is switched on and
off here. Prints JSON: by client, what the quickest block of its calls took, and the one in the middle, in
seconds of processor time for one call.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import statistics
import sys
from collections.abc import Callable, Iterator
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
from tests.bench.pairs import Block, awaited, repeated

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
        found = _blocks(dict(_clients(url, stack)))
        told = {name: (min(took), statistics.median(took)) for name, took in found.items()}
        print(json.dumps(told))  # noqa: T201


def _blocks(clients: dict[str, Block]) -> dict[str, list[float]]:
    for block in clients.values():
        block(_FIRST)
    found: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(_BLOCKS):
        for name, block in clients.items():
            block(_SETTLING)
            found[name].append(block(_CALLS) / _CALLS)
    return found


def _clients(url: str, stack: ExitStack) -> Iterator[tuple[str, Block]]:
    for name, block in _unwired(stack):
        yield f"{name}, no socket", block
    yield from _served(url, stack)


def _unwired(stack: ExitStack) -> Iterator[tuple[str, Block]]:
    """Iterate calls of clients as they are, but for what the bytes are written to."""
    url = "http://shop.test/api/v2/customers"
    cores: tuple[tuple[Any, Any], ...] = ((httpx, httpcore), (httpx2, httpcore2))
    for lib, core in cores:
        client = stack.enter_context(lib.Client(transport=wires.httpx_transport(lib, core)))
        order = functools.partial(client.post, f"{url}/orders", json=_ITEM)
        yield f"{lib.__name__} on {core.__name__}", repeated(order)
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
    return repeated(lambda: session.post(f"{url}/orders", json=_ITEM).content)


def _by_urllib3(pools: urllib3.PoolManager, url: str) -> Block:
    return repeated(lambda: pools.request("POST", f"{url}/orders", json=_ITEM).data)


def _by_connection(connection: http.client.HTTPConnection) -> Block:
    def order() -> bytes:
        connection.request("POST", "/api/v2/customers/orders", b"{}")
        return connection.getresponse().read()

    return repeated(order)


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

    return awaited(runner, order)


if __name__ == "__main__":
    main()
