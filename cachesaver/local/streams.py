"""One sample on its way from the engine's thread to whoever reads it, in a thread or on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from cachesaver.local.listening import Bell, Listener

__all__ = ["Finish", "Stream", "Token"]

Finish: TypeAlias = Literal["stop", "length", "cancelled"]
"""Why an answer ended: by a stop token or its guide, at its greatest length, or because it was asked to."""


class Token(NamedTuple):
    """One token of an answer.

    Attributes:
        id: Its number in the vocabulary.
        logprob: Natural logarithm of the model's probability for it; `None` unless asked for.
        top: The likeliest tokens and their log-probabilities, falling.
    """

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Stream:
    """The tokens of one sample, an end token included, as they are drawn. One reader at a time.

    Used like::

        for token in stream: ...            # or: async for token in stream
        print(stream.finish)

    Attributes:
        index: Which sample of its seed it is, from 0.
        seed: What it is drawn from: asked for again with *seed* and *index*, it comes out the same.
        cached: How many tokens of the prompt were not computed anew; known from the first token on.
        is_unwanted: Whether it was cancelled.
    """

    def __init__(self, *, index: int, seed: int) -> None:
        self.index = index
        self.seed = seed
        self.cached = 0
        self.is_unwanted = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._tokens: list[Token] = []
        self._is_awaited = False
        self._due = _NEVER  # so many tokens are news to the listener
        self._finish: Finish | None = None
        self._error: Exception | None = None
        self._wake: Callable[[], None] | None = None
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<Stream index={self.index} seed={self.seed} finish={self.finish!r}>"

    @property
    def finish(self) -> Finish | None:
        """Why it ended; `None` while more may come, and after an error."""
        return self._finish

    def cancel(self) -> None:
        """Ask for no more; its slot is free within a step. Without effect on what has ended."""
        self.is_unwanted = True

    # The reader's side.

    def read(self) -> tuple[Token, ...]:
        """Wait for tokens and return all there are; none means that it ended.

        Raises:
            EngineFailedError: The model failed; the tokens before were read.
            EngineClosedError: The engine was closed first.
        """
        with self._lock:
            while not self._is_readable():
                self._is_awaited = True
                self._changed.wait()
            return self._take()

    async def aread(self) -> tuple[Token, ...]:
        """Do as `read` does, without blocking the running asyncio loop."""
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                if self._is_readable():
                    return self._take()
                arrived = loop.create_future()
                self._wake, self._is_awaited = _waker(loop, arrived), True
            await arrived

    def hear(self, listener: Listener) -> None:
        """Have *listener* told of all news from now on; what there is already is for `poll`."""
        with self._lock:
            self._listener, self._due = listener, listener.patience

    def poll(self, least: int = 1) -> tuple[Token, ...] | None:
        """Do as `read` does without waiting: `None` where there are not *least* tokens, nor the end."""
        with self._lock:
            return self._take() if len(self._tokens) >= least or self.has_ended else None

    def __iter__(self) -> Iterator[Token]:
        while tokens := self.read():
            yield from tokens

    async def __aiter__(self) -> AsyncIterator[Token]:
        while tokens := await self.aread():
            for token in tokens:
                yield token

    # The engine's side.

    def put(self, token: Token, bell: Bell | None = None) -> None:
        """Hand over the next token; its listener is told by *bell*, when that is rung."""
        # For each token of all samples: nothing is done for who does not wait.
        with self._lock:
            self._tokens.append(token)
            is_news = len(self._tokens) >= self._due
        if self._is_awaited:
            self._wake_reader()
        if is_news:
            self._tell(bell)

    def end(
        self, finish: Finish | None, error: Exception | None = None, bell: Bell | None = None
    ) -> None:
        """Say that no more comes, and why; what ended has ended, a second time changes nothing."""
        with self._lock:
            if not self.has_ended:
                self._finish, self._error = finish, error
        self._wake_reader()
        self._tell(bell)

    @property
    def has_ended(self) -> bool:
        """Whether no more comes, by an error or otherwise."""
        return self._finish is not None or self._error is not None

    def _is_readable(self) -> bool:
        return bool(self._tokens) or self.has_ended

    def _take(self) -> tuple[Token, ...]:
        if not self._tokens and self._error is not None:
            raise self._error
        tokens, self._tokens = tuple(self._tokens), []
        return tokens

    def _wake_reader(self) -> None:
        with self._lock:
            self._is_awaited = False
            self._changed.notify_all()
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def _tell(self, bell: Bell | None) -> None:
        if (listener := self._listener) is None:
            return
        if bell is None:
            Listener.tell((listener,))
        else:
            bell.add(listener)


_NEVER = sys.maxsize


def _waker(loop: asyncio.AbstractEventLoop, arrived: asyncio.Future[None]) -> Callable[[], None]:
    def arrive() -> None:
        if not arrived.done():
            arrived.set_result(None)

    def wake() -> None:
        # A loop that was closed has no reader left.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(arrive)

    return wake
