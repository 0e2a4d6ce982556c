"""The sessions of one gateway, all over one store: its own run, and those that callers name.

A gateway outlives the programs that it answers. Each of them may name a run of its own, and draws
from the beginning in it; who names none draws in the gateway's, which ends with it.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict
from collections.abc import Generator, Mapping
from typing import Any

from cachesaver.session import Session
from cachesaver.settings import settings
from cachesaver.stores import open_store
from cachesaver.stores.processes import here

__all__ = ["Sessions"]

_MOST = 100
"""Runs that are kept open while nobody calls in them."""


class Sessions:
    """Gives each call the session of its run. For one event loop.

    Args:
        options: Of `cachesaver.install`.

    Raises:
        ConfigurationError: An option cannot be.
        StoreUnavailableError: The store cannot be opened.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options: dict[str, Any] = {**options}
        self.own = self._opened()
        self._options["store"] = self.own.store
        self._others: OrderedDict[str, Session] = OrderedDict()
        self._calls: Counter[str] = Counter()

    @contextlib.contextmanager
    def of(self, run: str) -> Generator[Session]:
        """Hold the session of *run*, as long as a call lasts; empty: the gateway's own."""
        if run in ("", self.own.run_id):
            yield self.own
            return
        session = self._others.get(run)
        if session is None:
            self._forget()
            session = self._others[run] = self._opened(run=run)
        self._others.move_to_end(run)
        self._calls[run] += 1
        try:
            yield session
        finally:
            self._calls[run] -= 1

    def _opened(self, **more: Any) -> Session:
        """Return a new session, which draws apart from the processes of its run."""
        chosen = settings(**{**self._options, **more})
        store = open_store(chosen.store) if isinstance(chosen.store, str) else chosen.store
        return Session(chosen, store, here(), apart="gateway")

    def _forget(self) -> None:
        """Close the one that was not called for the longest time, if there are too many."""
        idle = (run for run in self._others if not self._calls[run])
        if len(self._others) >= _MOST and (run := next(idle, "")):
            del self._calls[run]
            self._others.pop(run).close()

    def close(self) -> None:
        """Close all of them."""
        while self._others:
            self._others.popitem()[1].close()
        self.own.close()
