"""Who in this process fetches what, and who waits for it: tasks, threads and event loops mixed."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from weakref import WeakValueDictionary, ref

__all__ = ["Flights", "flights_over"]

Slot = tuple[str, int]
"""Fingerprint and index."""


@dataclass(slots=True)
class _Flight:
    thread: int
    loop: object
    """The thread's event loop that leads; None where a blocking call does."""
    task: ref[object] | None
    """The task of that loop."""
    landed: Future[None] = field(default_factory=Future[None])


class Flights:
    """The flights of one store that are up in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._up: dict[Slot, _Flight] = {}

    def start(self, slot: Slot, loop: object = None, task: object = None) -> None:
        """Note that this thread leads *slot*, on its event loop *loop* in *task* if it has one.

        Who waits for an earlier flight of *slot* is woken: its leader gave it up, and has not come
        round to say so.
        """
        leader = None if task is None else ref(task)
        with self._lock:
            earlier = self._up.get(slot)
            self._up[slot] = _Flight(thread=threading.get_ident(), loop=loop, task=leader)
        if earlier is not None:
            earlier.landed.set_result(None)

    def land(self, slot: Slot) -> None:
        """Wake all who wait for *slot*, filled or given up."""
        with self._lock:
            flight = self._up.pop(slot, None)
        if flight is not None:
            flight.landed.set_result(None)

    def landing(self, slot: Slot) -> Future[None] | None:
        """Return what is done when the flight of *slot* lands; None if it is not one of ours."""
        with self._lock:
            flight = self._up.get(slot)
        return None if flight is None else flight.landed

    def can_wait(self, slot: Slot, loop: object = None, task: object = None) -> bool:
        """Tell whether waiting for *slot* here, in *task* of *loop* or blocking, can come to an end.

        A thread cannot wait for itself, except a task for another task of the same loop: what a
        task leads itself and has not landed is a stream that it has still to read.
        """
        with self._lock:
            flight = self._up.get(slot)
        if flight is None or flight.thread != threading.get_ident():
            return True
        if loop is None or flight.loop is not loop:
            return False
        return task is None or flight.task is None or flight.task() is not task


_lock = threading.Lock()
_SHARED: WeakValueDictionary[Hashable, Flights] = WeakValueDictionary()
"""By the location of their store."""


def flights_over(store: object) -> Flights:
    """Return the flights over *store*, which all sessions of this process over it share.

    Else the inner of two sessions would wait for a stream that its own thread has still to read in
    the outer one. Stores with one `location` (any hashable value) hold the same samples; one
    without is like no other.
    """
    with _lock:
        return _SHARED.setdefault(getattr(store, "location", id(store)), Flights())


def _in_child() -> None:
    """After a fork: what the parent fetches, the child cannot wait for by these."""
    global _lock  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _lock = threading.Lock()
    _SHARED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
