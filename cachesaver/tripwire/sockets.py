"""Where Python's own sockets are watched: names, connections, TLS, and what is written.

Patches only, by the rules of `transports.patches`; every decision is the wire's. There are two ways
past them: a socket of `_socket`, without the class that `socket` puts over it, and a function of
`socket` that was imported by name before (`from socket import getaddrinfo`): those are caught at the
handshake, by the name that TLS gives. (An audit hook would see them, but can never be taken away.)
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from cachesaver.transports.patches import Row, patch, patch_all
from cachesaver.tripwire.heads import HEAD
from cachesaver.tripwire.wire import INTERNET, Wire

__all__ = ["hook_socket", "hook_ssl", "start_of"]

_Function = Callable[..., Any]
_Active = Callable[[], bool]


def hook_socket(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch *module*, the standard library's `socket` or one in its form; return what undoes it."""
    rows: tuple[Row, ...] = (
        ("socket", "connect", functools.partial(_connecting, wire)),
        ("socket", "connect_ex", functools.partial(_connecting, wire)),
        ("socket", "sendto", functools.partial(_sending_to, wire)),
        ("socket", "send", functools.partial(_writing, wire)),
        ("socket", "sendall", functools.partial(_writing, wire)),
        *(
            [("socket", "sendmsg", functools.partial(_gathering, wire))]
            * hasattr(module.socket, "sendmsg")
        ),
        ("socket", "sendfile", functools.partial(_sending_file, wire)),
    )
    undoings = [
        patch(module, name, functools.partial(_looking_up, wire, addresses))
        for name, addresses in (
            ("getaddrinfo", _of_rows),
            ("gethostbyname", _of_one),
            ("gethostbyname_ex", _of_host),
        )
    ]
    if "socketpair" in vars(module):
        undoings.append(patch(module, "socketpair", functools.partial(_pairing, wire)))
    undoings.append(patch_all(module, rows))
    return _all(undoings)


def hook_ssl(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """The same for `ssl`."""
    contexts: tuple[type, ...] = module.SSLContext.__mro__
    own = next(place for place, kind in enumerate(contexts) if kind.__module__ == "ssl")
    undoings = [
        patch(kind, name, functools.partial(_wrapping, wire))
        # What has put a class of its own there holds one of ssl's (truststore), or does without it
        # (gevent).
        for kind in contexts[: own + 1]
        for name in ("wrap_socket", "wrap_bio")
        if name in vars(kind)
    ]
    layer = functools.partial(_writing, wire)
    rows: list[Row] = [("SSLSocket", "send", layer), ("SSLSocket", "write", layer)]
    if hasattr(module, "SSLObject"):
        rows.append(("SSLObject", "write", layer))
    undoings.append(patch_all(module, rows))
    return _all(undoings)


def _all(undoings: Iterable[Callable[[], None]]) -> Callable[[], None]:
    def undo() -> None:
        for each in undoings:
            each()

    return undo


# --- names


def _looking_up(
    wire: Wire, addresses: Callable[[Any], list[Any]], original: _Function, active: _Active
) -> _Function:
    @functools.wraps(original)
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return original(host, *args, **kwargs)
        wire.name(host, args[0] if args else kwargs.get("port"))
        found = original(host, *args, **kwargs)
        wire.learn(host, map(str, addresses(found)))
        return found

    return look_up


def _of_rows(found: Any) -> list[Any]:
    return [row[4][0] for row in found if row[4]]


def _of_one(found: Any) -> list[Any]:
    return [found]


def _of_host(found: Any) -> list[Any]:
    return list(found[2])


# --- connections


def _connecting(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def connect(self: Any, address: Any, /) -> Any:
        if active():
            wire.connection(self, self.family, address)
        return original(self, address)

    return connect


def _pairing(wire: Wire, original: _Function, active: _Active) -> _Function:
    """On Windows a pair is a connection to this machine, and every event loop begins with one."""

    @functools.wraps(original)
    def socketpair(*args: Any, **kwargs: Any) -> Any:
        if not active():
            return original(*args, **kwargs)
        with wire.pairing():
            return original(*args, **kwargs)

    return socketpair


def _sending_to(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def sendto(self: Any, data: Any, /, *args: Any) -> Any:
        if active() and args:
            wire.connection(self, self.family, args[-1])
        return original(self, data, *args)

    return sendto


def _wrapping(wire: Wire, original: _Function, active: _Active) -> _Function:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def wrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return original(self, *args, **kwargs)
        given = {**signature.bind(self, *args, **kwargs).arguments, **kwargs}
        owner = given.get("sock")  # with bytes in memory there is none
        if not given.get("server_side"):
            wire.destination(owner, given.get("server_hostname"))
        wrapped = original(self, *args, **kwargs)
        wire.inherits(wrapped, owner)
        return wrapped

    return wrap


# --- what is written


def _writing(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def write(self: Any, *args: Any, **kwargs: Any) -> Any:  # gevent's and ssl's take keywords
        data: Any = args[0] if args else kwargs.get("data")
        after = _asked(wire, self, data) if active() else None
        count = original(self, *args, **kwargs)
        if after is None:
            return count
        wire.wrote(self, data, memoryview(data).nbytes if count is None else count, after)
        return count

    return write


def _gathering(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def sendmsg(self: Any, buffers: Any, /, *args: Any) -> Any:
        if not active():
            return original(self, buffers, *args)
        buffers = list(buffers)
        data = b"".join(buffers)
        if len(args) > 2 and args[2] is not None:  # noqa: PLR2004  # ancillary data, flags, address
            wire.connection(self, self.family, args[2])
        after = _asked(wire, self, data)
        count = original(self, buffers, *args)
        if after is not None:
            wire.wrote(self, data, count, after)
        return count

    return sendmsg


def _sending_file(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def sendfile(self: Any, file: Any, offset: int = 0, count: int | None = None) -> Any:
        if not active():
            return original(self, file, offset, count)
        _asked(wire, self, start_of(file, offset))
        try:
            return original(self, file, offset, count)
        finally:
            wire.forget(self)

    return sendfile


def start_of(file: Any, offset: int) -> bytes:
    """Return the first bytes of *file* from *offset*, if the kernel may send it; it stays where it is."""
    if not hasattr(os, "pread"):
        return b""  # then there is no `os.sendfile` either: it is read and sent, and seen so
    try:
        return os.pread(file.fileno(), HEAD, offset)
    except (AttributeError, OSError, TypeError, ValueError):
        return b""  # the same


def _asked(wire: Wire, owner: Any, data: Any) -> Any:
    """Ask about writing *data* to *owner*: to whom it is, and what it says."""
    name = getattr(owner, "server_hostname", None)
    if name is not None:
        wire.destination(owner, name)
    elif not _is_plain(owner):
        return None
    return wire.write(owner, data)


def _is_plain(owner: Any) -> bool:
    """Tell whether *owner* is a connection over the internet, or TLS on one, and not its server's."""
    family = getattr(owner, "family", None)
    if family is None:
        return not getattr(owner, "server_side", False)
    return family in INTERNET and not getattr(owner, "server_side", False)
