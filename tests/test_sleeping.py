"""Waiting for a future: in a thread, on asyncio, on trio."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import pytest
import trio
import trio.testing

from cachesaver import sleeping
from cachesaver.sleeping import (
    all_of,
    block,
    detach,
    doze,
    first_of,
    has_loop,
    later,
    running_loop,
    turn,
    until_done,
)

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


def test_the_first_of_several_is_done_when_one_of_them_is() -> None:
    futures: list[Future[None]] = [Future(), Future()]
    first = first_of(*futures)
    assert not first.done()

    futures[1].set_result(None)
    assert first.done()

    futures[0].set_result(None)


@BOTH
def test_a_loop_is_known_where_one_runs(run: Runner) -> None:
    async def program() -> bool:
        return has_loop()

    assert run(program)
    assert not has_loop()


@BOTH
def test_a_turn_lets_another_task_go_on(run: Runner) -> None:
    async def program() -> list[str]:
        seen = list[str]()

        async def other() -> None:
            seen.append("other")

        going = detach(other())
        await turn()
        await turn()
        seen.append("one")
        await going.wait()
        return seen

    assert run(program) == ["other", "one"]


@BOTH
def test_what_comes_later_comes_in_time(run: Runner) -> None:
    async def program() -> bool:
        called: Future[None] = Future()
        later(0.001, lambda: called.set_result(None))
        assert not called.done()
        await until_done(called)
        return called.done()

    assert run(program)


@BOTH
def test_what_should_come_later_than_the_loop_lasts_never_comes(run: Runner) -> None:
    called = list[None]()

    async def program() -> None:
        later(60, lambda: called.append(None))

    run(program)
    gc.collect()

    assert called == []


class TestDetached:
    @BOTH
    def test_its_result_is_had_by_who_waits(self, run: Runner) -> None:
        async def three() -> int:
            await turn()
            return 3

        async def program() -> tuple[bool, int, bool]:
            going = detach(three())
            before = going.is_done
            await going.wait()
            return before, going.result(), going.is_done

        assert run(program) == (False, 3, True)

    @BOTH
    def test_its_error_is_had_by_who_waits(self, run: Runner) -> None:
        async def fail() -> None:
            raise LookupError("no")

        async def program() -> None:
            going = detach(fail())
            await going.wait()
            with pytest.raises(LookupError, match="no"):
                going.result()

        run(program)

    @BOTH
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_its_error_is_nobodys_when_it_was_left(self, run: Runner, when: str) -> None:
        """Given no reader of an error, then asyncio must not say that there was none."""

        async def fail() -> None:
            raise LookupError("no")

        async def program() -> None:
            going = detach(fail())
            if when == "before":
                going.leave()
            await going.wait()
            going.leave()

        run(program)
        gc.collect()

    def test_it_goes_on_when_who_waits_is_cancelled(self) -> None:
        async def program() -> int:
            go = asyncio.Event()

            async def three() -> int:
                await go.wait()
                return 3

            going = detach(three())
            waiting = asyncio.create_task(going.wait())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not going.is_done
            go.set()
            await going.wait()
            return going.result()

        assert asyncio.run(program()) == 3

    def test_it_is_cancelled_when_asyncio_ends(self) -> None:
        seen = list[str]()

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async def program() -> None:
            detach(wait()).leave()
            await asyncio.sleep(0)

        asyncio.run(program())

        assert seen == ["cancelled"]

    def test_it_is_cancelled_when_trio_ends(self) -> None:
        seen = list[str]()

        async def wait() -> None:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                seen.append("cancelled")
                raise

        async def program() -> None:
            detach(wait()).leave()
            await trio.testing.wait_all_tasks_blocked()

        trio.run(program)

        assert seen == ["cancelled"]

    def test_a_loop_that_forgets_its_tasks_is_not_kept(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Given a loop that ends without cancelling, then its left task is let go of, unsaid."""

        async def wait() -> None:
            await asyncio.Event().wait()

        async def program() -> None:
            detach(wait()).leave()
            await asyncio.sleep(0)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(program())
        loop.close()
        asyncio.run(program())  # the next one that is left makes room
        gc.collect()

        assert [task for task in sleeping._LEFT if task.get_loop() is loop] == []
        assert caplog.messages == []


class TestAllOf:
    @BOTH
    def test_they_run_side_by_side_and_their_results_are_in_order(self, run: Runner) -> None:
        async def program() -> list[int]:
            met: Future[None] = Future()

            async def one() -> int:
                await until_done(met)
                return 1

            async def two() -> int:
                met.set_result(None)
                return 2

            return await all_of([one(), two()])

        assert run(program) == [1, 2]

    @BOTH
    def test_an_error_is_raised_when_all_have_ended(self, run: Runner) -> None:
        ended = list[int]()

        async def program() -> None:
            async def fail() -> None:
                raise LookupError("no")

            async def slow() -> None:
                await doze(None, 0.01)
                ended.append(1)

            await all_of([fail(), slow()])

        with pytest.raises(LookupError, match="no"):
            run(program)
        assert ended == [1]

    def test_who_cancels_all_cancels_each(self) -> None:
        async def forever() -> None:
            await trio.sleep_forever()

        async def program() -> bool:
            with trio.CancelScope() as scope:
                scope.cancel()
                await all_of([forever()])
            return scope.cancelled_caught

        assert trio.run(program)
