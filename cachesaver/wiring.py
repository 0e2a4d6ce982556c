"""Installing and uninstalling: the one place that brings transports, sessions and a store together.

Sessions nest: the innermost one answers where a call is made (`doors`), and leaving it gives the
context back to the one before.
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
from collections.abc import Callable, Generator, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from cachesaver.blocks import Block
from cachesaver.doors import Door
from cachesaver.errors import ConfigurationError
from cachesaver.importing import ImportWatch
from cachesaver.jobs import POOLS
from cachesaver.mounts import MOUNTS, Mount
from cachesaver.plugins import TRANSPORTS as PLUGINS
from cachesaver.plugins import plugins
from cachesaver.ports import Gate, Store, Transport
from cachesaver.session import Session
from cachesaver.settings import Match, Mode
from cachesaver.standing import tell
from cachesaver.stores.processes import here
from cachesaver.tasks import LOOPS

if TYPE_CHECKING:
    from cachesaver.budget import Budget, Number

__all__ = ["TRANSPORTS", "block", "current_session", "guest", "install", "mount", "uninstall"]

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

_NEEDED = (
    "http.client",
    *("cachesaver.answering", "cachesaver.dialects.known", "cachesaver.dialects.passing"),
)
"""What any request may need, imported with the first client that is hooked. Not before: a program without
one makes none. Nor in the middle of a request, which may be made where nothing should be imported: on
an event loop, while another thread forks, or when the program ends. `http.client` comes first: it is a
client, and adapters of ours share what reads by it. If that brought it in, another thread that is hooking
it would find ours half imported."""

_UNPLACED = (
    "what it starts is not told apart, and draws of it that run side by side may change places"
)
"""What is lost with something that starts tasks, threads or jobs; calls are answered all the same."""

_DOOR = Door()
_lock = threading.RLock()
_is_half = False
"""Whether this process was forked while another thread of its parent was at the hooks."""
_HOOKS: dict[str, Callable[[], None]] = {}
_WATCH = ImportWatch()


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

    or, for a while only, `with cachesaver.install(namespace="exp1"):`. Such a block answers what is
    asked in it, and in the tasks, threads and jobs that are started in it; blocks in several tasks or
    threads may be open at once. Without `with`, it answers in all of them, but for blocks that it is
    not called in.

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
    _prepare()
    return _installed(
        Session.open(
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
        ),
        is_plain=True,
    )


def block(namespace: str | None = None, **options: Any) -> Session:
    """Do as `install`, for a block: nobody's calls come to the session but of those who enter it.

    Nor, until then, those of who stands in no block at all, if there is another session.

    Args:
        namespace: As of `install`.
        options: Likewise.
    """
    _prepare()
    return _installed(Session.open(namespace, **options), is_plain=False)


def _installed(session: Session, *, is_plain: bool) -> Session:
    with _lock:
        is_first = _is_half or not _DOOR.is_open
        opened = _DOOR.open_session(session, is_plain=is_plain)
        session.on_enter(lambda: _enter(session, opened))
        session.on_leave(lambda: _leave(session, opened))
        try:
            tell(_DOOR)
        except BaseException:
            _DOOR.close(opened)  # else nobody would hook for the next one
            raise
        if is_first:
            _hook_all()
        # Last registered, first run: the store's own closing must come after our leave-taking.
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
    return session


def _enter(session: Session, opened: Block) -> None:
    with _lock:
        if not opened.is_open:
            raise ConfigurationError("this session is closed: install another")
        _DOOR.enter(opened)
        session.begin_here()
        tell(_DOOR)


def uninstall() -> None:
    """Undo the innermost `install`; without one, do nothing.

    That is the one that answers here. Outside of all blocks it is the last that is no block, if any.
    """
    with _lock:
        if (session := _DOOR.to_undo()) is not None:
            session.uninstall()


def mount(host: str, mounted: Mount) -> Callable[[], None]:
    """Let *mounted* answer for *host*, whatever client asks; return what undoes it.

    Its calls go through the innermost session like any provider's, or through none.

    Args:
        host: In lower case, without port.
        mounted: Who answers.

    Raises:
        ConfigurationError: Something is mounted there.
    """
    _prepare()
    with _lock:
        if host in MOUNTS:
            raise ConfigurationError(f"something is mounted at {host!r}: take another name")
        is_first = _is_half or not _DOOR.is_open
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
    """Return the innermost session that is installed, which answers what is asked here, or None."""
    return _DOOR.session()


@contextlib.contextmanager
def guest(gate: Gate) -> Generator[None]:
    """Let *gate* answer every request that is made in this block, before any session."""
    _prepare()
    with _lock:
        is_first = _is_half or not _DOOR.is_open
        opened = _DOOR.open_guest(gate)
        _DOOR.enter(opened)
        tell(_DOOR)
        if is_first:
            _hook_all()
    try:
        yield
    finally:
        with _lock:
            _DOOR.close(opened)
            tell(_DOOR)
            if not _DOOR.is_open:
                _unhook_all()


def _leave(session: Session, opened: Block) -> None:
    with _lock:
        if not opened.is_open:
            return
        _DOOR.close(opened)
        tell(_DOOR)
        if not _DOOR.is_open:
            _unhook_all()
    if not session.settings.quiet and session.was_asked and session.stats().requests:
        _say(f"cachesaver: namespace {session.settings.namespace!r}: {session.stats()}")
    session.close()


def _say(line: str) -> None:
    """Log *line*; on standard error where the program has set up no logging."""
    if _LOG.hasHandlers() and _LOG.isEnabledFor(logging.INFO):
        _LOG.info(line)
    elif sys.stderr is not None:
        print(line, file=sys.stderr)  # noqa: T201  # as logging's last resort does for warnings


def _prepare() -> None:
    """Import what hooking will need, before a lock of ours is held."""
    if any(name in sys.modules for name in _clients()):
        for name in _NEEDED:
            importlib.import_module(name)


def _hook_all() -> None:
    global _is_half  # noqa: PLW0603  # as the hooks themselves, it is the process's
    if _is_half:
        _is_half = False
        _WATCH.stop()
    starters = {
        **dict.fromkeys(LOOPS, "cachesaver.tasks"),
        **dict.fromkeys(POOLS, "cachesaver.jobs"),
    }
    hooks = {name: _hooking(where, loss=_UNPLACED) for name, where in starters.items()}
    hooks |= {name: _hooking(where, needed=_NEEDED) for name, where in _clients().items()}
    _WATCH.start(hooks)


def _clients() -> dict[str, str]:
    """Return what hooks each client: ours, and others' by the entry-point group `cachesaver.transports`."""
    return {**TRANSPORTS, **{point.name: point.value for point in plugins(PLUGINS)}}


def _hooking(
    where: str, *, needed: Iterable[str] = (), loss: str = "its calls go out live"
) -> Callable[[ModuleType], None]:
    def hook(client: ModuleType) -> None:
        try:
            *_, adapter = map(importlib.import_module, (*needed, where))
            transport = cast("Transport", adapter)
            undo = transport.hook(client, _DOOR)
        except Exception as error:  # noqa: BLE001  # importing a client must work as without us
            which = f"{client.__name__} {getattr(client, '__version__', '')}".rstrip()
            _LOG.warning("cachesaver: %s cannot be hooked, so %s: %s", which, loss, error)
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
        _DOOR.sessions[-1].gate.uninstall()


def _in_child() -> None:
    """After a fork: the child's draws, leases and counts are its own."""
    global _lock, _is_half  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _is_half = _is_half or not _lock.acquire(blocking=False)
    _lock = threading.RLock()
    for opened in _DOOR.sessions:
        opened.gate.forked(here())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
