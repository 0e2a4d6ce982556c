"""Waiting for a `concurrent.futures.Future`: in a thread, on asyncio, on trio.

The one module that knows event loops. A trio or asyncio that the program has not imported is not
running, so neither is imported here.
"""

from __future__ import annotations

import contextlib
import sys
import time
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from typing import Any

__all__ = ["block", "doze", "running_loop", "until_done"]


def running_loop() -> object:
    """Return what stands for the event loop that runs in this thread."""
    if (trio := _trio()) is not None:
        return trio.lowlevel.current_trio_token()
    return sys.modules["asyncio"].get_running_loop()


def _trio() -> Any:
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


def block(future: Future[None] | None, seconds: float) -> None:
    """Block this thread until *future* is done, for *seconds* at the most."""
    if future is None:
        time.sleep(seconds)
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


def _tell(call_soon: Any, what: Any, closed: type[Exception]) -> None:
    with contextlib.suppress(closed):  # the loop has ended, and with it the one who waited
        call_soon(what)
