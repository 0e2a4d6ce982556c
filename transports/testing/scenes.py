"""The scene of every claim: a server, a hooked client, a gate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar, Final

import pytest

from cachesaver.ports import Gate, Transport
from cachesaver.transports.loopback import LoopbackServer
from cachesaver.transports.testing.callers import Caller

__all__ = ["EVENTS", "JSON", "SSE", "Contract"]

JSON: Final = (("Content-Type", "application/json"),)
EVENTS: Final = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
SSE: Final = (("Content-Type", "text/event-stream"),)


class Contract(ABC):
    """What the claims are made of: an adapter, its client, a server. Every test brings up its own."""

    packages: ClassVar[tuple[str, ...]]
    """Top-level packages whose classes and modules `hook` may touch, such as `("httpx",)`."""

    @abstractmethod
    def transport(self) -> Transport:
        """Return the adapter."""

    @abstractmethod
    def module(self) -> ModuleType:
        """Return the client library."""

    @abstractmethod
    def caller(self, *, connections: int | None = None) -> Caller:
        """Return a driver of a new client whose pool has at most *connections* (None: default)."""

    @contextmanager
    def hooked(self, gate: Gate) -> Generator[None, None, None]:
        """Hook *gate* in while the block lasts."""
        unhook = self.transport().hook(self.module(), gate)
        try:
            yield
        finally:
            unhook()

    @contextmanager
    def scene(
        self, gate: Gate, *, connections: int | None = None
    ) -> Generator[tuple[LoopbackServer, Caller], None, None]:
        """Bring up a server and a hooked client."""
        with (
            LoopbackServer() as server,
            self.hooked(gate),
            self.caller(connections=connections) as caller,
        ):
            yield server, caller

    def errors(self, call: Callable[[], object], gate: Gate) -> tuple[BaseException, BaseException]:
        """Return what *call* raises without *gate* and with it."""
        with pytest.raises(Exception) as plain:  # noqa: PT011 - whatever the client raises
            call()
        with self.hooked(gate), pytest.raises(Exception) as hooked:  # noqa: PT011 - as above
            call()
        return plain.value, hooked.value
