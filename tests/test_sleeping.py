"""Waiting for a future: in a thread, on asyncio, on trio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import pytest
import trio

from cachesaver.sleeping import block, doze, running_loop, until_done

Runner = Callable[[Callable[[], Awaitable[Any]]], Any]


def on_asyncio(program: Callable[[], Any]) -> Any:
    return asyncio.run(program())


def on_trio(program: Callable[[], Any]) -> Any:
    return trio.run(program)


BOTH = pytest.mark.parametrize("run", [on_asyncio, on_trio])


@BOTH
def test_a_future_is_waited_for_while_other_tasks_run(run: Runner) -> None:
    future: Future[None] = Future()
    going = threading.Event()

    def finish() -> None:
        going.wait(10)
        future.set_result(None)

    async def program() -> bool:
        threading.Thread(target=finish).start()
        going.set()
        await until_done(future)
        await until_done(future)
        return future.done()

    assert run(program)


@BOTH
def test_dozing_ends_with_the_future_or_the_time(run: Runner) -> None:
    done: Future[None] = Future()
    done.set_result(None)

    async def program() -> str:
        await doze(done, 60)
        await doze(None, 0.001)
        return "awake"

    assert run(program) == "awake"


@BOTH
def test_the_running_loop_is_one_thing_for_all_its_tasks(run: Runner) -> None:
    async def program() -> bool:
        return running_loop() is running_loop()

    assert run(program)


def test_a_cancelled_wait_leaves_the_future_alone() -> None:
    future: Future[None] = Future()

    async def program() -> None:
        waiting = asyncio.create_task(until_done(future))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(program())
    future.set_result(None)  # the loop is closed: telling it must not raise

    assert future.result() is None


def test_blocking_ends_with_the_future_or_the_time() -> None:
    future: Future[None] = Future()
    threading.Thread(target=lambda: future.set_result(None)).start()

    block(future, 60)
    block(None, 0.001)

    assert future.done()
