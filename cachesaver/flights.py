"""Who in this process fetches what, and who waits for it: tasks, threads and event loops mixed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from weakref import WeakValueDictionary, ref

from cachesaver.locks import Lock

__all__ = ["Flights", "Leader", "Pulse", "flights_over", "leader"]

Slot = tuple[str, int]
"""Fingerprint and index."""


@dataclass(frozen=True, slots=True)
class Leader:
    """Who fetches: a task of the event loop *loop* that runs in *thread*, or a blocking call (None)."""

    thread: int
    loop: object = None
    task: ref[object] | None = None


def leader(loop: object = None, task: object = None) -> Leader:
    """Return this thread as a leader, on its event loop *loop* in *task* if it has one."""
    return Leader(threading.get_ident(), loop, None if task is None else ref(task))


@dataclass(slots=True, eq=False)
class Pulse:
    """Whether a stream that is being read moves.

    Attributes:
        idle_since: `time.perf_counter` when its reader took the last chunk and asked for no more;
            None while it waits for the provider.
    """

    idle_since: float | None = None


@dataclass(slots=True)
class _Flight:
    leader: Leader
    landed: Future[None] = field(default_factory=Future[None])
    pulse: Pulse | None = None


_IDLE = 5.0
"""Seconds for which one who waits bears that a stream's reader does not read on."""


class Flights:
    """The flights of one store that are up in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._up: dict[Slot, _Flight] = {}

    def start(self, slot: Slot, loop: object = None, task: object = None) -> None:
        """Note that this thread leads *slot*, on its event loop *loop* in *task* if it has one.

        Who waits for an earlier flight of *slot* is woken: its leader gave it up, and has not come
        round to say so.
        """
        with self._lock:
            earlier = self._up.get(slot)
            self._up[slot] = _Flight(leader(loop, task))
        if earlier is not None:
            earlier.landed.set_result(None)

    def hand_over(self, slots: Iterable[Slot], to: Leader) -> None:
        """Note that *to* leads *slots* from now on; those that are not up stay so."""
        with self._lock:
            for slot in slots:
                if slot in self._up:
                    self._up[slot].leader = to

    def streams(self, slots: Iterable[Slot], pulse: Pulse) -> None:
        """Note that *slots* are filled when a stream has been read, as *pulse* tells."""
        with self._lock:
            for slot in slots:
                if slot in self._up:
                    self._up[slot].pulse = pulse

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

    def next_landing(
        self, fingerprint: str, loop: object = None, task: object = None
    ) -> Future[None] | None:
        """Return the landing of a flight for *fingerprint* that can be waited for here, if one is up."""
        with self._lock:
            slots = [slot for slot in self._up if slot[0] == fingerprint]
        for slot in slots:
            if self.can_wait(slot, loop, task):
                return self.landing(slot)
        return None

    def can_wait(self, slot: Slot, loop: object = None, task: object = None) -> bool:
        """Tell whether waiting for *slot* here, in *task* of *loop* or blocking, is worth it.

        A thread cannot wait for itself, except a task for another task of the same loop: what a
        task leads itself and has not landed is a stream that it has still to read. Nor is there any
        use in waiting for an event loop that is closed, or for a stream that is not read on.
        """
        with self._lock:
            flight = self._up.get(slot)
        if flight is None:
            return True
        led = flight.leader
        if _is_closed(led.loop) or _is_idle(flight.pulse):
            return False
        if led.thread != threading.get_ident():
            return True
        if loop is None or led.loop is not loop:
            return False
        return task is None or led.task is None or led.task() is not task


def _is_closed(loop: object) -> bool:
    closed: Callable[[], bool] | None = getattr(loop, "is_closed", None)
    return closed is not None and closed()


def _is_idle(pulse: Pulse | None) -> bool:
    since = None if pulse is None else pulse.idle_since
    return since is not None and time.perf_counter() - since > _IDLE


_lock = Lock()
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
    _lock = Lock()
    _SHARED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
