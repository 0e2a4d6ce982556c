"""What a store pays as it grows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
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
            appends = paired(_Buyer(large, "pool", 10_000), _Buyer(large, "fresh", 0), calls=20)
            name = "appending the 10,000th sample of one question"
            yield name, "the first", f"{appends.ratio:.2f}x", "≤ 1.2x", appends.ratio <= 1.2
        finally:
            small.close()
            large.close()


SAMPLES = 100_000


def _fingerprint(name: object) -> str:
    return f"{hash(name) & (2**64 - 1):064x}"


def _fill(store: LmdbStore, samples: int) -> None:
    """One sample for each of *samples* questions."""
    run = Run(id="fill", namespace="fill")
    futures = list[Future[Sample]]()
    for number in range(samples):
        futures.append(_buy(store, run, _fingerprint(number), f"{number:064x}"))
        if len(futures) == 1000:
            for future in futures:
                future.result()
            futures.clear()
    for future in futures:
        future.result()


def _buy(store: LmdbStore, run: Run, fingerprint: str, draw: str) -> Future[Sample]:
    (grant,) = store.acquire(run, fingerprint, [draw], owner=here(), policy=Policy.RESERVE)
    response = Response(status=200, headers=(("content-type", "application/json"),), chunks=(BODY,))
    sample = Sample(response=response, draw=draw)
    return store.fill(fingerprint, grant.index, grant.token, sample, question=b"a question")


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
