"""http.client, and what stands on it (urllib.request): where a request's headers end, we may answer.

From there on a stand-in takes the place of the connection's socket: what the client writes is read
by us, and what its own parser reads is written by us. Nothing is connected to until something has
to be sent; then the client's own connecting does it. Connections that are used without this method
are not seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, cast
from urllib.parse import urlsplit

from cachesaver.ports import Gate
from cachesaver.transports.bodies import may_not_end
from cachesaver.transports.http_client_messages import Head
from cachesaver.transports.http_client_socket import StandIn
from cachesaver.transports.patches import (
    MOCKS,
    author,
    bound,
    is_mock,
    is_patched,
    method_of,
    network_is_mocked,
    patch,
)
from cachesaver.transports.sights import is_let_through, is_unseen, let_through

__all__ = ["MODULES", "NAME", "hook"]

NAME: str = "http.client"
MODULES: tuple[str, ...] = ("http.client",)

_OWN: Final = frozenset({"http"})
_SEAMS: Final = ("connect", "send", "putrequest", "endheaders", "getresponse")
"""Methods of a connection that somebody who owns the network may have replaced."""

_End = Callable[..., None]


def hook(module: ModuleType, gate: Gate) -> Callable[[], None]:
    """Hook *gate* into all connections; see `cachesaver.ports.Transport.hook`."""
    lib = cast("Any", module)
    # vcrpy puts a class of its own there, and says whose place it took.
    owner = getattr(lib.HTTPConnection, "_baseclass", lib.HTTPConnection)
    return patch(owner, "endheaders", functools.partial(_layer, lib, gate))


def _layer(lib: Any, gate: Gate, original: _End, active: Callable[[], bool]) -> _End:
    mocked = is_mock(original, _OWN)
    untouched = method_of(original)

    @functools.wraps(original)
    def endheaders(self: Any, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        # Every call of the process comes past here: what decides for most of them is asked first.
        try:
            target = self._buffer[0].decode("latin-1").split(" ", 2)[1]  # there `putheader` puts it
        except IndexError:  # it is no request
            target = ""
        if gate.ignores(target) or not active() or not _wants(gate, self):
            return untouched(self, message_body, encode_chunked=encode_chunked)
        own: _End = bound(original, self)
        live: _End = functools.partial(own, message_body, encode_chunked=encode_chunked)
        head = Head.of(lib, self)
        if head.switches_protocols or is_let_through(head.method, lambda: head.url):
            return live()
        if not gate.through_mocks and (mocked or _is_mocked(lib, self)):
            with let_through(head.method, head.url):
                return live()
        if reason := head.obstacle or may_not_end(message_body, length=head.length):
            gate.passed(head.request(b"").summary, reason)
            with let_through(head.method, head.url):
                return live()
        with StandIn(lib, gate, self, head):
            return live()

    return endheaders


def _wants(gate: Gate, connection: Any) -> bool:
    """Tell whether *gate* wants the request whose head *connection* has in its buffer."""
    lines: list[bytes] = connection._buffer  # noqa: SLF001  # there `putheader` puts them
    if not lines:
        return False
    try:
        method, target, _ = lines[0].decode("latin-1").split(" ", 2)
    except ValueError:  # it is no request of a version that has heads
        return False
    if method != "POST" and is_unseen(method, gate):  # in full, for the sake of speed
        return False
    if target.startswith("/"):
        host: str = connection._tunnel_host or connection.host  # noqa: SLF001  # no other sign
        return gate.wants(method, host.lower(), target)
    try:
        parts = urlsplit(target)
        return bool(parts.hostname) and gate.wants(method, parts.hostname or "", parts.path)
    except ValueError:
        return False


def _is_mocked(lib: Any, connection: Any) -> bool:
    """Tell whether a mock has the network, or has put itself into *connection*."""
    sock: object = connection.sock
    kinds: tuple[object, ...] = (*type(connection).__mro__, lib.HTTPConnection, type(sock))
    return (
        network_is_mocked()
        or any(_package(kind) in MOCKS for kind in kinds)
        or author(connection.__dict__.get("_create_connection")) in MOCKS
        or any(is_patched(connection, name, _OWN) for name in _SEAMS)
    )


def _package(kind: object) -> str:
    return str(getattr(kind, "__module__", "")).partition(".")[0]
