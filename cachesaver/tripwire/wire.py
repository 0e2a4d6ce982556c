"""The tripwire itself: the rules in force, what is known of each connection, and the raising.

Knows no client and patches nothing: `sockets`, `loops` and `natives` bring it what they see.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from cachesaver.candour import let_through
from cachesaver.errors import EscapeError
from cachesaver.exchange import Request
from cachesaver.tripwire.blame import culprit
from cachesaver.tripwire.heads import START, Sent, State, may_begin, step
from cachesaver.tripwire.names import Names, is_loopback
from cachesaver.tripwire.rules import Rule

__all__ = ["INTERNET", "Wire"]

_LOG = logging.getLogger("cachesaver")

INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})
_TOLD: Final = 1000
"""Lines logged at the most: what goes wrong at every call must not fill memory or logs."""


class Wire:
    """What is asked before anything leaves. Each question raises `EscapeError`, or returns.

    Thread-safe, and as it was after a fork: it holds no lock.
    """

    def __init__(self) -> None:
        self.rules: tuple[Rule, ...] = ()
        self._names = Names()
        self._states: WeakKeyDictionary[Any, State] = WeakKeyDictionary()
        self._let_out: WeakSet[Any] = WeakSet()
        """Connections made by what a rule let out: they stay so, whoever writes to them."""
        self._expected: list[str] = []
        """Names being looked up, in a thread of a pool, for what a rule let out."""
        self._told: set[tuple[str, str]] = set()
        self._pairing = threading.local()

    # --- names

    def name(self, host: object, port: object = None) -> None:
        """Ask about looking *host* up, a name or an address as `socket.getaddrinfo` takes it.

        The names of this machine are nobody's to hear; who connects to it is asked then.
        """
        name = _text(host)
        if name and name not in self._expected and not is_loopback(name):
            number = port if isinstance(port, int) else None
            self._ask(None, lambda rule: rule.of_name(name, number), name, number)

    @contextmanager
    def expecting(self, host: object) -> Generator[None]:
        """Let other threads look *host* up meanwhile, if what runs here and now is let out."""
        name = _text(host)
        is_let_out = any(rule.lets_out() for rule in self.rules)
        if is_let_out:
            self._expected.append(name)
        try:
            yield
        finally:
            if is_let_out:
                self._expected.remove(name)

    def learn(self, host: object, addresses: Iterable[str]) -> None:
        """Remember that *host* was looked up."""
        if name := _text(host):
            self._names.learn(name, addresses)

    # --- connections

    def connection(self, owner: Any, family: int, address: Any) -> None:
        """Ask about connecting *owner*, or sending a datagram from it, to *address*."""
        if family not in INTERNET or not _is_endpoint(address) or self._is_pairing():
            return
        host, port = _text(address[0]), address[1]
        names = self._names.of(host)
        self._ask(owner, lambda rule: rule.of_connection(host, port, names), host, port)

    @contextmanager
    def pairing(self) -> Generator[None]:
        """Ask about no connection of this thread meanwhile: it connects two sockets of its own."""
        before, self._pairing.now = self._is_pairing(), True
        try:
            yield
        finally:
            self._pairing.now = before

    def _is_pairing(self) -> bool:
        return bool(getattr(self._pairing, "now", False))

    def destination(
        self, owner: Any, host: object, port: int | None = None, *, client: str = ""
    ) -> None:
        """Ask about speaking to *host* on *owner*: TLS names it, or *client* does."""
        name = _text(host)
        if name:
            self._ask(owner, lambda rule: rule.of_name(name, port), name, port, client=client)

    def inherits(self, heir: Any, owner: Any) -> None:
        """Let *heir*, which stands for *owner* from now on, be let out if that is."""
        if owner in self._let_out or any(rule.lets_out() for rule in self.rules):
            self._let_out.add(heir)

    # --- requests

    def write(self, owner: Any, data: Any, *, under: Any = None) -> State | None:
        """Ask about writing *data* to *owner*; return what to hand to `wrote`, None for nothing.

        Args:
            owner: The connection, or what stands for it.
            data: Bytes, or what has a buffer.
            under: The connection itself, where *owner* only stands for it.
        """
        state, view = self._states.get(owner), _view(data)
        if view is None or (state is None and not may_begin(view)):
            return None
        after, found = step(state or START, view)
        for sent in found:
            self.request(owner if under is None else under, sent, _url(sent, under or owner))
        return after

    def wrote(self, owner: Any, data: Any, count: int, after: State) -> None:
        """Note that *count* of the bytes *data* went out, after which *owner* is in the state *after*."""
        view = memoryview(data).cast("B")
        if count != len(view):
            after, _ = step(self._states.get(owner, START), view[:count])
        if after == START:
            self._states.pop(owner, None)
        else:
            self._states[owner] = after

    def forget(self, owner: Any) -> None:
        """Note that something has gone out on *owner* unseen, after which a request may begin."""
        self._states.pop(owner, None)

    def request(self, owner: Any, sent: Sent, url: str, *, client: str = "") -> None:
        """Ask about *sent* going to *url* on *owner* (None: on one that only *client* knows)."""
        where = (
            f"CONNECT {url}"
            if sent.method == "CONNECT"
            else Request(method=sent.method, url=url).summary
        )
        self._ask(owner, lambda rule: rule.of_request(sent, url), where, client=client)

    def model(self, base: str, *, client: str) -> None:
        """Ask about a call to a model below the URL *base*, of which only *client* knows the path."""
        url = f"{base}/v1/chat/completions"  # stands for it: whoever lets a host out lets this out
        sent = Sent(method="POST", target="/v1/chat/completions", names=None)
        self._ask(
            None,
            lambda rule: rule.of_request(sent, url) and "it asks a model",
            Request(method="POST", url=base).summary,
            client=client,
        )

    # --- raising

    def _ask(
        self,
        owner: Any,
        why: Callable[[Rule], str],
        where: str,
        port: int | None = None,
        *,
        client: str = "",
    ) -> None:
        """Raise if a rule in force says *why* not; *owner* is the connection, None where there is none."""
        for rule in self.rules:
            if not rule.is_strict and owner is not None and owner in self._let_out:
                continue
            reason = why(rule)
            if not reason:
                continue
            if not rule.lets_out():
                where = where if port is None else f"{where}:{port}"
                raise let_through(self._error(rule, reason, where, client))
            if owner is not None:
                self._let_out.add(owner)

    def _error(self, rule: Rule, reason: str, where: str, client: str) -> EscapeError:
        library, place = culprit()
        library = library or client
        error = EscapeError(where, reason=reason, advice=rule.advice, library=library, place=place)
        rule.refused(error)
        if (where, library) not in self._told and len(self._told) < _TOLD:
            self._told.add((where, library))
            _LOG.warning("cachesaver: %s", str(error).partition("\n")[0])
        return error


def _peer(owner: Any) -> str:
    """Return `host:port` of the other end of *owner*, a socket or transport; empty if not known."""
    try:
        told = (
            owner.getpeername()
            if hasattr(owner, "getpeername")
            else owner.get_extra_info("peername")
        )
        host, port = told[:2]
    except (AttributeError, OSError, TypeError, ValueError):
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_endpoint(address: Any) -> bool:
    """Tell whether *address* is one at all; what is none, the live call will say itself."""
    try:
        _host, _port, *_ = address
    except (TypeError, ValueError):
        return False
    return isinstance(address, tuple)


def _view(data: Any) -> memoryview | None:
    """Return the bytes of *data*; None for what has none that can be read."""
    try:
        return memoryview(data).cast("B")
    except (BufferError, TypeError, ValueError):  # no buffer, in pieces, of odd shape or type
        return None


def _text(host: object) -> str:
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("latin-1")
    return host if isinstance(host, str) else ""


def _url(sent: Sent, owner: Any) -> str:
    """Return where *sent* goes: the target names it, or the host header, or the other end does.

    Of `CONNECT` it is `host:port`, else an absolute URL.
    """
    if "://" in sent.target.partition("?")[0] or sent.method == "CONNECT":
        return sent.target
    host = sent.header("host") or _peer(owner)
    scheme = "https" if hasattr(owner, "server_hostname") else "http"
    return f"{scheme}://{host}{sent.target if sent.target.startswith('/') else '/'}"
