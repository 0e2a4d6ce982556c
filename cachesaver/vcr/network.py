"""A network that is blocked, but for some hosts: what `block_network` of pytest-recording means."""

from __future__ import annotations

import functools
import re
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from cachesaver.transports.patches import patch_all

__all__ = ["blocked"]

_METHODS: Final = ("connect", "connect_ex")


@contextmanager
def blocked(allowed: Sequence[str] | None = None) -> Generator[None]:
    """Let no socket connect, in any thread, but to hosts that one of *allowed* matches.

    Args:
        allowed: Regular expressions, each matched against the beginning of a host or of a path of a
            Unix socket. None: no host.

    What is not let through raises RuntimeError. Blocks nest; what one refuses does not leave.
    """
    layer = functools.partial(_guard, [re.compile(each) for each in allowed or ()])
    undo = patch_all(socket, [("socket", name, layer) for name in _METHODS])
    try:
        yield
    finally:
        undo()


def _guard(
    patterns: Sequence[re.Pattern[str]],
    original: Callable[..., Any],
    active: Callable[[], bool],
) -> Callable[..., Any]:
    """What takes the place of a method of sockets that connects."""

    @functools.wraps(original)
    def guarded(self: socket.socket, address: Any, *rest: Any) -> Any:
        if active():
            host = _host(self, address)
            if host is not None and not any(pattern.match(host) for pattern in patterns):
                raise RuntimeError(f"Network is disabled for host {host!r}")
        return original(self, address, *rest)

    return guarded


def _host(one: socket.socket, address: Any) -> str | None:
    """Return what *one* is to be connected to; None: it is no address, which the socket will say."""
    if one.family in (socket.AF_INET, socket.AF_INET6):
        if not isinstance(address, tuple) or not address:
            return None
        address = cast("tuple[object, ...]", address)[0]
    elif one.family != getattr(socket, "AF_UNIX", None):
        address = ""
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)
