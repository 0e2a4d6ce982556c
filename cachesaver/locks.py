"""Locks that a finaliser never waits for in the thread that holds them.

The garbage collector runs wherever memory is asked for, also between two lines that a lock guards.
What it takes may be a stream that was half read, and closing that books what it came to, under the
same locks: the thread would wait for itself. So what a finaliser may do is done by `when_free`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Lock", "forked", "when_free"]

_log = logging.getLogger(__name__)


class _Thread(threading.local):
    """How many locks the running thread holds, or waits for."""

    held = 0  # no __init__: the garbage collector may come in the middle of it


_here = _Thread()

_put_off: deque[Callable[[], None]] = deque()
"""Done by the first thread that lets go of all its locks: mostly the one that put it off."""


class Lock:
    """As `threading.Lock`; the thread that holds one puts off what `when_free` is given."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        _here.held += 1
        try:
            self._lock.acquire()
        except BaseException:  # interrupted while it waited
            _let_go()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        _let_go()

    def acquire(self, timeout: float = -1) -> bool:
        """Take the lock, in *timeout* seconds at the most (-1: however long); tell whether it is ours."""
        taken = self._lock.acquire(timeout=timeout)
        _here.held += taken
        return taken

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()
        _let_go()

    def locked(self) -> bool:
        """Tell whether anybody holds the lock."""
        return self._lock.locked()


def _let_go() -> None:
    _here.held = max(0, _here.held - 1)  # after a fork nothing is held
    while _put_off and not _here.held:
        try:
            act = _put_off.popleft()
        except IndexError:
            return  # another thread was quicker
        try:
            act()
        except Exception:  # noqa: BLE001  # whatever it is, the innocent are not to meet it
            _log.exception("what the garbage collector closed could not be settled")


def when_free(act: Callable[[], None]) -> None:
    """Do *act* now, unless this thread holds a lock of ours: then as soon as it holds none."""
    if _here.held:
        _put_off.append(act)
    else:
        act()


def forked() -> None:
    """Be usable in a child process: its parent's locks are replaced, and what it put off is not ours."""
    _here.held = 0
    _put_off.clear()
