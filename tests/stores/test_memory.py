from __future__ import annotations

import threading

from cachesaver.stores import memory
from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.testing import StoreContract


class TestMemoryStore(StoreContract):
    def store(self) -> MemoryStore:
        return MemoryStore()


def test_it_tells_how_much_it_holds() -> None:
    assert repr(MemoryStore()) == "<MemoryStore of 0 fingerprints>"


def test_a_fork_waits_until_nobody_changes_anything() -> None:
    """Given a thread in the middle of a change, then the child inherits all of it, and a free lock."""
    store = MemoryStore()
    inside, leave = threading.Event(), threading.Event()

    def change() -> None:
        with store._lock:
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=change)
    thread.start()
    inside.wait(60)
    held = list[bool]()

    def fork() -> None:  # one thread does both
        memory._before_fork()
        held.append(store._lock.is_held_here)
        memory._PAUSED.let_go()
        held.append(store._lock.is_held_here)

    forking = threading.Thread(target=fork)
    forking.start()

    assert held == []
    leave.set()
    forking.join()
    thread.join()
    assert held == [True, False]
