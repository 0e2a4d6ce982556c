"""A network that is blocked, but for some hosts: what `block_network` of pytest-recording means."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["blocked"]

_METHODS: Final = ("connect", "connect_ex")
_lock = threading.Lock()


@contextmanager
def blocked(allowed: Sequence[str] | None = None) -> Generator[None]:
    """Let no socket connect, in any thread, but to hosts that one of *allowed* matches.

    Args:
        allowed: Regular expressions, each matched against the beginning of a host or of a path of a
            Unix socket. None: no host.

    What is not let through raises RuntimeError. Blocks nest; what one refuses does not leave.
    """
    patterns = [re.compile(each) for each in allowed or ()]
    with _lock:
        undoing = [_guard(name, patterns) for name in _METHODS]
    try:
        yield
    finally:
        with _lock:
            for undo in undoing:
                undo()


def _guard(name: str, patterns: Sequence[re.Pattern[str]]) -> Callable[[], None]:
    """Put a guard in the place of the method *name* of sockets; return what takes it away."""
    own = vars(socket.socket).get(name)
    original: Callable[..., Any] = getattr(socket.socket, name)
    active = [True]

    def guarded(self: socket.socket, address: Any, *rest: Any) -> Any:
        host = _host(self, address)
        if active and not any(pattern.match(host) for pattern in patterns):
            raise RuntimeError(f"Network is disabled for host {host!r}")
        return original(self, address, *rest)

    setattr(socket.socket, name, guarded)

    def undo() -> None:
        active.clear()
        if vars(socket.socket).get(name) is not guarded:
            return  # somebody has patched on top: what is beneath lets everything through
        if own is None:
            delattr(socket.socket, name)
        else:
            setattr(socket.socket, name, own)

    return undo


def _host(one: socket.socket, address: Any) -> str:
    if one.family in (socket.AF_INET, socket.AF_INET6):
        address = address[0]
    elif one.family != getattr(socket, "AF_UNIX", None):
        address = ""
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)
