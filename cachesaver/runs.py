"""The runs of one session: which run a namespace's draws belong to, and this process's place in it.

A run is started by the first `install` of a program and joined by its child processes, through the
environment, and by whoever is given its id. What it has drawn in this process outlives a session:
a second session of the same run goes on counting where the first one stopped.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable

from cachesaver.contexts import Family
from cachesaver.ports import Run, Store

__all__ = ["RANKS", "Runs", "announce", "inherited"]

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
"""Set by torchrun, Slurm, Open MPI, MPICH and PMIx to the number of a worker process."""

_RUN, _SLOT, _TELLER = "CACHESAVER_RUN", "CACHESAVER_SLOT", "CACHESAVER_PID"

_LOCK = threading.Lock()
_FAMILIES: dict[tuple[str, str], Family] = {}
"""By run id and namespace: what this process has drawn so far."""


def inherited() -> str:
    """Return the id of the run that the environment tells to join, or nothing.

    What this very process has announced is for its children, not for its own next session.
    """
    ours = os.environ.get(_TELLER) == str(os.getpid())
    return "" if ours else os.environ.get(_RUN, "")


def announce(run: str, slot: str) -> Callable[[], None]:
    """Tell child processes which run they are in, and whose; return what takes it back."""
    told = {_RUN: run, _SLOT: slot, _TELLER: str(os.getpid())}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)

    def restore() -> None:
        for name, value in before.items():
            if os.environ.get(name) != told[name]:
                continue  # someone else's by now
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    return restore


class Runs:
    """One run for each namespace that is drawn in, all with one id. Thread-safe, fork-safe.

    Attributes:
        id: Of the run.
        slot: The place of this process in the run: the same when the program is run again.
    """

    def __init__(self, store: Store, owner: str, joined: str = "") -> None:
        self._started = not (joined or inherited())
        self.id = joined or inherited() or uuid.uuid4().hex
        self._store = store
        self._known: dict[str, tuple[Run, Family]] = {}
        self.slot = self._place(owner)

    def of(self, namespace: str) -> tuple[Run, Family]:
        """Return the run of *namespace* and the family of its draws in this process."""
        known = self._known.get(namespace)
        if known is None:
            with _LOCK:
                family = _FAMILIES.setdefault((self.id, namespace), Family(self.slot))
            known = self._known[namespace] = (Run(id=self.id, namespace=namespace), family)
        return known

    def finish(self) -> None:
        """Forget the assignments of a run that was started here; others may still be in a joined one."""
        if self._started:
            for run, _ in self._known.values():
                self._store.finish(run)

    def forked(self, owner: str) -> None:
        """Start anew in a child process: its draws are not its parent's, though its run is."""
        self._started = False
        self._known = {}
        self.slot = self._place(owner)

    def _place(self, owner: str) -> str:
        for name in RANKS:
            if rank := os.environ.get(name):
                return f"rank {rank}"
        workers = sys.modules.get("multiprocessing.process")
        identity = getattr(workers.current_process(), "_identity", ()) if workers else ()
        if identity:
            return f"{os.environ.get(_SLOT, '0')}/{'.'.join(map(str, identity))}"
        return str(self._store.join(Run(id=self.id, namespace=""), owner=owner))


def _in_child() -> None:
    global _LOCK  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _LOCK = threading.Lock()
    _FAMILIES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
