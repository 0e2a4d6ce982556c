"""The runs of one session: which run a namespace's draws belong to, and this process's place in it."""

from __future__ import annotations

import os
import sys
import threading
import uuid

from cachesaver.contexts import Family
from cachesaver.ports import Run, Store

__all__ = ["RANKS", "Runs"]

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
"""Set by torchrun, Slurm, Open MPI, MPICH and PMIx to the number of a worker process."""


class Runs:
    """One run for each namespace that is drawn in, all with one id. Thread-safe, fork-safe."""

    def __init__(self, store: Store, owner: str, joined: str = "") -> None:
        self.id = joined or uuid.uuid4().hex
        self._store = store
        self._owner = owner
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Run, Family]] = {}
        self._slot = ""

    @property
    def slot(self) -> str:
        """The place of this process in the run: the same when the program is run again."""
        if not self._slot:
            self._slot = self._place()
        return self._slot

    def of(self, namespace: str) -> tuple[Run, Family]:
        """Return the run of *namespace* and the family of its draws in this process."""
        known = self._known.get(namespace)
        if known is None:
            with self._lock:
                run = Run(id=self.id, namespace=namespace)
                known = self._known.setdefault(namespace, (run, Family(self.slot)))
        return known

    def finish(self) -> None:
        """Forget the assignments, if this process started the run and nobody else may be in it."""
        for run, _ in self._known.values():
            self._store.finish(run)

    def _place(self) -> str:
        for name in RANKS:
            if rank := os.environ.get(name):
                return f"rank {rank}"
        workers = sys.modules.get("multiprocessing.process")
        identity = getattr(workers.current_process(), "_identity", ()) if workers else ()
        if identity:
            return f"{os.environ.get('CACHESAVER_SLOT', '0')}/{'.'.join(map(str, identity))}"
        return str(self._store.join(Run(id=self.id, namespace=""), owner=self._owner))

    def forked(self, owner: str) -> None:
        """Start anew in a child process: its draws are not its parent's."""
        self._lock = threading.Lock()
        self._owner, self._slot, self._known = owner, "", {}
