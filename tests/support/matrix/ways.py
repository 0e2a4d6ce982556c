"""How an SDK is called: what a module of `matrix.sdks` says, and the calls that come of it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

__all__ = ["Calls", "Way", "about", "as_it_is", "opened"]


_TURNS = 20
"""Of the event loop, in which what is left behind is closed: generators are, by the loop itself."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to call one SDK: all of it blocking, or all of it on an event loop.

    Attributes:
        make: A context manager that gives a client, for an address and a time limit in seconds.
        ask: An answer, of a client and a topic. A coroutine function makes the way an async one.
        stream: A generator of the pieces of one, of the same; it closes what it holds when left.
        text: What an answer says.
        texts: What pieces say, together.
        raises: The SDK's own exceptions: for "400", "500", "timeout", and "stalled" where a stream
            that falls silent raises another.
        dumped: All that an answer or a piece tells, as JSON.
        after: Pieces of a stream that the provider sends until the SDK has the first of its own.
    """

    make: Callable[[str, float], Any]
    ask: Callable[[Any, str], Any]
    stream: Callable[[Any, str], Any] | None
    text: Callable[[Any], str]
    texts: Callable[[Sequence[Any]], str]
    raises: Mapping[str, type[BaseException] | tuple[type[BaseException], ...]]
    dumped: Callable[[Any], Any] = lambda told: told.model_dump(mode="json", warnings=False)
    after: int = 1

    @property
    def waits(self) -> bool:
        """Whether it runs on an event loop."""
        return inspect.iscoroutinefunction(self.ask)


def as_it_is(told: Any) -> Any:
    """Return *told*, which is JSON."""
    return told


def about(topic: str) -> dict[str, Any]:
    """Return what is asked of a chat."""
    return {"model": "some-model", "messages": [{"role": "user", "content": topic}]}


class Calls:
    """A client of *way* that is open, and what can be asked of it; leaving it closes the client."""

    def __init__(self, way: Way, url: str, limit: float) -> None:
        self.way = way
        self._url = url
        self._limit = limit
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._client = self._stack.enter_context(self.way.make(self._url, self._limit))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def ask(self, topic: str) -> Any:
        """Return an answer."""
        return self.way.ask(self._client, topic)

    def stream(self, topic: str) -> list[Any]:
        """Return the pieces of one, read to its end."""
        assert self.way.stream is not None
        return list(self.way.stream(self._client, topic))

    def leave(self, topic: str) -> None:
        """Read one piece, and leave."""
        assert self.way.stream is not None
        pieces = self.way.stream(self._client, topic)
        next(pieces)
        pieces.close()

    def cancel(self, topic: str, begun: Callable[[], bool]) -> str:
        """Ask, be cancelled when it has *begun*, and return the name of what that raises."""
        return "blocking calls cannot be cancelled"


class AsyncCalls(Calls):
    """The same, each on an event loop that lives as long as the client."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._astack = AsyncExitStack()
        self._client = self._run(self._opened())
        return self

    def _run(self, step: Coroutine[Any, Any, Any]) -> Any:
        # A runner remembers the context it was made in; a namespace is entered later.
        return self._runner.run(step, context=contextvars.copy_context())

    async def _opened(self) -> Any:
        return await self._astack.enter_async_context(self.way.make(self._url, self._limit))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self._astack.aclose())
        self._runner.close()

    def ask(self, topic: str) -> Any:
        return self._run(self.way.ask(self._client, topic))

    def stream(self, topic: str) -> list[Any]:
        told: list[Any] = self._run(self._streamed(topic))
        return told

    async def _streamed(self, topic: str) -> list[Any]:
        assert self.way.stream is not None
        return [piece async for piece in self.way.stream(self._client, topic)]

    def leave(self, topic: str) -> None:
        self._run(self._left(topic))

    async def _left(self, topic: str) -> None:
        assert self.way.stream is not None
        pieces = self.way.stream(self._client, topic)
        await anext(pieces)
        await pieces.aclose()
        del pieces
        gc.collect()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def cancel(self, topic: str, begun: Callable[[], bool]) -> str:
        raised: str = self._run(self._cancelled(self.way.ask(self._client, topic), begun))
        return raised

    async def _cancelled(self, answer: Awaitable[Any], begun: Callable[[], bool]) -> str:
        task = asyncio.ensure_future(answer)
        while not begun():  # noqa: ASYNC110  # the provider is in another process
            await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except BaseException as error:  # noqa: BLE001  # told to the judge
            return type(error).__name__
        return "nothing was raised"


def opened(way: Way, url: str, limit: float = 20) -> Calls:
    """Return a client of *way* for the provider at *url*, to be entered."""
    return (AsyncCalls if way.waits else Calls)(way, url, limit)
