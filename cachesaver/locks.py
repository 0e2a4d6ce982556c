"""Locks that a finaliser never waits for in the thread that holds them.

The garbage collector runs wherever memory is asked for, also between two lines that a lock guards.
What it takes may be a stream that was half read, and closing that books what it came to, under the
same locks: the thread would wait for itself. So what a finaliser may do is done by `when_free`.
"""

from __future__ import annotations

import _thread
import logging
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

__all__ = ["Lock", "Paused", "forked", "when_free"]

_log = logging.getLogger(__name__)


class Lock(_thread.RLock):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # final in typeshed only
    """A lock that knows whether the running thread holds it. Not to be taken twice by one thread.

    Taking it and letting go of it is the interpreter's own work, not ours: Python code there could be
    interrupted (Ctrl-C) between the lock and its caller, and leave it locked for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        _LOCKS[id(self)] = self

    @property
    def is_held_here(self) -> bool:
        """Whether the running thread holds it."""
        return self._is_owned()  # type: ignore[attr-defined, no-any-return]  # as `threading.Condition` asks


_LOCKS: Final[WeakValueDictionary[int, Lock]] = WeakValueDictionary()
"""All there are, by id."""


def _is_any_held_here() -> bool:
    """Tell whether this thread holds any lock of ours; some 50 ns for each there is."""
    locks = [lock for each in _LOCKS.valuerefs() if (lock := each()) is not None]
    return any(map(_is_held, locks))


_is_held: Final[Callable[[Lock], bool]] = Lock._is_owned  # type: ignore[attr-defined]  # noqa: SLF001  # no Python between


def when_free(act: Callable[[], None]) -> None:
    """Do *act* now; where the running thread holds a lock of ours, in another, which waits for it."""
    if _is_any_held_here():
        _thread.start_new_thread(_done, (act,))
    else:
        act()


_PATIENCE: Final = 10.0
"""Seconds for which a fork waits for who has a lock."""


class Paused:
    """Locks that are taken while a fork is under way, so that the child inherits nothing half done."""

    def __init__(self) -> None:
        self._taken: list[Lock] = []

    def take(self, lock: Lock, *, waits: bool = True) -> None:
        """Take *lock*, but for one that this thread has: a signal handler may fork.

        Args:
            lock: Any.
            waits: Whether for who has it, as long as `_PATIENCE`; then the fork goes on without.
        """
        if not lock.is_held_here and lock.acquire(timeout=_PATIENCE if waits else 0):
            self._taken.append(lock)

    def let_go(self) -> None:
        """Give back what was taken."""
        while self._taken:
            self._taken.pop().release()

    def forget(self) -> None:
        """Give back nothing: in a child that has let go of what the locks guard."""
        self._taken.clear()


def _done(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception:  # noqa: BLE001  # as in any finaliser, there is nobody to tell but the log
        _log.exception("what the garbage collector closed could not be settled")


def forked() -> None:
    """Be usable in a child process: who had a lock in the parent may be a thread that is not here."""
    for lock in _LOCKS.values():
        if not lock.is_held_here:
            lock._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001  # as `threading` does with its own
