"""The runs of one session: which run a namespace's draws belong to, and this process's place in it.

A run is started by the first `install` of a program and joined by its child processes, through the
environment, and by whoever is given its id. What it has drawn in this process outlives a session:
a second session of the same run goes on counting where the first one stopped.
"""

from __future__ import annotations

import os
import re
import sys
from typing import NamedTuple
from weakref import ref

from cachesaver.contexts import Family
from cachesaver.locks import Lock
from cachesaver.places import Place
from cachesaver.ports import Run, Store

__all__ = ["RANKS", "Runs", "announce", "id_in", "inherited", "is_unnumbered", "retract"]

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
"""Set by torchrun, Slurm, Open MPI, MPICH and PMIx to the number of a worker process."""

_RUN = "CACHESAVER_RUN"
"""One variable for all that is told: requests goes through the whole environment at every call, and each
variable costs it several microseconds."""

_TOLD = re.compile(r"(.*);slot=(.*);pid=(\d+)", re.DOTALL)
"""The id of the run, the place of the parent in it, and its process id; by hand, the id alone is told."""

_lock = Lock()
_BEFORE: dict[str, str | None] = {}
"""What the environment said before we said anything."""

_FAMILIES: dict[tuple[str, str, int | None], Family] = {}
"""By run id, namespace and replicate: what this process has drawn so far."""


def inherited() -> str:
    """Return the id of the run that the environment tells to join, or nothing.

    What this very process has announced is for its children, not for its own next session.
    """
    return "" if _is_told_here() else _told().run


def id_in(said: str) -> str:
    """Return the id of the run in *said*: that alone, or all that the environment tells child processes."""
    return _parsed(said).run


class _Told(NamedTuple):
    """What a process is told: its run, its parent's place in it and process id. Empty: it is not."""

    run: str
    slot: str = ""
    pid: str = ""


def _told() -> _Told:
    return _parsed(os.environ.get(_RUN))


def _parsed(said: str | None) -> _Told:
    found = _TOLD.fullmatch(said or "")
    return _Told(*found.groups()) if found else _Told(said or "")


def _is_told_here() -> bool:
    return _told().pid == str(os.getpid())


def announce(run: str, slot: str) -> None:
    """Tell child processes which run they are in, and whose children they are.

    *slot* is empty while it is not known (`is_unnumbered`): they hang under our parent's then.
    """
    _BEFORE.setdefault(_RUN, os.environ.get(_RUN))
    os.environ[_RUN] = f"{run};slot={slot or _told().slot};pid={os.getpid()}"


def retract() -> None:
    """Leave the environment as it was before the first `announce`."""
    for name, value in _BEFORE.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _BEFORE.clear()


def is_unnumbered() -> bool:
    """Tell whether multiprocessing started this process and has not numbered it yet.

    It does so after the main module has been imported; a place taken before would depend on which
    worker is up first. Its fork server never draws: the workers forked from it are numbered.
    """
    return not _identity() and any(
        argument == "--multiprocessing-fork"
        or argument.startswith("from multiprocessing.forkserver ")
        for argument in sys.orig_argv
    )


def _identity() -> tuple[int, ...]:
    """The number multiprocessing gave this process, below those of its parents; empty: none."""
    workers = sys.modules.get("multiprocessing.process")
    return getattr(workers.current_process(), "_identity", ()) if workers else ()


class Runs:
    """One run for each namespace that is drawn in, all with one id. Thread-safe, fork-safe.

    Attributes:
        id: Of the run.
        base: The place that the run was begun at; None: the process.

    Args:
        store: Where runs are kept.
        owner: This process, as `Store` wants it named.
        joined: The id of a run to join.
        apart: What this is, where it draws beside the processes of a program and for them: it is
            counted apart, so that their places do not depend on when it came.
    """

    def __init__(self, store: Store, owner: str, joined: str = "", *, apart: str = "") -> None:
        joined = id_in(joined)  # somebody may hand on what the environment says
        self._started = not (joined or inherited())
        # Nobody knows when the next one comes that was given the id by hand.
        self._lasting = bool(joined) or bool(inherited() and not _told().pid)
        self.id = joined or inherited() or os.urandom(16).hex()
        self._store = store
        self._owner = owner
        self._apart = apart
        self._known: dict[tuple[str, int | None], tuple[Run, Family]] = {}
        self._slot = ""
        self._above = ""
        self._member = ""
        self.base: ref[Place] | None = None

    def begin_at(self, place: Place) -> None:
        """Name draws by what happens from *place* on, where this run is begun there, in a block.

        What led there may have been counted in another run, or in none: that depends on which
        other blocks were open. A run that is joined goes on among others, and has no such place.
        """
        is_root = place.parent is None and place.is_ordered
        if self._started and self.base is None and not is_root:
            self.base = ref(place)
            for _, family in self._known.values():
                family.base = self.base

    @property
    def slot(self) -> str:
        """The place of this process in the run: the same when the program is run again.

        Who has one is a member of the run until `leave`. Asked for before children are told of the
        run, so that it does not end between two of them.
        """
        if not self._slot:
            if not self._member:
                self._enter()
            self._slot = self._place()
        return self._slot

    def of(self, namespace: str, replicate: int | None = None) -> tuple[Run, Family]:
        """Return the run of a namespace, or a replicate of it, and the family of its draws here."""
        known = self._known.get((namespace, replicate))
        if known is None:
            slot = self.slot
            with _lock:
                family = _FAMILIES.setdefault(
                    (self.id, namespace, replicate), Family(slot, base=self.base, run=self.id)
                )
            run = Run(id=self.id, namespace=namespace, replicate=replicate)
            known = self._known[namespace, replicate] = (run, family)
        return known

    def leave(self) -> None:
        """End our membership, and our count of a run that was started here: no session goes on with it."""
        if self._started:
            for (namespace, replicate), (_, family) in self._known.items():
                family.is_over = True
                with _lock:
                    _FAMILIES.pop((self.id, namespace, replicate), None)
        if self._member:
            self._store.leave(self.id, self._member)
            if self._apart:
                self._store.leave(self._counted, self._member)

    def forked(self, owner: str) -> None:
        """Start anew in a child process: its draws are not its parent's, though its run is."""
        self._started = self._lasting = False
        self._owner, self._known = owner, {}
        # What the environment says is of the session that was opened last, maybe of another run.
        self._above = self._above or self._slot
        self._slot = ""  # told at the first draw: multiprocessing numbers a child after its fork
        self._member = ""

    def _enter(self) -> None:
        member = os.urandom(16).hex()
        self._store.enter(self.id, member, owner=self._owner, lasting=self._lasting)
        if self._apart:
            self._store.enter(self._counted, member, owner=self._owner, lasting=self._lasting)
        self._member = member

    @property
    def _counted(self) -> str:
        """The id under which those are counted that draw apart."""
        return f"{self.id}/{self._apart}"

    def _place(self) -> str:
        if self._apart:
            return f"{self._apart}/{self._store.join(self._counted, owner=self._owner)}"
        told = _parsed(_BEFORE.get(_RUN)) if _is_told_here() else _told()
        parent = self._above or told.slot
        rank = next((os.environ[name] for name in RANKS if os.environ.get(name)), "")
        ranked = f"rank {rank}" if rank else ""
        if identity := _identity():
            return f"{parent or ranked or '0'}/{'.'.join(map(str, identity))}"
        if ranked and not parent:  # a child of a rank inherits its number, and is not it
            return ranked
        return str(self._store.join(self.id, owner=self._owner))


def _in_child() -> None:
    global _lock  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _lock = Lock()
    _FAMILIES.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
