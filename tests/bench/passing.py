"""What a call pays that is none of our business: by client, in programs with us and in programs without."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager

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

_LIMIT = 3e-6
"""For httpx, whose calls need no network here: there is hardly any noise."""

_PAIRS = 8
"""Of programs: one with us and one without, in turn."""


def measured() -> Measured:
    """Yield a row for each client; and for paths that are new every time, as real ones are.

    More: the quickest with us less the quickest without us. Noise: by how much one program without us
    differs from another, in the middle of all their pairs.
    """
    with _provider() as url:
        turns = [("ours", "theirs"), ("theirs", "ours")] * (_PAIRS // 2)
        found = [(who, _run(who, url)) for turn in turns for who in turn]
    for name in found[0][1]:
        ours, theirs = (
            [took[name] for by, took in found if by == who] for who in ("ours", "theirs")
        )
        yield _row(name, ours, theirs)


def _run(who: str, url: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.passing_tool", who, url]
    told: dict[str, float] = json.loads(subprocess.check_output(command))
    return told


def _row(name: str, ours: list[float], theirs: list[float]) -> tuple[str, str, str, str, bool]:
    more = min(ours) - min(theirs)
    noise = statistics.median(abs(a - b) for a, b in itertools.combinations(theirs, 2))
    is_bare = name.startswith("httpx") and "socket" not in name
    found = f"{more * 1e6:.1f} µs more than {min(theirs) * 1e6:.0f}"
    told = f"≤ {_LIMIT * 1e6:.0f} µs more" if is_bare else f"noise: {noise * 1e6:.1f} µs"
    what = f"one call that is none of our business ({name})"
    return what, "the client without us", found, told, more <= (_LIMIT if is_bare else noise)


@contextmanager
def _provider() -> Generator[str]:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()
