"""Where event loops are watched that do not, or not only, go through Python's sockets.

asyncio looks names up in a thread, which knows nothing of the task that asks, and takes what a
socket raises for the end of its connection: so both are asked about here, where the task is. uvloop
has sockets of its own, in C. trio keeps the functions of `socket` that it found.
"""

from __future__ import annotations

import functools
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cachesaver.transports.patches import Row, patch, patch_all
from cachesaver.tripwire.sockets import start_of
from cachesaver.tripwire.wire import INTERNET, Wire

__all__ = ["hook_asyncio", "hook_proactor", "hook_trio", "hook_uvloop"]

_Function = Callable[..., Any]
_Active = Callable[[], bool]


def hook_asyncio(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch `asyncio`; return what undoes it."""
    rows: tuple[Row, ...] = (
        ("BaseEventLoop", "getaddrinfo", functools.partial(_looking_up, wire)),
        ("BaseEventLoop", "sendfile", functools.partial(_sending_file, wire, _ask_transport)),
        ("BaseEventLoop", "sock_sendfile", functools.partial(_sending_file, wire, _ask_socket)),
        ("StreamWriter", "write", functools.partial(_streaming, wire)),
        ("StreamWriter", "writelines", functools.partial(_streaming, wire)),
    )
    undoings = [patch_all(module, rows)]
    undoings += [
        patch(kind, name, functools.partial(_transporting, wire))
        for kind in _transports()
        for name in ("write", "writelines")
        if name in vars(kind)
    ]

    def undo() -> None:
        for each in undoings:
            each()

    return undo


def _transports() -> list[type]:
    """Return asyncio's own transports, private to it, as far as this platform has them."""
    names = {
        "asyncio.selector_events": "_SelectorSocketTransport",
        "asyncio.proactor_events": "_ProactorSocketTransport",
        "asyncio.sslproto": "_SSLProtocolTransport",
    }
    found = (getattr(sys.modules.get(module), name, None) for module, name in names.items())
    return [kind for kind in found if isinstance(kind, type)]


def hook_proactor(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch `asyncio.windows_events`: its proactor connects and sends by overlapped calls."""
    rows: tuple[Row, ...] = (
        ("IocpProactor", "connect", functools.partial(_connecting, wire)),
        ("IocpProactor", "send", functools.partial(_sending, wire)),
    )
    return patch_all(module, rows)


def hook_uvloop(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch `uvloop`, or `winloop`."""
    rows: tuple[Row, ...] = (
        ("Loop", "getaddrinfo", functools.partial(_looking_up, wire)),
        ("Loop", "create_connection", functools.partial(_opening, wire)),
        ("Loop", "create_datagram_endpoint", functools.partial(_opening_datagrams, wire)),
        ("Loop", "sock_connect", functools.partial(_connecting, wire)),
        ("Loop", "sock_sendall", functools.partial(_sending, wire)),
    )
    return patch_all(module, rows)


def hook_trio(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch what `trio`'s sockets send; whom they connect to, `socket` sees."""
    kind: type = module._socket._SocketType  # noqa: SLF001  # no public name leads to it
    return patch(kind, "send", functools.partial(_trio_sending, wire))


# --- names


def _looking_up(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    async def getaddrinfo(self: Any, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return await original(self, host, port, *args, **kwargs)
        wire.name(host, port)
        with wire.expecting(host):
            found: list[Any] = await original(self, host, port, *args, **kwargs)
        wire.learn(host, [str(row[4][0]) for row in found])
        return found

    return getaddrinfo


# --- connections


def _opening(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    async def create_connection(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any
    ) -> Any:
        if active() and host is not None:
            wire.name(host, port)
            wire.connection(None, socket.AF_INET, (host, port))
            with wire.expecting(host):
                return await original(self, protocol_factory, host, port, **kwargs)
        return await original(self, protocol_factory, host, port, **kwargs)

    return create_connection


def _opening_datagrams(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    async def create_datagram_endpoint(
        self: Any,
        protocol_factory: Any,
        local_addr: Any = None,
        remote_addr: Any = None,
        **kwargs: Any,
    ) -> Any:
        if active() and remote_addr is not None:
            wire.name(*remote_addr[:2])
            wire.connection(None, socket.AF_INET, remote_addr)
        return await original(self, protocol_factory, local_addr, remote_addr, **kwargs)

    return create_datagram_endpoint


def _connecting(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def connect(self: Any, sock: Any, address: Any) -> Any:
        if active():
            wire.connection(sock, getattr(sock, "family", socket.AF_INET), address)
        return original(self, sock, address)

    return connect


# --- what is written


def _sending(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def send(self: Any, sock: Any, data: Any, *args: Any) -> Any:
        if active():
            _written(wire, sock, data)
        return original(self, sock, data, *args)

    return send


def _transporting(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def write(self: Any, data: Any) -> None:
        if active():
            data, whole = _whole(data)
            _ask_transport(wire, self, whole)
        original(self, data)

    return write


def _whole(data: Any) -> tuple[Any, Any]:
    """Return *data* of `write` or `writelines`, to be read once more, and as one."""
    if _is_buffer(data):
        return data, data
    lines: list[Any] = list(data)
    return lines, b"".join(lines)


def _is_buffer(data: Any) -> bool:
    try:
        memoryview(data)
    except (BufferError, TypeError, ValueError):
        return False
    return True


def _ask_transport(wire: Wire, transport: Any, data: Any) -> None:
    """Ask about writing *data* to *transport*, one of asyncio's: to whom it is, and what it says."""
    tls, sock = transport.get_extra_info("ssl_object"), transport.get_extra_info("socket")
    if tls is not None and not tls.server_side:
        wire.destination(tls, tls.server_hostname)
    if getattr(sock, "family", None) in INTERNET:
        _written(wire, transport, data, under=tls or getattr(transport, "_sock", None))


def _sending_file(
    wire: Wire, ask: Callable[[Wire, Any, Any], None], original: _Function, active: _Active
) -> _Function:
    @functools.wraps(original)
    async def sendfile(
        self: Any, owner: Any, file: Any, offset: int = 0, count: int | None = None, **kwargs: Any
    ) -> Any:
        if not active():
            return await original(self, owner, file, offset, count, **kwargs)
        ask(wire, owner, start_of(file, offset))
        wire.forget(owner)  # it may be read and written all the same, and is then seen again
        try:
            return await original(self, owner, file, offset, count, **kwargs)
        finally:
            wire.forget(owner)

    return sendfile


def _ask_socket(wire: Wire, sock: Any, data: Any) -> None:
    if getattr(sock, "family", None) in INTERNET:
        wire.write(sock, data)


def _streaming(wire: Wire, original: _Function, active: _Active) -> _Function:
    """Of other loops' transports: asyncio's own are watched themselves, and so is all TLS."""

    @functools.wraps(original)
    def write(self: Any, data: Any) -> None:
        if active() and type(self.transport).__module__.partition(".")[0] != "asyncio":
            data, whole = _whole(data)
            is_plain = self.get_extra_info("sslcontext") is None
            if is_plain and isinstance(self.get_extra_info("peername"), tuple):
                _written(wire, self, whole)
        original(self, data)

    return write


def _trio_sending(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    async def send(self: Any, data: Any, *args: Any) -> Any:
        sock = self._sock
        if not active() or sock.family not in INTERNET:
            return await original(self, data, *args)
        after = wire.write(sock, data)
        count = await original(self, data, *args)
        if after is not None:
            wire.wrote(sock, data, count, after)
        return count

    return send


def _written(wire: Wire, owner: Any, data: Any, *, under: Any = None) -> None:
    """Ask about writing *data*, all of which will go out."""
    after = wire.write(owner, data, under=under)
    if after is not None:
        wire.wrote(owner, data, memoryview(data).nbytes, after)
