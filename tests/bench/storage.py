"""What a store pays as it grows."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

from cachesaver.exchange import Response, Sample
from cachesaver.ports import Policy, Run
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.processes import here
from tests.bench.pairs import paired

Measured = Iterator[tuple[str, str, str, str, bool]]

BODY = b'{"content": "%s"}' % (b"Because. " * 200)


def measured() -> Measured:
    """Yield a row for each."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = (LmdbStore(Path(folder) / name) for name in ("small", "large"))
        try:
            _fill(small, 1_000)
            _fill(large, SAMPLES)
            hits = paired(_Drawer(large, SAMPLES), _Drawer(small, 1_000), calls=60)
            name = f"hits on a store of {SAMPLES:,} samples"
            yield name, "the same on 1,000", f"{hits.ratio:.2f}x", "≤ 1.2x", hits.ratio <= 1.2
            if (more := _memory_of(_Drawer(large, SAMPLES), HITS)) is not None:
                name = f"memory after {HITS:,} hits on that store"
                yield name, "after the first 1,000", f"{more:+.1f} MB", "≤ 1 MB more", more <= 1
            appends = paired(_Buyer(large, "pool", 10_000), _Buyer(large, "fresh", 0), calls=20)
            name = "appending the 10,000th sample of one question"
            yield name, "the first", f"{appends.ratio:.2f}x", "≤ 1.2x", appends.ratio <= 1.2
        finally:
            small.close()
            large.close()


SAMPLES, HITS = 1_000_000, 50_000


def _memory_of(draw: Callable[[], None], hits: int) -> float | None:
    """Return by how many megabytes *hits* calls of *draw* let this process grow; Linux only.

    What is mapped of the store's files does not count: the system takes it back whenever it likes.
    """
    if not STATUS.exists():
        return None
    for _ in range(1_000):
        draw()
    before = _own()
    for _ in range(hits):
        draw()
    return (_own() - before) / 1024


STATUS = Path("/proc/self/status")


def _own() -> int:
    """Return the kilobytes that this process has for itself alone."""
    gc.collect()
    (line,) = (each for each in STATUS.read_text().splitlines() if each.startswith("RssAnon:"))
    return int(line.split()[1])


def _fingerprint(name: object) -> str:
    return f"{hash(name) & (2**64 - 1):064x}"


def _fill(store: LmdbStore, samples: int) -> None:
    """One sample for each of *samples* questions, which nobody has to draw for that."""
    for start in range(0, samples, 1_000):
        numbers = range(start, min(start + 1_000, samples))
        kept = [_keep(store, _fingerprint(n), 0, "", f"{n:064x}") for n in numbers]
        for future in kept:
            future.result()


def _buy(store: LmdbStore, run: Run, fingerprint: str, draw: str) -> Future[Sample]:
    (grant,) = store.acquire(run, fingerprint, [draw], owner=here(), policy=Policy.RESERVE)
    return _keep(store, fingerprint, grant.index, grant.token, draw)


def _keep(store: LmdbStore, fingerprint: str, index: int, token: str, draw: str) -> Future[Sample]:
    response = Response(status=200, headers=(("content-type", "application/json"),), chunks=(BODY,))
    sample = Sample(response=response, draw=draw)
    return store.fill(fingerprint, index, token, sample, question=b"a question")


class _Drawer:
    """Draws the stored sample of one question after another, all over the store."""

    def __init__(self, store: LmdbStore, samples: int) -> None:
        self._store = store
        self._samples = samples
        self._next = 0
        self._run = Run(id="draw", namespace="draw")

    def __call__(self) -> None:
        self._next = (self._next + 7919) % self._samples
        fingerprint = _fingerprint(self._next)
        draw = f"{self._next:064x}"
        (grant,) = self._store.acquire(
            self._run, fingerprint, [draw], owner=here(), policy=Policy.READ
        )
        assert grant.sample is not None


class _Buyer:
    """Buys one more sample of one question."""

    def __init__(self, store: LmdbStore, question: str, already: int) -> None:
        self._store = store
        self._fingerprint = _fingerprint(question)
        self._run = Run(id=question, namespace=question)
        self._bought = 0
        futures = [self._one() for _ in range(already)]
        for future in futures:
            future.result()

    def _one(self) -> Future[Sample]:
        self._bought += 1
        return _buy(self._store, self._run, self._fingerprint, f"{self._bought:064x}")

    def __call__(self) -> None:
        self._one().result()
