"""What one process has open of one LMDB store: two environments, their locks, and one writer.

A process-wide registry holds one session per directory, however many stores are made of it; a
forked child begins with an empty one.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import lmdb

from cachesaver.errors import StoreError
from cachesaver.locks import Lock, Paused
from cachesaver.stores import directory
from cachesaver.stores.entries import Tables, Transaction
from cachesaver.stores.environments import Environment
from cachesaver.stores.processes import boot_id
from cachesaver.stores.writer import Writer

__all__ = ["Session", "close", "open_session"]

T = TypeVar("T")

_LAYOUT = 2
"""Of the claims: a version of ours that knows another one does not read them."""


class Session:
    """The open files of one store directory in one process.

    Locks, in the order in which they are taken: `writing` while a transaction writes samples,
    `lock` while any other is open. Changing the size of a map needs both.

    Attributes:
        pid: Of the process that may use it.
        tables: Of the environment of samples.
        named: Namespaces whose names are known to be kept.
        touched: By run, when this process noted last that it was drawn in (monotonic).
        writer: The one thread that writes samples.
    """

    def __init__(self, path: Path) -> None:
        directory.prepare(path)
        self.pid = os.getpid()
        self.path = path
        self.users = 0
        self.named: set[str] = set()
        self.touched: dict[str, float] = {}
        self.lock = Lock()
        self.writing = Lock()
        self._paused = Paused()
        self._forget_earlier_boots()
        self.samples = Environment(path / directory.SAMPLES, durable=True, tables=8)
        # Without a boot id a power cut cannot be told from a crash: then claims are synced too.
        self.claims = Environment(self._claims_path(), durable=not boot_id())
        self.tables = self._open_tables()
        self.writer = Writer(self)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Return what *work* makes of a read transaction on the samples; repeated if need be."""

        def attempt() -> T:
            with self.lock, self.samples.env.begin() as samples:
                return work(samples)

        return self._repeat(attempt, self.samples)

    def claim(self, work: Callable[[Transaction, Transaction], T]) -> T:
        """Return what *work* makes of a write transaction on the claims and a read on the samples.

        The samples are read as they are after the claims are locked, so that a slot is never seen
        without both its sample and the lease it had until then. *work* may be repeated.
        """

        def attempt() -> T:
            with (
                self.lock,
                self.claims.env.begin(write=True) as claims,
                self.samples.env.begin() as samples,
            ):
                return work(claims, samples)

        return self._repeat(attempt, self.claims)

    def look(self, work: Callable[[Transaction], T]) -> T:
        """Return what *work* makes of a read transaction on the claims; repeated if need be."""

        def attempt() -> T:
            with self.lock, self.claims.env.begin() as claims:
                return work(claims)

        return self._repeat(attempt, self.claims)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what *work* makes of a durable transaction on the samples; repeated if need be."""

        def attempt() -> T:
            with self.writing, self.samples.env.begin(write=True) as samples:
                return work(samples)

        return self._repeat(attempt, self.samples)

    def transfer(self, work: Callable[[Transaction, Transaction], T]) -> T:
        """Return what *work* makes of a durable transaction on the samples and a read on the claims.

        The claims are read as they are after the samples are locked: of two who copy them, who
        comes later copies what is newer. *work* may be repeated.
        """

        def attempt() -> T:
            with (
                self.writing,
                self.samples.env.begin(write=True) as samples,
                self.lock,
                self.claims.env.begin() as claims,
            ):
                return work(samples, claims)

        return self._repeat(attempt, self.samples)

    def size(self) -> int:
        """Return the bytes all files take on disk."""
        return sum(entry.stat().st_blocks * 512 for entry in self.path.iterdir())

    def close(self) -> None:
        """Write what is pending and close the files."""
        self.writer.close()
        with self.writing, self.lock:
            self.claims.close()
            self.samples.close()

    def pause(self) -> None:
        """Wait until no transaction is open, and let none begin: a fork is coming.

        An inherited transaction would keep the child from opening the files. Not for ever: a
        signal handler may fork while its own thread is in the middle of one, and then others may
        be waiting for that thread, with a lock that they have.
        """
        is_inside = self.lock.is_held_here or self.writing.is_held_here
        for lock in (self.writing, self.lock):
            self._paused.take(lock, waits=not is_inside)

    def resume(self) -> None:
        """Undo `pause`."""
        self._paused.let_go()

    def abandon(self) -> None:
        """Let go of everything in a forked child."""
        self.claims.abandon()
        self.samples.abandon()
        del self.tables

    def _repeat(self, attempt: Callable[[], T], environment: Environment) -> T:
        while True:
            try:
                return attempt()
            except lmdb.MapResizedError:
                with self.writing, self.lock:
                    self.samples.adopt()
                    self.claims.adopt()
            except lmdb.MapFullError:
                with self.writing, self.lock:
                    environment.grow()
            except lmdb.Error as error:
                raise StoreError(
                    f"the store in {self.path} failed: {error}.", location=str(self.path)
                ) from error

    def _claims_path(self) -> Path:
        return self.path / f"{directory.CLAIMS}{_LAYOUT}-{_boot()}.mdb"

    def _forget_earlier_boots(self) -> None:
        """Delete the claims of earlier boots: not synced, so not to be trusted; see `Writer`.

        Those of another layout stay: another version of ours may be at work beside this one.
        """
        for entry in self.path.glob(directory.CLAIMS + "*"):
            if f"-{_boot()}.mdb" not in entry.name:
                entry.unlink(missing_ok=True)

    def _open_tables(self) -> Tables:
        opened = [self.samples.env.open_db(name.encode()) for name in Tables._fields]
        return Tables(*opened)


def _boot() -> str:
    return boot_id() or "durable"


_sessions: dict[tuple[int, int], Session] = {}

_registering = Lock()
_PAUSED = Paused()


def open_session(path: Path) -> Session:
    """Return this process's session of the store in *path*; undone by `close`."""
    with _registering:
        session = _sessions.get(_identity(path))
        if session is None:
            session = Session(path)
            _sessions[_identity(path)] = session
        session.users += 1
        return session


def close(session: Session) -> None:
    """Give back a session; the last one closes it. Nothing in a process that only inherited it."""
    if session.pid != os.getpid():
        return
    with _registering:
        session.users -= 1
        if session.users:
            return
        for key in [key for key, found in _sessions.items() if found is session]:
            del _sessions[key]
        session.close()


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (-1, -1)
    return status.st_dev, status.st_ino


def _close_all() -> None:
    """At exit: write what is pending, also of stores that nobody closed."""
    for session in list(_sessions.values()):
        session.users = 1
        close(session)


def _before_fork() -> None:
    _PAUSED.take(_registering)
    for session in _sessions.values():
        session.pause()


def _after_fork() -> None:
    for session in _sessions.values():
        session.resume()
    _PAUSED.let_go()


def _after_fork_in_child() -> None:
    global _registering  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    for session in _sessions.values():
        session.abandon()
    _sessions.clear()
    _PAUSED.forget()
    _registering = Lock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )
