"""What a call pays that is none of our business: by client, in programs with us and in programs without."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import httpx2

import cachesaver
from tests.bench.pairs import Block, awaited, repeated, switched

__all__ = ["measured"]

Measured = Iterator[tuple[str, str, str, str, bool]]

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

_OWNERS: tuple[type, ...] = (httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient)

_ITEM = {"item": "tea"}

_LIMIT = 3e-6
"""For httpx, whose calls need no network here."""

_PAIRS = 8
"""Of programs: one with us and one without, in turn."""


def measured() -> Measured:
    """Yield a row for each client; and for paths that are new every time, as real ones are.

    httpx: what a call takes with our hooks more than without, in one program, in the middle of many
    pairs. The others: with us and without in programs of their own, in the middle of all pairs; noise is
    by how much one program without us differs from another.
    """
    with _switchable() as switch, ExitStack() as stack:
        for name, block in _mocked(stack):
            found = switched(block, switch)
            more = f"{found.more * 1e6:.1f} µs more than {found.theirs * 1e6:.0f}"
            between = f"{found.low * 1e6:.1f} to {found.high * 1e6:.1f}"
            told = f"≤ {_LIMIT * 1e6:.0f} µs more"
            yield _WHAT.format(name), _AGAINST, f"{more} ({between})", told, found.more <= _LIMIT
    with _provider() as url:
        turns = [("ours", "theirs"), ("theirs", "ours")] * (_PAIRS // 2)
        took = [(who, _run(who, url)) for turn in turns for who in turn]
    for name in took[0][1]:
        ours, theirs = (
            [each[name] for by, each in took if by == who] for who in ("ours", "theirs")
        )
        yield _row(name, ours, theirs)


_WHAT = "one call that is none of our business ({})"
_AGAINST = "the client without us"


_Took = tuple[float, float]
"""What a program's quickest block of calls took, and the one in the middle: seconds for one call."""


def _row(name: str, ours: list[_Took], theirs: list[_Took]) -> tuple[str, str, str, str, bool]:
    (quick, quickly), (more, usually) = (
        (
            statistics.median(a[of] - b[of] for a, b in zip(ours, theirs, strict=True)),
            statistics.median(each[of] for each in theirs),
        )
        for of in (0, 1)
    )
    noise = statistics.median(abs(a - b) for (_, a), (_, b) in itertools.combinations(theirs, 2))
    found = f"{more * 1e6:.1f} µs more than {usually * 1e6:.0f}"
    least = f"quickest: {quick * 1e6:.1f} more than {quickly * 1e6:.0f}"
    return (
        _WHAT.format(name),
        _AGAINST,
        f"{found} ({least})",
        f"noise: {noise * 1e6:.1f} µs",
        more <= noise,
    )


def _run(who: str, url: str) -> dict[str, _Took]:
    command = [sys.executable, "-m", "tests.bench.passing_tool", who, url]
    told: dict[str, _Took] = json.loads(subprocess.check_output(command))
    return told


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

        def switch(ours: bool) -> None:  # noqa: FBT001  # called by `switched`
            for owner, name, hooked, original in places:
                setattr(owner, name, hooked if ours else original)

        try:
            yield switch
        finally:
            switch(True)  # as above


def _mocked(stack: ExitStack) -> Iterator[tuple[str, Block]]:
    """Iterate calls that need no network."""
    modules: tuple[Any, ...] = (httpx, httpx2)
    runner = stack.enter_context(asyncio.Runner())
    url = "https://shop.test/api/v2/customers"
    for lib in modules:
        name, transport = lib.__name__, lib.MockTransport(_empty(lib))
        client, later = lib.Client(transport=transport), lib.AsyncClient(transport=transport)
        order = functools.partial(client.post, f"{url}/orders", json=_ITEM)
        yield name, repeated(order)
        yield f"{name}, a new path each time", repeated(_elsewhere(client, url))
        yield f"{name}, GET", repeated(functools.partial(client.get, f"{url}/orders"))
        order_later = functools.partial(later.post, f"{url}/orders", json=_ITEM)
        yield f"{name}, async", awaited(runner, order_later)


def _elsewhere(client: Any, url: str) -> Callable[[], object]:
    numbers = itertools.count()

    def order() -> object:
        return client.post(f"{url}/{next(numbers)}/orders", json=_ITEM)

    return order


def _empty(lib: Any) -> Callable[[Any], Any]:
    return lambda _: lib.Response(200)


@contextmanager
def _provider() -> Generator[str]:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()
