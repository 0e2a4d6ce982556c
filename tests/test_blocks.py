"""Where a context stands, however blocks are entered and left, and what carries it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cachesaver import blocks
from cachesaver.blocks import Block


def stands() -> list[Block]:
    """The blocks that this context stands in, the innermost first."""
    return [each.block for each in blocks.here() or ()]


def fresh(program: Callable[[], Any]) -> Any:
    """Run *program* in a thread of its own, which stands nowhere."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(program).result()


@pytest.fixture(params=[True, False], ids=["in a thread", "on a loop"])
def ran(request: pytest.FixtureRequest) -> Callable[[Callable[..., Any]], Any]:
    """Runs a function by itself in a thread, or in a task; it is told which."""

    async def task(function: Callable[..., Any]) -> Any:
        return function(outside=False)

    def run(function: Callable[..., Any]) -> Any:
        if request.param:
            return fresh(lambda: function(outside=True))
        return fresh(lambda: asyncio.run(task(function)))

    return run


Run = Callable[[Callable[..., Any]], Any]


def test_nested_blocks_are_left_in_order(ran: Run) -> None:
    def program(*, outside: bool) -> None:
        outer, inner = Block(), Block()
        blocks.enter(outer, outside_loops=outside)
        blocks.enter(inner, outside_loops=outside)
        assert stands() == [inner, outer]
        blocks.leave(inner)
        assert stands() == [outer]
        blocks.leave(outer)
        assert stands() == []

    ran(program)


def test_blocks_are_left_out_of_order(ran: Run) -> None:
    def program(*, outside: bool) -> None:
        first, second = Block(), Block()
        blocks.enter(first, outside_loops=outside)
        blocks.enter(second, outside_loops=outside)
        blocks.leave(first)
        assert stands() == [second]
        blocks.leave(second)
        assert stands() == []

    ran(program)


def test_a_block_is_left_from_another_context_without_a_word(ran: Run) -> None:
    def program(*, outside: bool) -> None:
        block = Block()
        blocks.enter(block, outside_loops=outside)
        contextvars.Context().run(blocks.leave, block)
        assert stands() == []
        fresh(lambda: blocks.leave(block))
        assert stands() == []

    ran(program)


def test_what_was_entered_in_another_context_is_not_stood_in_here() -> None:
    async def program() -> None:
        block = Block()
        contextvars.copy_context().run(blocks.enter, block, outside_loops=False)
        assert stands() == []

    asyncio.run(program())


def test_a_block_may_be_entered_twice_and_by_several() -> None:
    async def program() -> None:
        mine, shared = Block(), Block()
        blocks.enter(shared, outside_loops=False)
        blocks.enter(shared, outside_loops=False)

        async def other() -> None:
            blocks.enter(mine, outside_loops=False)
            blocks.enter(shared, outside_loops=False)
            assert stands()[:2] == [shared, mine]
            blocks.leave(shared)
            assert stands() == [mine]

        await asyncio.create_task(other())
        assert stands() == []

    asyncio.run(program())


def test_a_generator_holds_its_block_until_its_end(ran: Run) -> None:
    def program(*, outside: bool) -> None:
        inner, outer = Block(), Block()

        def held() -> Generator[None]:
            blocks.enter(inner, outside_loops=outside)
            try:
                yield
            finally:
                blocks.leave(inner)

        steps = held()
        next(steps)
        assert stands() == [inner]
        blocks.enter(outer, outside_loops=outside)
        assert stands() == [outer, inner]
        steps.close()
        assert stands() == [outer]
        blocks.leave(outer)
        assert stands() == []

    ran(program)


def test_a_task_stands_where_it_was_started_until_that_is_left() -> None:
    async def program() -> list[Any]:
        block, left = Block(), asyncio.Event()

        async def child() -> list[list[Block]]:
            seen = [stands()]
            await left.wait()
            return [*seen, stands()]

        blocks.enter(block, outside_loops=False)
        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        blocks.leave(block)
        left.set()
        return [block, *await task]

    block, inside, after = asyncio.run(program())
    assert (inside, after) == ([block], [])


def test_a_thread_stands_where_it_was_started_and_all_that_it_runs() -> None:
    def program() -> None:
        block, seen = Block(), list[list[Block]]()

        async def task() -> None:
            seen.append(stands())

        def work() -> None:
            seen.append(stands())
            asyncio.run(task())

        blocks.enter(block, outside_loops=True)
        thread = threading.Thread(target=work)
        blocks.started(thread)
        thread.start()
        thread.join()
        stranger = fresh(stands)
        blocks.leave(block)
        assert (seen, stranger) == ([[block], [block]], [])

    fresh(program)


def test_a_job_stands_where_it_was_submitted_and_leaves_nothing_behind() -> None:
    def program() -> None:
        mine, other = Block(), Block()
        blocks.enter(mine, outside_loops=True)
        stand = blocks.here()
        blocks.leave(mine)
        mine.is_open = True

        def job() -> list[Block]:
            seen = stands()
            blocks.enter(other, outside_loops=True)
            return seen

        assert blocks.working(stand, job) == [mine]
        assert stands() == []

    fresh(program)


def test_a_loop_that_was_made_before_is_in_the_block_of_the_thread_that_runs_it() -> None:
    """As in a test runner that keeps one loop, and opens a cassette around some of its tests."""

    def program() -> None:
        outer, inner, own = Block(), Block(), Block()
        blocks.enter(outer, outside_loops=True)

        async def look() -> list[Block]:
            return stands()

        async def enter(block: Block) -> list[Block]:
            blocks.enter(block, outside_loops=False)
            return stands()

        with asyncio.Runner() as runner:
            assert runner.run(look()) == [outer]
            blocks.enter(inner, outside_loops=True)
            assert runner.run(look()) == [inner, outer]
            assert runner.run(enter(own)) == [own, inner, outer]
            blocks.leave(inner)
            assert runner.run(look()) == [own, outer]
            blocks.leave(own)
            assert runner.run(look()) == [outer]
        blocks.leave(outer)

    fresh(program)


def test_a_task_that_stands_in_a_block_of_its_own_is_not_in_one_its_thread_enters_later() -> None:
    async def look() -> list[Block]:
        return stands()

    def program() -> None:
        own, later = Block(), Block()
        context = contextvars.Context()
        with asyncio.Runner() as runner:
            runner.get_loop()
            context.run(blocks.enter, own, outside_loops=False)
            blocks.enter(later, outside_loops=True)
            assert runner.run(look(), context=context) == [own]
            blocks.leave(later)

    fresh(program)


def test_a_context_that_is_copied_after_settling_tells_where_its_thread_stands() -> None:
    block = Block()

    def work() -> list[Block]:
        blocks.settle()
        copied = contextvars.copy_context()
        return list(fresh(lambda: copied.run(stands)))

    def program() -> list[Block]:
        blocks.enter(block, outside_loops=True)
        seen = list[list[Block]]()
        thread = threading.Thread(target=lambda: seen.append(work()))
        blocks.started(thread)
        thread.start()
        thread.join()
        return seen[0]

    assert fresh(program) == [block]


def test_a_block_knows_those_around_it_when_it_is_made() -> None:
    def program() -> None:
        outer = Block()
        assert blocks.made(is_plain=True).made_in == frozenset()
        blocks.enter(outer, outside_loops=True)
        assert blocks.made(is_plain=True).made_in == {outer}
        blocks.leave(outer)
        assert blocks.made(is_plain=True).made_in == frozenset()

    fresh(program)


def test_a_context_that_goes_from_block_to_block_keeps_no_more_than_the_last() -> None:
    def program() -> None:
        def one() -> weakref.ref[Block]:
            block = Kept()
            blocks.enter(block, outside_loops=True)
            contextvars.Context().run(blocks.leave, block)
            return weakref.ref(block)

        known = [one() for _ in range(5)]
        gc.collect()
        assert [each() for each in known[:-1]] == [None] * 4

    fresh(program)


class Kept(Block):
    """A block that can be referred to weakly."""


def test_what_stands_nowhere_hands_nothing_on() -> None:
    def program() -> None:
        thread = threading.Thread()
        blocks.started(thread)
        blocks.settle()
        assert (thread in blocks._STARTED, stands()) == (False, [])

    fresh(program)
