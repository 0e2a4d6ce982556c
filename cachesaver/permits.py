"""How many calls may be under way at a time: permits, first come first served.

Tasks, threads and event loops mixed; what to wait with is `cachesaver.sleeping`'s business.

Meant to be used so: a permit is held from before a call goes out until its response has been read
whole, or its stream has ended, was closed or was dropped. Who already holds the permit of an open
stream in this very context, and a blocking call on a thread that runs an event loop, must not
wait: they would wait for themselves. They go out without a permit.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from weakref import WeakSet

from cachesaver.locks import Lock

__all__ = ["Permits"]


class Permits:
    """At most *limit* permits are held at a time. Thread-safe; a forked child starts anew.

    Used like::

        permit = permits.ask()
        try:
            while not permit.done():
                sleeping.block(permit, 1.0)    # or: await sleeping.doze(permit, 1.0)
                permits.collect()
            ...                                # the call
        finally:
            permits.give_back(permit)

    Attributes:
        limit: At least 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._start()
        _ALL.add(self)

    def _start(self) -> None:
        self._lock = Lock()
        self._held: set[Future[None]] = set()
        self._waiting: dict[Future[None], None] = {}
        self._lost: SimpleQueue[Future[None]] = SimpleQueue()

    def __repr__(self) -> str:
        with self._lock:
            held, waiting = len(self._held), len(self._waiting)
        return f"<Permits {held} of {self.limit} held, {waiting} waiting>"

    def ask(self) -> Future[None]:
        """Return a permit: done at once when one is free, else when it is this one's turn.

        It cannot be cancelled: who does not want it any more gives it back, done or not.
        """
        self.collect()
        permit: Future[None] = Future()
        permit.set_running_or_notify_cancel()
        with self._lock:
            granted = len(self._held) < self.limit  # then nobody waits: see `_heir`
            if granted:
                self._held.add(permit)
            else:
                self._waiting[permit] = None
        if granted:
            permit.set_result(None)
        return permit

    def give_back(self, permit: Future[None]) -> None:
        """Return *permit*, or stop waiting for it. What is not held here does nothing.

        The next in the line has it from here on, also where it has come to *permit* in this moment.
        """
        with self._lock:
            self._waiting.pop(permit, None)
            heir = self._heir(permit)
        if heir is not None:
            heir.set_result(None)

    def give_back_later(self, permit: Future[None]) -> None:
        """Leave *permit* to the next who asks or collects: for finalisers, which may take no lock."""
        self._lost.put(permit)

    def collect(self) -> None:
        """Give back what finalisers left. Who waits does this about once a second."""
        try:
            while True:
                self.give_back(self._lost.get_nowait())
        except Empty:
            return

    def _heir(self, permit: Future[None]) -> Future[None] | None:
        """Pass *permit* on under the lock; return who has it now and is to be told outside."""
        if permit not in self._held:
            return None
        self._held.remove(permit)
        heir = next(iter(self._waiting), None)
        if heir is not None:
            del self._waiting[heir]
            self._held.add(heir)
        return heir


_ALL: WeakSet[Permits] = WeakSet()


def _in_child() -> None:
    """After a fork: the parent's calls are not ours, and its lock may be held for ever."""
    for permits in _ALL:
        permits._start()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
