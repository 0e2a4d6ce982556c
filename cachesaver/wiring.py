"""Installing and uninstalling: the one place that brings transports, sessions and a store together.

Sessions nest: the innermost one answers, and leaving it gives the process back to the one before.
Client libraries are never imported from here: one that is there is hooked at once, one that comes
later is hooked the moment it has been imported.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from cachesaver.budget import Budget, Number
from cachesaver.contexts import epoch
from cachesaver.errors import ConfigurationError, StoreError
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.importing import ImportWatch
from cachesaver.jobs import POOLS
from cachesaver.mounts import MOUNTS, Mount, mount_of
from cachesaver.numbering import without_ours
from cachesaver.plugins import TRANSPORTS as PLUGINS
from cachesaver.plugins import plugins
from cachesaver.ports import AsyncSend, Gate, Send, Store, Transport
from cachesaver.runs import announce, inherited, is_unnumbered, retract
from cachesaver.session import Session
from cachesaver.settings import Match, Mode
from cachesaver.stores.processes import here
from cachesaver.tasks import LOOPS

if TYPE_CHECKING:
    from cachesaver.tripwire import Replaying

__all__ = ["TRANSPORTS", "current_session", "guest", "install", "mount", "replaying", "uninstall"]

_LOG = logging.getLogger("cachesaver")

TRANSPORTS: Mapping[str, str] = {
    # the import name of a client library: the module that hooks it
    "httpx": "cachesaver.transports.httpx",
    "httpx2": "cachesaver.transports.httpx",
    "httpcore": "cachesaver.transports.httpcore",
    "httpcore2": "cachesaver.transports.httpcore",
    "http.client": "cachesaver.transports.http_client",
    "aiohttp": "cachesaver.transports.aiohttp",
    "urllib3": "cachesaver.transports.urllib3",
    "urllib3_future": "cachesaver.transports.urllib3",
    # the HTTP stack of DSPy, which carries it inside; and by itself
    "dspy._vendor.lm15.transports": "cachesaver.transports.lm15",
    "lm15.transports": "cachesaver.transports.lm15",
}


class _Wants(Protocol):
    def __call__(self, method: str, host: str, path: str) -> bool: ...


def _wants_nothing(method: str, host: str, path: str) -> bool:  # noqa: ARG001  # as a gate's
    return False


class _Door:
    """The gate all hooks hold: it leads to a guest, else to the innermost session, or nowhere."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.guests: list[Gate] = []
        self._asked: _Wants = _wants_nothing
        self.wants: _Wants = _wants_nothing
        """The last gate's own: every call of the process comes past here."""

    @property
    def gates(self) -> Sequence[Gate]:
        """Guests, or else sessions; the last one answers."""
        return self.guests or self.sessions

    @property
    def is_open(self) -> bool:
        """Whether anybody is to be asked, so that clients have to be hooked."""
        return bool(self.guests or self.sessions or MOUNTS)

    def turn(self) -> None:
        """Lead to whoever is the last gate now."""
        gates = self.gates
        self._asked = gates[-1].wants if gates else _wants_nothing
        self.wants = self._wants_mounted if MOUNTS else self._asked

    def _wants_mounted(self, method: str, host: str, path: str) -> bool:
        return host in MOUNTS or self._asked(method, host, path)

    def _asks_for(self, request: Request) -> bool:
        """Tell whether the last gate wants *request*, which is here because its host is mounted."""
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._asked(request.method, parts.hostname or "", target)

    @property
    def through_mocks(self) -> bool:
        gates = self.gates
        return bool(gates) and gates[-1].through_mocks

    @property
    def heads(self) -> bool:
        gates = self.gates
        return bool(gates) and gates[-1].heads

    def passed(self, summary: str, reason: str) -> None:
        if gates := self.gates:
            gates[-1].passed(summary, reason)

    def answer(self, request: Request, send: Send) -> Reply:
        if (mounted := mount_of(request)) is not None:
            send = mounted.send
            if not self._asks_for(request):
                return send(without_ours(request, numbers=mounted.numbers))
        gates = self.gates
        return gates[-1].answer(request, send) if gates else send(request)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        if (mounted := mount_of(request)) is not None:
            send = mounted.asend
            if not self._asks_for(request):
                return await send(without_ours(request, numbers=mounted.numbers))
        gates = self.gates
        return await gates[-1].aanswer(request, send) if gates else await send(request)


_DOOR = _Door()
_lock = threading.RLock()
_HOOKS: dict[str, Callable[[], None]] = {}
_WATCH = ImportWatch()
_JOINED: set[str] = set()
"""Runs that were joined, not started."""
_ARMED: list[Callable[[], None]] = []
"""What disarms the tripwire, while the innermost session replays."""


def install(  # noqa: PLR0913  # the options of the one call that users make
    namespace: str | None = None,
    *,
    replicate: int | None = None,
    store: str | os.PathLike[str] | Store | None = None,
    mode: str | Mode | None = None,
    run: str | None = None,
    hosts: Iterable[str] | None = None,
    match: Match | None = None,
    ignore: Iterable[str] = (),
    blank: Iterable[str] = (),
    aliases: Mapping[str, str] | None = None,
    strict: bool | None = None,
    quiet: bool | None = None,
    through_mocks: bool = False,
    window: float | str | None = None,
    size: int | None = None,
    max_concurrency: int | None = None,
    budget: Number | str | Budget | None = None,
    pace: float | None = None,
) -> Session:
    """Answer every provider call of this process from a namespaced store, from now on.

    Used like::

        session = cachesaver.install(namespace="exp1")
        ...                                   # any SDK, any client, unchanged
        print(session.stats())

    or, for a while only, `with cachesaver.install(namespace="exp1"):`.

    Args:
        namespace: The stream of randomness: samples are independent inside it and shared across.
            Default: `CACHESAVER_NAMESPACE`, else "default".
        replicate: The number, from 0, of a repetition that must be independent of the others: what
            one replicate of a namespace drew is never given to another. The same number again draws
            the same again. Default: `CACHESAVER_REPLICATE`, else this is no replicate.
        store: A directory, a URL (`lmdb:///data/llm`, `memory://`), or a Store of your own.
            Default: `CACHESAVER_STORE`, else a directory in the user's cache.
        mode: "cache" (default), "replay" (never call, raise on a miss), "refresh" (buy anew), or
            "live" (let everything through).
        run: The id of a run to join, so that several processes share one (a Slurm job id). A run
            that `cachesaver run` or a parent process started is joined by itself.
        hosts: More hosts whose JSON POSTs are provider calls: "api.acme.test", "*.acme.test",
            "localhost:8000".
        match: Asked first of every POST: True makes it a provider call, False keeps us out, None
            leaves it to us.
        ignore: Dotted paths of body fields that are not part of the question.
        blank: Regular expressions; what they match in the body is not part of the question.
        aliases: Origins and what to call them, so that one model behind two addresses is one.
        strict: Raise when the store fails, instead of going on live with a warning.
        quiet: Do not log the summary line at the end.
        through_mocks: Answer even calls that a mocking library would answer.
        window: How long to gather draws of one question that have to be bought, so that one call
            with `n` set buys them all: seconds from the first (0: not at all), "turn" (default:
            to the end of the event loop's turn; blocking calls are not gathered) or "flight" (as
            long as a call for the same question is under way). Hits wait for no window.
        size: As many draws close a window at once; None: as many as come.
        max_concurrency: The most calls this process may have under way at a time, a whole number
            from 1; the others wait their turn. Default: `CACHESAVER_CONCURRENCY`, else no limit.
        budget: The most this session may buy in this process: US dollars (`5`), "200000 tokens",
            "500 samples", "100 calls", or `cachesaver.Budget(...)` with several caps. A call that
            might exceed it raises `BudgetExceededError` and is not sent. Default:
            `CACHESAVER_BUDGET`, else none.
        pace: How many times as fast as it was recorded a stored answer comes: 1 as it was, 10 ten
            times as fast, chunk by chunk. Default: `CACHESAVER_PACE`, else all of it at once.

    Raises:
        ConfigurationError: An option cannot be.
        StoreUnavailableError: The store cannot be opened.
    """
    session = Session.open(
        namespace,
        replicate=replicate,
        store=store,
        mode=mode,
        run=run,
        hosts=hosts,
        match=match,
        ignore=ignore,
        blank=blank,
        aliases=aliases,
        strict=strict,
        quiet=quiet,
        through_mocks=through_mocks,
        window=window,
        size=size,
        max_concurrency=max_concurrency,
        budget=budget,
        pace=pace,
    )
    with _lock:
        is_first = not _DOOR.is_open
        _DOOR.sessions.append(session)
        _DOOR.turn()
        _guard()
        _tell_children()
        if is_first:
            _hook_all()
        # Last registered, first run: the store's own closing must come after our leave-taking.
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
    session.on_leave(lambda: _leave(session))
    return session


def uninstall() -> None:
    """Undo the innermost `install`; without one, do nothing."""
    with _lock:
        if _DOOR.sessions:
            _DOOR.sessions[-1].uninstall()


def mount(host: str, mounted: Mount) -> Callable[[], None]:
    """Let *mounted* answer for *host*, whatever client asks; return what undoes it.

    Its calls go through the innermost session like any provider's, or through none.

    Args:
        host: In lower case, without port.
        mounted: Who answers.

    Raises:
        ConfigurationError: Something is mounted there.
    """
    with _lock:
        if host in MOUNTS:
            raise ConfigurationError(f"something is mounted at {host!r}: take another name")
        is_first = not _DOOR.is_open
        MOUNTS[host] = mounted
        _DOOR.turn()
        if is_first:
            _hook_all()

    def unmount() -> None:
        with _lock:
            if MOUNTS.get(host) is mounted:
                del MOUNTS[host]
                _DOOR.turn()
                if not _DOOR.is_open:
                    _unhook_all()

    return unmount


def current_session() -> Session | None:
    """Return the innermost session that is installed, or None."""
    return _DOOR.sessions[-1] if _DOOR.sessions else None


@contextlib.contextmanager
def guest(gate: Gate) -> Generator[None]:
    """Let *gate* answer every request of the process while the block lasts, before any session."""
    with _lock:
        is_first = not _DOOR.is_open
        _DOOR.guests.append(gate)
        _DOOR.turn()
        if is_first:
            _hook_all()
    try:
        yield
    finally:
        with _lock:
            _DOOR.guests.remove(gate)
            _DOOR.turn()
            if not _DOOR.is_open:
                _unhook_all()


def _leave(session: Session) -> None:
    with _lock:
        if session not in _DOOR.sessions:
            return
        _DOOR.sessions.remove(session)
        _DOOR.turn()
        _guard()
        _tell_children()
        if not _DOOR.is_open:
            _unhook_all()
    if not session.settings.quiet and session.stats().requests:
        _say(f"cachesaver: namespace {session.settings.namespace!r}: {session.stats()}")
    session.close()


def _guard() -> None:
    """Let nothing out beneath the hooks while the innermost session replays (law 8)."""
    before, innermost = _ARMED.copy(), current_session()
    _ARMED.clear()
    if innermost is not None and innermost.settings.mode is Mode.REPLAY:
        from cachesaver import tripwire

        _ARMED.append(tripwire.arm(replaying(innermost)))
    for disarm in before:
        disarm()


def replaying(session: Session) -> Replaying:
    """Return the rule for what may leave the process while *session* replays."""
    from cachesaver import tripwire

    chosen = session.settings
    return tripwire.Replaying(
        hosts=chosen.hosts,
        match=chosen.match,
        through_mocks=chosen.through_mocks,
        gateway=chosen.gateway,
        missed=session.missed,
    )


def _tell_children() -> None:
    """Let child processes join the run of the innermost session, and tasks count for it."""
    _count_anew()
    if _DOOR.sessions:
        innermost = _DOOR.sessions[-1]
        announce(innermost.run_id, "" if is_unnumbered() else innermost.slot)
    else:
        retract()


def _count_anew() -> None:
    """Let what is started from now on count in the run of the innermost session."""
    open_now = {each.run_id: each for each in _DOOR.sessions}
    # Who joins a run may do so again, and goes on counting then.
    _JOINED.update(run for run, each in open_now.items() if each.settings.run or run == inherited())
    epoch.lasting = frozenset(_JOINED | open_now.keys())
    innermost = current_session()
    epoch.now = "" if innermost is None else innermost.run_id
    epoch.slot = str if innermost is None else lambda: _slot(innermost)


def _slot(session: Session) -> str:
    try:
        return session.slot
    except StoreError:  # a job must be submitted as it would be without us
        return ""


def _say(line: str) -> None:
    """Log *line*; on standard error where the program has set up no logging."""
    if _LOG.hasHandlers() and _LOG.isEnabledFor(logging.INFO):
        _LOG.info(line)
    elif sys.stderr is not None:
        print(line, file=sys.stderr)  # noqa: T201  # as logging's last resort does for warnings


def _hook_all() -> None:
    starters = {
        **dict.fromkeys(LOOPS, "cachesaver.tasks"),
        **dict.fromkeys(POOLS, "cachesaver.jobs"),
    }
    known = {**starters, **TRANSPORTS, **_foreign()}
    _WATCH.start({name: _hooking(where) for name, where in known.items()})


def _foreign() -> dict[str, str]:
    """Transports of others, by the entry-point group `cachesaver.transports`."""
    return {point.name: point.value for point in plugins(PLUGINS)}


def _hooking(where: str) -> Callable[[ModuleType], None]:
    def hook(client: ModuleType) -> None:
        try:
            adapter: Any = importlib.import_module(where)
            transport: Transport = adapter
            undo = transport.hook(client, _DOOR)
        except Exception as error:  # noqa: BLE001  # importing a client must work as without us
            _LOG.warning(
                "cachesaver: %s %s cannot be hooked, so its calls go out live: %s",
                client.__name__,
                getattr(client, "__version__", ""),
                error,
            )
            return
        with _lock:
            if _DOOR.is_open and client.__name__ not in _HOOKS:
                _HOOKS[client.__name__] = undo
            else:  # the last one left while this client was being imported; others may have come
                undo()

    return hook


def _unhook_all() -> None:
    _WATCH.stop()
    while _HOOKS:
        _, undo = _HOOKS.popitem()
        undo()


def _at_exit() -> None:
    while _DOOR.sessions:
        _DOOR.sessions[-1].uninstall()


def _in_child() -> None:
    """After a fork: the child's draws, leases and counts are its own."""
    global _lock  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _lock = threading.RLock()
    for session in _DOOR.sessions:
        session.forked(here())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
