"""One session: the gate that transports hand requests to, over one store and one set of options.

What it answers with (`answering`) is made when it is first asked, for a program pays for all that is
imported here when it installs us; which clients are hooked is `wiring`'s business.
"""

from __future__ import annotations

import importlib
import logging
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cachesaver import dialects
from cachesaver.candour import let_through
from cachesaver.contexts import here as place
from cachesaver.contexts import is_inside
from cachesaver.errors import NotReplayableError, ReplayError, StoreError
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.locks import Lock
from cachesaver.ports import AsyncSend, Sealed, Send, Store
from cachesaver.runs import Runs
from cachesaver.settings import Mode, Settings, settings
from cachesaver.stores import open_store
from cachesaver.stores.processes import here

if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import ref

    from cachesaver.answering import Answering
    from cachesaver.identity import Question
    from cachesaver.places import Place
    from cachesaver.statistics import Statistics

__all__ = ["Session"]

_LOG = logging.getLogger("cachesaver")

_POST = frozenset({"POST", "post"})

_WARNINGS = 1000
"""Warnings of one session at the most: whatever goes wrong at every call must not fill memory or logs."""


class Session:
    """What `cachesaver.install` returns: statistics, and explicit transports for single clients.

    Also a context manager: leaving it uninstalls.

    Attributes:
        settings: The options in force.
        store: Where samples are kept.
    """

    def __init__(self, chosen: Settings, store: Store, owner: str, *, apart: str = "") -> None:
        self.settings = chosen
        self.store = store
        self._owner = owner
        self._runs = Runs(store, owner, chosen.run, apart=apart)
        self._answering: Answering | None = None
        self._warned: set[str] = set()
        self._lock = Lock()
        self._enter: Callable[[], None] = _nothing
        self._leave: Callable[[], None] = self.close
        self._closed = False
        # For `wants`, which every call of the process comes past.
        self._sees = chosen.mode is not Mode.LIVE
        self._asks_match = chosen.match is not None
        self._misses = list[ReplayError]()
        self._hosts = chosen.hosts
        is_sealed = isinstance(store, Sealed) and store.is_sealed()
        self._replays = chosen.mode is Mode.REPLAY or is_sealed
        self._relays = bool(chosen.gateway) and not apart
        self._speaks = not apart  # a gateway has a shape of its own for what it refuses
        self._is_plain = not (self._replays or self._asks_match or self._relays)
        is_of_any_host = self._is_plain and not self._hosts
        # See `Gate.ignores`. No method: what several sessions ignore by is told to be the same.
        self.ignores: Callable[[str], bool] = (
            dialects.is_ordinary if is_of_any_host else _nothing_is
        )
        self._may_be_asked = _nothing_may
        if self._replays:
            from cachesaver.suspicion import may_be_asked

            self._may_be_asked = may_be_asked
        if chosen.budget is not None:
            self._answers()  # what has to be there to keep it must be missed now

    @classmethod
    def open(cls, namespace: str | None = None, **options: Any) -> Session:
        """Return a session that hooks nothing, for the transports it gives to single clients.

        Takes what `cachesaver.install` takes. Close it when done.

        Raises:
            ConfigurationError: An option cannot be.
            StoreUnavailableError: The store cannot be opened.
        """
        chosen = settings(namespace=namespace, **options)
        store = open_store(chosen.store) if isinstance(chosen.store, str) else chosen.store
        return cls(chosen, store, here())

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.settings.mode.value
        return f"<Session {self.settings.namespace!r} [{state}] {self.stats()}>"

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def stats(self) -> Statistics:
        """Return what was asked, served and bought so far in this process."""
        return self._answers().stats()

    @property
    def was_asked(self) -> bool:
        """Whether a provider call may have come to it; where not, its statistics are empty."""
        return self._answering is not None

    @property
    def misses(self) -> tuple[ReplayError, ...]:
        """What was asked for in vain, with `mode="replay"`, in order.

        A program, or its SDK, may have swallowed what was raised.
        """
        return tuple(self._misses)

    def missed(self, error: ReplayError) -> None:
        """Add to `misses` what something beneath the hooks is about to raise."""
        self._misses.append(error)

    def uninstall(self) -> None:
        """Undo what `cachesaver.install` did for this session, and close it."""
        self._leave()

    @property
    def run_id(self) -> str:
        """The run that child processes join."""
        return self._runs.id

    @property
    def slot(self) -> str:
        """The place of this process in the run."""
        return self._runs.slot

    def forked(self, owner: str) -> None:
        """Start anew in a child process: its leases and draws are not its parent's."""
        self._lock = Lock()
        self._owner = owner
        self._runs.forked(owner)
        if self._answering is not None:
            self._answering.forked(owner)

    def close(self) -> None:
        """Forget the assignments of this session's runs and let the store go. Safe to call twice.

        What is still under way goes on as it would without us, and is stored nowhere.
        """
        with self._lock:
            closed, self._closed = self._closed, True
            self._sees = False
        if not closed:
            if self._answering is not None:
                self._answering.leave()
            try:
                self._runs.leave()
            except StoreError as error:
                self._complain(error)
            if isinstance(self.settings.store, str):
                self.store.close()

    def on_enter(self, enter: Callable[[], None]) -> None:
        """Let *enter* be called when a block of this session begins."""
        self._enter = enter

    def on_leave(self, leave: Callable[[], None]) -> None:
        """Let *leave* undo this session when its block or program ends."""
        self._leave = leave

    def begin_here(self) -> None:
        """Name draws by what happens from here on, if this session has a run of its own."""
        self._runs.begin_at(place())

    @property
    def base(self) -> ref[Place] | None:
        """Where its run was begun; None: with the process."""
        return self._runs.base

    # --- the gate (cachesaver.ports.Gate) ---

    @property
    def through_mocks(self) -> bool:
        """Whether to intercept even where a mocking library owns the network."""
        return self.settings.through_mocks

    @property
    def heads(self) -> bool:
        """See `Gate.heads`: they ask no model."""
        return False

    @property
    def replays(self) -> bool:
        """Whether no provider call may leave but what is bought for the store."""
        return self._replays

    def wants(self, method: str, host: str, path: str) -> bool:
        """See `Gate.wants`."""
        if not self._sees or (method not in _POST and not self._replays) or is_inside():
            return False
        if self._is_plain:  # as most are, and every call of the process comes past here
            return dialects.wants(host, path, hosts=self._hosts)
        if self._wants(method, host, path):
            return True
        return self._relays and self._wants(method, *self._answers().behind(host, path))

    def _wants(self, method: str, host: str, path: str) -> bool:
        if self._may_be_asked(method, host, path, self._hosts):
            return True  # to be refused, where it cannot be answered
        if method not in _POST:
            return False
        return self._asks_match or dialects.wants(host, path, hosts=self._hosts)

    def passed(self, summary: str, reason: str) -> None:
        """See `Gate.passed`."""
        if self._replays:
            error = NotReplayableError(summary, f"it cannot be read: {reason}")
            self._misses.append(error)
            raise let_through(error)
        self._warn(f"{summary} went out live, unseen: {reason}")

    def answer(self, request: Request, send: Send) -> Reply:
        """See `Gate.answer`."""
        return self._answers().answer(request, send)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """See `Gate.aanswer`."""
        return await self._answers().aanswer(request, send)

    def explain(self, request: Request) -> Question | None:
        """Return the question *request* asks; None if it is no provider call."""
        return self._answers().explain(request)

    def _answers(self) -> Answering:
        """Return what answers, made when it is first asked for."""
        made = self._answering
        return self._made() if made is None else made

    def _made(self) -> Answering:
        from cachesaver.answering import Answering

        made = Answering(  # under no lock: it may import, and that takes locks of Python's own
            self.settings,
            self.store,
            self._owner,
            self._runs,
            replays=self._replays,
            relays=self._relays,
            speaks=self._speaks,
            misses=self._misses,
            passed=self.passed,
            warn=self._warn,
            complain=self._complain,
        )
        with self._lock:
            if self._answering is None:
                self._answering = made
            return self._answering

    def _complain(self, error: StoreError) -> None:
        if self.settings.strict and not self._closed:
            raise error
        self._warn(f"the store failed, and the program goes on: {error}")

    def _warn(self, message: str) -> None:
        """Say it once."""
        with self._lock:
            if message in self._warned or len(self._warned) > _WARNINGS:
                return
            if len(self._warned) == _WARNINGS:
                message = "no more warnings are shown"
            self._warned.add(message)
        _LOG.warning("cachesaver: %s", message)

    # --- explicit use, for those who refuse global patching ---

    def httpx_transport(self, inner: Any = None) -> Any:
        """Return a transport for `httpx.Client(transport=...)`, or httpx2's, over *inner*."""
        from cachesaver.transports import httpx as adapter

        self._answers()
        return adapter.transport(_client_module(inner), self, inner)

    def async_httpx_transport(self, inner: Any = None) -> Any:
        """Return a transport for `httpx.AsyncClient(transport=...)`, or httpx2's, over *inner*."""
        from cachesaver.transports import httpx as adapter

        self._answers()
        return adapter.async_transport(_client_module(inner), self, inner)


def _nothing_is(path: str) -> bool:  # noqa: ARG001  # as `dialects.is_ordinary`
    return False


def _nothing_may(method: str, host: str, path: str, hosts: tuple[str, ...]) -> bool:  # noqa: ARG001  # as `suspicion.may_be_asked`
    return False


def _nothing() -> None:
    """Nobody minds where it is entered."""


def _client_module(inner: Any) -> Any:
    """The client library *inner* belongs to; without one, the one that is imported, httpx2 first."""
    if inner is not None:
        for kind in type(inner).__mro__:
            name = kind.__module__.partition(".")[0]
            if name in _HTTPX:
                return sys.modules[name]
    for name in _HTTPX:
        if name in sys.modules:
            return sys.modules[name]
    return importlib.import_module("httpx")


_HTTPX = ("httpx2", "httpx")
