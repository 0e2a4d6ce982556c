"""Stores that do not do what they are asked to, or not yet."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future

from cachesaver.errors import StoreError
from cachesaver.exchange import Sample
from cachesaver.ports import Run
from cachesaver.stores.memory import MemoryStore

__all__ = ["FailingStore", "SlowStore"]


class FailingStore(MemoryStore):
    """Fails where it is told to; *later*: by its future instead of at once. Of *error* its fills."""

    def __init__(self, *where: str, later: bool = False, error: Exception | None = None) -> None:
        super().__init__()
        self.where = where
        self.later = later
        self.error = error or StoreError("full", location="x")

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        if "fill" not in self.where:
            return super().fill(fingerprint, index, token, sample, question=question)
        if not self.later:
            raise self.error
        future: Future[Sample] = Future()
        future.set_exception(self.error)
        return future

    def release(
        self, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
    ) -> None:
        if "release" in self.where:
            raise StoreError("gone", location="x")
        super().release(run, fingerprint, index, token, keeps=keeps)


class SlowStore(MemoryStore):
    """Fills when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.pending: Callable[[], None] = lambda: None
        self.fail: Callable[[], None] = lambda: None

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        future: Future[Sample] = Future()

        def finish() -> None:
            done = super(SlowStore, self).fill(fingerprint, index, token, sample, question=question)
            future.set_result(done.result())

        self.pending = finish
        self.fail = functools.partial(future.set_exception, StoreError("full", location="x"))
        self.asked.set()
        return future
