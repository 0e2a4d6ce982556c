"""What the claims are made with: runs, samples, draws; and the store they are made of."""

from __future__ import annotations

import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from cachesaver.exchange import Response, Sample
from cachesaver.ports import Grant, Policy, Run, Store
from cachesaver.stores.processes import here

__all__ = [
    "QUESTION",
    "Contract",
    "F",
    "G",
    "a_run",
    "a_sample",
    "at_once",
    "buy",
    "dead_owner",
    "draw",
    "fill",
    "indexes",
]

T = TypeVar("T")

F = "0f" * 32
"""A fingerprint, and *G* another one that sorts after it."""
G = "f0" * 32

QUESTION = b'{"q":1}'


def a_run(name: str = "run", *, namespace: str = "exp", replicate: int | None = None) -> Run:
    """Return a run."""
    return Run(id=name, namespace=namespace, replicate=replicate)


def a_sample(draw: str, text: bytes = b"answer") -> Sample:
    """Return a sample bought for *draw*."""
    return Sample(response=Response(status=200, chunks=(text, draw.encode())), draw=draw)


def draw(
    store: Store,
    run: Run,
    *draws: str,
    fingerprint: str = F,
    policy: Policy = Policy.RESERVE,
    owner: str = "",
) -> tuple[Grant, ...]:
    """Acquire *draws*, as this process unless another *owner* is named."""
    return store.acquire(run, fingerprint, draws, owner=owner or here(), policy=policy)


def fill(store: Store, grant: Grant, sample: Sample, *, fingerprint: str = F) -> Sample:
    """Fill what *grant* leads, wait until it is kept, and return what the slot holds."""
    future = store.fill(fingerprint, grant.index, grant.token, sample, question=QUESTION)
    return future.result(timeout=60)


def buy(store: Store, run: Run, *draws: str, fingerprint: str = F) -> list[int]:
    """Draw each of *draws*, buy what is missing, and return the indexes."""
    grants = [draw(store, run, name, fingerprint=fingerprint)[0] for name in draws]
    for name, grant in zip(draws, grants, strict=True):
        if grant.token:
            fill(store, grant, a_sample(name), fingerprint=fingerprint)
    return [grant.index for grant in grants]


def indexes(grants: Sequence[Grant]) -> list[int]:
    """Return the indexes of *grants*."""
    return [grant.index for grant in grants]


@cache
def dead_owner() -> str:
    """Return the owner name of a process that has ended."""
    program = "from cachesaver.stores.processes import here; print(here())"
    ended = subprocess.run(  # noqa: S603  (our own interpreter and program)
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


def at_once(*works: Callable[[], T]) -> list[T]:
    """Do all *works* at the same time, each in a thread of its own; return their results."""
    barrier = threading.Barrier(len(works))
    results: dict[int, T] = {}

    def perform(number: int, work: Callable[[], T]) -> None:
        barrier.wait()
        results[number] = work()

    threads = [threading.Thread(target=perform, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(works))]


class Contract(ABC):
    """What a room of the contract is handed: a store, and the way to open it again."""

    @abstractmethod
    def store(self) -> Store:
        """Return a new, empty store."""

    def reopen(self, store: Store) -> Store:
        """Return another handle on what *store* keeps, read anew from where it is kept.

        *store* is not used afterwards. A store that does not outlive its handle returns it.
        """
        return store
