"""Beneath all clients: nothing that looks like a provider call leaves, whoever makes it (law 8).

A rule says what may leave; while one is in force, the lowest places that Python can watch are
patched, and not otherwise. `docs/explanation/no-escape.md` says what is caught where, and what is not.

Used like::

    disarm = tripwire.arm(tripwire.Blocking(allow=[r"pypi[.]org"]))
    ...                                        # anything else raises EscapeError
    disarm()
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType

from cachesaver.importing import ImportWatch
from cachesaver.tripwire.loops import hook_asyncio, hook_proactor, hook_trio, hook_uvloop
from cachesaver.tripwire.natives import NATIVES, hook_native
from cachesaver.tripwire.rules import Blocking, OfContexts, OfThreads, Replaying, Rule
from cachesaver.tripwire.sockets import hook_socket, hook_ssl
from cachesaver.tripwire.wire import Wire

__all__ = ["WATCHED", "Blocking", "OfContexts", "OfThreads", "Replaying", "Rule", "arm"]

_LOG = logging.getLogger("cachesaver")

WATCHED: Mapping[str, Callable[[ModuleType, Wire], Callable[[], None]]] = MappingProxyType(
    {
        # a module: what watches it, once it is imported
        "socket": hook_socket,
        "ssl": hook_ssl,
        "asyncio": hook_asyncio,
        "asyncio.windows_events": hook_proactor,
        "uvloop": hook_uvloop,
        "winloop": hook_uvloop,
        "trio": hook_trio,
        "gevent.socket": hook_socket,
        "gevent.ssl": hook_ssl,
        **dict.fromkeys(NATIVES, hook_native),
    }
)

_WIRE = Wire()
_WATCH = ImportWatch()
_UNDOINGS: dict[str, Callable[[], None]] = {}
_lock = threading.RLock()


def arm(rule: Rule) -> Callable[[], None]:
    """Put *rule* in force in this process, and in those forked from it; return what ends that.

    Rules add up: what one refuses does not leave. The last one to go takes every patch along.
    """
    with _lock:
        _WIRE.rules = (*_WIRE.rules, rule)
        if len(_WIRE.rules) == 1:
            _WATCH.start({name: _hooking(name) for name in WATCHED})

    def disarm() -> None:
        with _lock:
            _WIRE.rules = tuple(each for each in _WIRE.rules if each is not rule)
            if not _WIRE.rules:
                _unhook()

    return disarm


def _hooking(name: str) -> Callable[[ModuleType], None]:
    def hook(module: ModuleType) -> None:
        try:
            _UNDOINGS[name] = WATCHED[name](module, _WIRE)
        except Exception as error:  # noqa: BLE001  # importing a client must work as without us
            _LOG.warning(
                "cachesaver: %s cannot be watched, so what it sends is not: %s", name, error
            )

    return hook


def _unhook() -> None:
    _WATCH.stop()
    while _UNDOINGS:
        _, undo = _UNDOINGS.popitem()
        undo()


def _in_child() -> None:
    global _lock  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
