"""What may leave the process: rules for the tripwire, which know no socket.

`Replaying` is that of `mode="replay"`, `Blocking` one for tests that are to stay on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Thread, current_thread
from typing import Protocol
from weakref import WeakSet

from cachesaver import suspicion
from cachesaver.contexts import is_inside
from cachesaver.errors import EscapeError
from cachesaver.exchange import Request
from cachesaver.settings import Match
from cachesaver.transports.patches import network_is_mocked
from cachesaver.tripwire.heads import Sent
from cachesaver.tripwire.names import is_loopback

__all__ = ["Blocking", "OfContexts", "OfThreads", "Replaying", "Rule"]


class Rule(Protocol):
    """Says why something may not leave the process. Every method is quick, and any thread asks.

    Attributes:
        advice: What to do about it, a few lines.
        is_strict: Whether it counts also for connections that another rule let out.
    """

    advice: str
    is_strict: bool

    def lets_out(self) -> bool:
        """Tell whether what runs here and now may pass without being asked about."""
        ...

    def of_name(self, name: str, port: int | None) -> str:
        """Return why *name* (or an address) may not be looked up or spoken to; empty: it may."""
        ...

    def of_connection(self, address: str, port: int, names: Sequence[str]) -> str:
        """Return why *address*, looked up as *names*, may not be connected to; empty: it may."""
        ...

    def of_request(self, sent: Sent, url: str) -> str:
        """Return why *sent*, to the absolute *url*, may not go on; empty: it may."""
        ...

    def refused(self, error: EscapeError) -> None:
        """Note that *error* is about to be raised: the program may swallow it."""
        ...


class Replaying:
    """Nothing that looks like a provider call may leave (`suspicion`), but for what *match* excludes.

    Args:
        hosts: What the user named.
        match: The user's. Asked as of a request; of a connection, with the method `CONNECT` and the
            URL of its origin.
        through_mocks: Whether to look at what a mock that took the place of sockets sends.
        gateway: The address of a gateway of ours, which replays by itself; empty: there is none.
        missed: Takes what is raised, before it is.
    """

    is_strict = False
    advice = (
        "With mode='replay' no provider call may leave the process, and no client that\n"
        "    cachesaver doctor\n"
        "lists as seen made this one. Make it with such a client, or send it through `cachesaver "
        "gateway`.\nIf it is no provider call, say so, as in\n"
        "    match=lambda request: False if 'the.host' in request.url else None"
    )

    def __init__(
        self,
        *,
        hosts: tuple[str, ...] = (),
        match: Match | None = None,
        through_mocks: bool = False,
        gateway: str = "",
        missed: Callable[[EscapeError], None] | None = None,
    ) -> None:
        self._missed = missed
        self._gateway = gateway and f"{gateway}/"
        self._hosts = hosts
        self._addresses = tuple(each for each in hosts if each.strip("*.:"))  # "*" is no address
        self._match = match
        self._through_mocks = through_mocks

    def lets_out(self) -> bool:
        """See `Rule.lets_out`: a hook of ours saw it, or a mock will answer it."""
        return is_inside() or (not self._through_mocks and network_is_mocked())

    def of_name(self, name: str, port: int | None) -> str:
        """See `Rule.of_name`. This machine is nobody's: what is said to it will tell."""
        if is_loopback(name):
            return ""
        found = suspicion.of_address(name, port, self._addresses)
        return found if found and not self._is_excluded("CONNECT", _origin(name, port)) else ""

    def of_connection(self, address: str, port: int, names: Sequence[str]) -> str:
        """See `Rule.of_connection`. An address with other names too is not told by its address."""
        found = [self.of_name(name, port) for name in names]
        return self.of_name(address, port) or (found[0] if found and all(found) else "")

    def of_request(self, sent: Sent, url: str) -> str:
        """See `Rule.of_request`. The user's `match` is to see all headers: it waits for them."""
        if self._gateway and url.startswith(self._gateway):
            return ""
        if self._match is not None and not sent.is_whole:
            return ""
        if sent.method == "CONNECT":
            host, _, port = sent.target.rpartition(":")
            return self.of_name(host.strip("[]"), int(port) if port.isdigit() else None)
        names = None if sent.header("content-encoding") else sent.names
        found = suspicion.of_request(sent.method, url, names=names, hosts=self._hosts)
        return "" if found and self._is_excluded(sent.method, url, sent) else found

    def refused(self, error: EscapeError) -> None:
        """See `Rule.refused`."""
        if self._missed is not None:
            self._missed(error)

    def _is_excluded(self, method: str, url: str, sent: Sent | None = None) -> bool:
        if self._match is None:
            return False
        headers = () if sent is None else sent.headers
        return self._match(Request(method=method, url=url, headers=headers)) is False


class Blocking:
    """Nothing may leave but what *allow* matches.

    Args:
        allow: Regular expressions; one has to match all of a host, or of `host:port`.
        loopback: Whether this machine may be spoken to.
        advice: How to allow a host, where it was not this class that was asked to block.
    """

    is_strict = True

    def __init__(
        self,
        allow: Iterable[str] = (),
        *,
        loopback: bool = True,
        advice: str = "The network is blocked here; allow the host by a regular expression if needed.",
    ) -> None:
        self.advice = advice
        self._allow = tuple(re.compile(each) for each in allow)
        self._loopback = loopback

    def lets_out(self) -> bool:
        """See `Rule.lets_out`: never."""
        return False

    def of_name(self, name: str, port: int | None) -> str:
        """See `Rule.of_name`."""
        host = name.lower().rstrip(".")
        if (self._loopback and is_loopback(host)) or any(
            each.fullmatch(host) or each.fullmatch(f"{host}:{port}") for each in self._allow
        ):
            return ""
        return "the network is blocked"

    def of_connection(self, address: str, port: int, names: Sequence[str]) -> str:
        """See `Rule.of_connection`."""
        found = [*map(partial(self.of_name, port=port), (address, *names))]
        return found[0] if all(found) else ""

    def of_request(self, sent: Sent, url: str) -> str:
        """See `Rule.of_request`: of a proxy that may be spoken to, no more may be asked."""
        if sent.method != "CONNECT":
            return ""
        host, _, port = sent.target.rpartition(":")
        return self.of_name(host.strip("[]"), int(port) if port.isdigit() else None)

    def refused(self, error: EscapeError) -> None:
        """See `Rule.refused`: nobody keeps it."""


class OfContexts:
    """*rule*, where *is_meant* says so of the context that runs: others may do what it forbids."""

    def __init__(self, rule: Rule, is_meant: Callable[[], bool]) -> None:
        self._rule = rule
        self._is_asked = is_meant
        self.advice = rule.advice
        self.is_strict = rule.is_strict

    def lets_out(self) -> bool:
        """See `Rule.lets_out`."""
        return self._rule.lets_out()

    def of_name(self, name: str, port: int | None) -> str:
        """See `Rule.of_name`."""
        return self._rule.of_name(name, port) if self._is_meant() else ""

    def of_connection(self, address: str, port: int, names: Sequence[str]) -> str:
        """See `Rule.of_connection`."""
        return self._rule.of_connection(address, port, names) if self._is_meant() else ""

    def of_request(self, sent: Sent, url: str) -> str:
        """See `Rule.of_request`."""
        return self._rule.of_request(sent, url) if self._is_meant() else ""

    def refused(self, error: EscapeError) -> None:
        """See `Rule.refused`."""
        self._rule.refused(error)

    def _is_meant(self) -> bool:
        # What is let out anyway is to be asked about: its connection stays so, whoever writes to it.
        return self._rule.lets_out() or self._is_asked()


class OfThreads(OfContexts):
    """*rule*, for *threads* only: they outlived what it was in force for.

    Threads that these start are others.
    """

    def __init__(self, rule: Rule, threads: Iterable[Thread]) -> None:
        self._threads = WeakSet(threads)
        super().__init__(rule, lambda: current_thread() in self._threads)
        self.advice = (
            "It is by a thread that was started while that was so, and has outlived it: end it there, "
            f"or wait for it.\n{rule.advice}"
        )

    @property
    def is_needed(self) -> bool:
        """Whether one of the threads is alive."""
        return any(thread.is_alive() for thread in self._threads)


def _origin(name: str, port: int | None) -> str:
    host = f"[{name}]" if ":" in name else name
    return f"https://{host}:{port or 443}/"
