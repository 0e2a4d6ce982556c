"""Waiting for a `concurrent.futures.Future`: in a thread, on asyncio, on trio.

The one module that knows event loops. A trio or asyncio that the program has not imported is not
running, so neither is imported here.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for_futures
from typing import Any, Generic, Protocol, TypeVar

__all__ = [
    "Detached",
    "all_of",
    "block",
    "detach",
    "doze",
    "first_of",
    "has_loop",
    "later",
    "running_loop",
    "turn",
    "until_done",
]

T = TypeVar("T")
Out_co = TypeVar("Out_co", covariant=True)


def running_loop() -> object:
    """Return what stands for the event loop that runs in this thread."""
    if (trio := _trio()) is not None:
        return trio.lowlevel.current_trio_token()
    return sys.modules["asyncio"].get_running_loop()


def has_loop() -> bool:
    """Tell whether an event loop runs in this thread."""
    if _trio() is not None:
        return True
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001  # raises not


def _trio() -> Any:
    trio = sys.modules.get("trio")
    lowlevel = getattr(trio, "lowlevel", None)  # it may be just being imported
    return trio if lowlevel is not None and lowlevel.in_trio_run() else None


def first_of(*futures: Future[None]) -> Future[None]:
    """Return what is done when one of *futures* is."""
    first: Future[None] = Future()

    def done(_: Future[None]) -> None:
        with contextlib.suppress(InvalidStateError):  # another was quicker
            first.set_result(None)

    for future in futures:
        future.add_done_callback(done)
    return first


def block(future: Future[None] | None, seconds: float | None) -> None:
    """Block this thread until *future* is done, for *seconds* at the most; None: however long."""
    if future is None:
        time.sleep(seconds or 0.0)
    else:
        wait_for_futures([future], timeout=seconds)


async def until_done(future: Future[Any]) -> None:
    """Wait until *future* is done, without blocking the event loop."""
    if not future.done():
        await _done(future)


async def doze(future: Future[None] | None, seconds: float) -> None:
    """Let other tasks run until *future* is done, for *seconds* at the most."""
    if (trio := _trio()) is not None:
        with trio.move_on_after(seconds):
            await (trio.sleep_forever() if future is None else _done(future))
        return
    asyncio = sys.modules["asyncio"]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await (asyncio.sleep(seconds) if future is None else _done(future))


async def _done(future: Future[Any]) -> None:
    """Wait until *future* is done. Cancelling this cancels the waiting, not the future."""
    if (trio := _trio()) is not None:
        event, token = trio.Event(), trio.lowlevel.current_trio_token()
        future.add_done_callback(
            lambda _: _tell(token.run_sync_soon, event.set, trio.RunFinishedError)
        )
        await event.wait()
        return
    loop = sys.modules["asyncio"].get_running_loop()
    waiter = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(lambda _: _tell(loop.call_soon_threadsafe, wake, RuntimeError))
    await waiter


async def turn() -> None:
    """Let every task that can go on have its turn."""
    if (trio := _trio()) is not None:
        await trio.lowlevel.checkpoint()
    else:
        await sys.modules["asyncio"].sleep(0)


class Detached(Protocol[Out_co]):
    """A coroutine that goes on whether anybody waits for it or not, until its event loop ends.

    Attributes:
        task: Of the event loop, that runs it.
    """

    task: object

    @property
    def is_done(self) -> bool:
        """Whether it has come to an end."""
        ...

    async def wait(self) -> None:
        """Return when it has come to an end. Cancelling this does not cancel it."""
        ...

    def result(self) -> Out_co:
        """Return what it returned, or raise what it raised."""
        ...

    def leave(self) -> None:
        """Say that nobody will wait for it any more."""
        ...


def detach(coroutine: Coroutine[Any, Any, T]) -> Detached[T]:
    """Start *coroutine* in a task of its own, in a copy of this context."""
    return _OnTrio(coroutine) if _trio() is not None else _OnAsyncio(coroutine)


_LEFT = set[Any]()
"""asyncio itself keeps no task alive."""


class _OnAsyncio(Generic[T]):
    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        asyncio = sys.modules["asyncio"]
        # Not by the loop's factory: it may be the program's own, and this is none of its tasks.
        self.task: Any = asyncio.Task(
            coroutine,
            loop=asyncio.get_running_loop(),
            name="cachesaver",
            context=contextvars.copy_context(),
        )

    @property
    def is_done(self) -> bool:
        return bool(self.task.done())

    async def wait(self) -> None:
        await sys.modules["asyncio"].wait({self.task})

    def result(self) -> T:
        result: T = self.task.result()
        return result

    def leave(self) -> None:
        if self.task.done():
            _forget(self.task)
            return
        # A loop that ends without cancelling its tasks leaves this one pending: not the program's fault.
        self.task._log_destroy_pending = False  # noqa: SLF001  # as asyncio does with its own
        _LEFT.difference_update([task for task in list(_LEFT) if task.get_loop().is_closed()])
        _LEFT.add(self.task)
        self.task.add_done_callback(_forget)


def _forget(task: Any) -> None:
    _LEFT.discard(task)
    if not task.cancelled():
        task.exception()  # else asyncio would say that nobody asked for it


class _OnTrio(Generic[T]):
    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._trio = _trio()
        self._event = self._trio.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self.task: object = self._trio.lowlevel.spawn_system_task(
            self._run, context=contextvars.copy_context()
        )

    @property
    def is_done(self) -> bool:
        return bool(self._event.is_set())

    async def wait(self) -> None:
        await self._event.wait()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # it has come to its end

    def leave(self) -> None:
        """Trio keeps its tasks."""

    async def _run(self) -> None:
        try:
            self._result = await self._coroutine
        except self._trio.Cancelled as error:
            self._error = error
            raise
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            self._error = error
        finally:
            self._event.set()


def later(seconds: float, what: Callable[[], None]) -> None:
    """Call *what* on this event loop after *seconds*; never, where the loop has ended before."""
    if _trio() is not None:
        detach(_later(seconds, what)).leave()
    else:
        sys.modules["asyncio"].get_running_loop().call_later(seconds, what)


async def _later(seconds: float, what: Callable[[], None]) -> None:
    await doze(None, seconds)
    what()


async def all_of(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run *coroutines* at the same time; return their results, or raise the first error of theirs."""
    if (trio := _trio()) is not None:
        results = await _all_on_trio(trio, coroutines)
    else:
        asyncio = sys.modules["asyncio"]
        loop, context = asyncio.get_running_loop(), contextvars.copy_context
        tasks = [asyncio.Task(each, loop=loop, context=context()) for each in coroutines]
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def _all_on_trio(trio: Any, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[Any]:
    results: list[Any] = [None] * len(coroutines)

    async def run(place: int, coroutine: Coroutine[Any, Any, T]) -> None:
        try:
            results[place] = await coroutine
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001  # raised when all have come to an end
            results[place] = error

    async with trio.open_nursery() as nursery:
        for place, coroutine in enumerate(coroutines):
            nursery.start_soon(run, place, coroutine)
    return results


def _tell(call_soon: Any, what: Any, closed: type[Exception]) -> None:
    with contextlib.suppress(closed):  # the loop has ended, and with it the one who waited
        call_soon(what)
