"""Several streams heard by one listener on an event loop, which is woken once for all that is new.

An engine takes a step for many samples at once. Were each of them to wake its own reader, a step of
128 would be 128 calls into the loop, each with a write to a socket and a turn of a task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

__all__ = ["Bell", "Listener"]


class Listener:
    """Waits on the running event loop for news of the streams that it hears.

    Attributes:
        patience: So many tokens of a stream are news; that it has ended always is.
        loop: That it waits on.
    """

    def __init__(self, *, patience: int = 1) -> None:
        self.patience = patience
        self.loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    async def wait(self) -> None:
        """Return when there is news, and forget it."""
        await self._news.wait()
        self._news.clear()

    def wake(self) -> None:
        """Note on its loop that there is news."""
        self._news.set()

    @staticmethod
    def tell(listeners: Iterable[Listener]) -> None:
        """Tell *listeners* that there is news, from any thread."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Listener]] = {}
        for each in listeners:
            by_loop.setdefault(each.loop, []).append(each)
        for loop, there in by_loop.items():
            # A loop that was closed has no reader left.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_wake, there)


def _wake(listeners: Iterable[Listener]) -> None:
    for each in listeners:
        each.wake()


class Bell:
    """Gathers who is to be told, to tell them together. For one thread."""

    def __init__(self) -> None:
        self._listeners: dict[Listener, None] = {}

    def add(self, listener: Listener) -> None:
        """Have *listener* told."""
        self._listeners[listener] = None

    def ring(self) -> None:
        """Tell all of them."""
        if self._listeners:
            gathered, self._listeners = self._listeners, {}
            Listener.tell(gathered)
