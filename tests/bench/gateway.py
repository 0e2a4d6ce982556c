"""What the gateway adds: to a call that is let through, to a hit, and to the first word of a stream.

    python -m tests.bench.gateway [ROUNDS]

Prints milliseconds of wall-clock time, medians of rounds taken turn by turn; the gateway and the
provider are each a process of their own, as in use. On a busy machine read the differences only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from statistics import median

import httpx2

from cachesaver.session import Session

ASK = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
ROUNDS = 200


@contextlib.contextmanager
def _running(*arguments: str) -> Generator[str]:
    """Run a command of ours until the end of the block; yield the address that it prints first."""
    with subprocess.Popen(
        [sys.executable, "-m", "cachesaver", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
    ) as process:
        assert process.stdout is not None
        yield next(word for word in process.stdout.readline().split() if word.startswith("http"))
        process.terminate()


def _first(client: httpx2.Client, url: str, ask: Mapping[str, object]) -> float:
    """Seconds to the first piece of the body, read to its end all the same."""
    start = time.perf_counter()
    with client.stream("POST", url, json=ask) as answer:
        chunks = answer.iter_raw()
        next(chunks)
        took = time.perf_counter() - start
        for _ in chunks:
            pass
    return took


def main(rounds: int = ROUNDS) -> None:
    """Measure, and print a table."""
    numbers = itertools.count()
    fresh: Callable[[], dict[str, object]] = lambda: {**ASK, "seed": next(numbers)}  # noqa: E731
    with (
        tempfile.TemporaryDirectory() as folder,
        _running("rehearse", "--port", "0") as provider,
        _running(
            *("gateway", "--port", "0", "-q", "--store", f"{folder}/pool"),
            *("--upstream", f"openai={provider}"),
        ) as gateway,
        Session.open("b", store=f"{folder}/here", quiet=True) as session,
        httpx2.Client(trust_env=False) as plain,
        httpx2.Client(transport=session.httpx_transport(httpx2.HTTPTransport())) as seen,
    ):
        direct, through = f"{provider}/v1/chat/completions", f"{gateway}/openai/v1/chat/completions"
        runs = itertools.count()
        warm = {**ASK, "stream": True}
        _first(plain, through, warm)
        ways: dict[str, Callable[[], float]] = {
            "live, direct": lambda: _first(plain, direct, fresh()),
            "live, by the gateway": lambda: _first(plain, through, fresh()),
            "first word, direct": lambda: _first(plain, direct, {**fresh(), "stream": True}),
            "first word, by the gateway": lambda: _first(
                plain, through, {**fresh(), "stream": True}
            ),
            "bought by a hook": lambda: _first(seen, direct, fresh()),
            "hit by the gateway": lambda: _first(
                plain, through.replace("/openai", f"/ns/n{next(runs)}/openai"), ASK
            ),
            "hit as a stream, by the gateway": lambda: _first(
                plain, through.replace("/openai", f"/ns/n{next(runs)}/openai"), warm
            ),
        }
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, measure in ways.items():
                took[way].append(measure())
    told = {way: round(median(each) * 1000, 2) for way, each in took.items()}
    best = {way: round(min(each) * 1000, 2) for way, each in took.items()}
    print(json.dumps({"median ms": told, "least ms": best}, indent=2))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
