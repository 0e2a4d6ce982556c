"""Which context runs now, and the node it draws from, however tasks and threads interleave."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesaver.contexts import REQUEST_ID, Family, current_context, here, inside, is_inside
from cachesaver.tasks import hook


def one(family: Family, question: str = "q") -> str:
    (drawn,) = family.draw(question, 1).ids
    return drawn


def fresh(program: Callable[[], Any]) -> Any:
    """Run *program* in a thread that has drawn nothing yet."""
    seen = list[Any]()
    thread = threading.Thread(target=lambda: seen.append(program()))
    thread.start()
    thread.join()
    return seen[0]


class TestTheContextThatRuns:
    def test_outside_of_tasks_it_is_the_thread(self) -> None:
        assert current_context() is threading.current_thread()
        assert fresh(current_context) is not threading.current_thread()

    def test_in_asyncio_it_is_the_task(self) -> None:
        async def program() -> bool:
            return current_context() is asyncio.current_task()

        assert asyncio.run(program())

    def test_in_trio_it_is_the_task(self) -> None:
        async def program() -> bool:
            return current_context() is trio.lowlevel.current_task()

        assert trio.run(program)

    def test_in_a_callback_of_a_loop_it_is_the_thread(self) -> None:
        seen = list[object]()

        async def program() -> None:
            called = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: seen.append(current_context()))
            loop.call_soon(called.set)
            await called.wait()

        asyncio.run(program())

        assert seen == [threading.current_thread()]

    def test_neither_loop_is_imported_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "asyncio")
        monkeypatch.delitem(sys.modules, "trio")

        assert current_context() is threading.current_thread()
        assert not {"asyncio", "trio"} & set(sys.modules)

    def test_a_loop_that_is_just_being_imported_runs_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))

        assert current_context() is threading.current_thread()


class TestInside:
    def test_it_holds_in_the_block_and_in_what_is_started_there(self) -> None:
        async def program() -> list[bool]:
            with inside():
                task = asyncio.create_task(_is_inside())
            return [await task, is_inside()]

        assert asyncio.run(program()) == [True, False]

    def test_an_error_leaves_it(self) -> None:
        with pytest.raises(ZeroDivisionError), inside():
            _ = 1 / 0

        assert not is_inside()

    def test_a_block_left_from_another_context_is_left_without_a_word(self) -> None:
        block = inside()
        contextvars.copy_context().run(block.__enter__)

        block.__exit__(None, None, None)

        assert not is_inside()


async def _is_inside() -> bool:
    return is_inside()


class TestNodes:
    """Every program is run twice, each time as a new family: the ids must be the same."""

    def twice(self, program: Callable[[Family], Any]) -> Any:
        first, second = (fresh(lambda: program(Family("0"))) for _ in range(2))
        assert first == second
        return first

    def test_a_context_counts_its_own_draws(self) -> None:
        ids = self.twice(lambda family: [one(family), one(family), one(family, "p")])

        assert len(set(ids)) == 3

    def test_several_draws_at_once_are_as_many_ids(self) -> None:
        ids = self.twice(lambda family: family.draw("q", 3).ids)

        assert len(set(ids)) == 3

    @pytest.mark.parametrize("start", ["create_task", "gather", "TaskGroup"])
    def test_tasks_are_children_of_the_one_who_starts_them(self, start: str) -> None:
        async def child(family: Family) -> list[str]:
            mine = one(family)
            await asyncio.sleep(0)
            return [mine, one(family)]

        async def program(family: Family) -> list[list[str]]:
            before = one(family)
            if start == "gather":
                found = list(await asyncio.gather(child(family), child(family)))
            elif start == "TaskGroup":
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(child(family)) for _ in range(2)]
                found = [task.result() for task in tasks]
            else:
                tasks = [asyncio.create_task(child(family)) for _ in range(2)]
                found = [await task for task in tasks]
            return [[before], *found, [one(family)]]

        ids = self.twice(lambda family: asyncio.run(program(family)))

        assert len({each for found in ids for each in found}) == 6

    def test_tasks_in_a_nursery_are_children(self) -> None:
        """Trio starts siblings in any order: the ids are the same, and who has which is not."""

        async def program(family: Family) -> set[str]:
            seen = {one(family)}

            async def child() -> None:
                seen.add(one(family))
                await trio.lowlevel.checkpoint()
                seen.add(one(family))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
                nursery.start_soon(child)
            return seen

        assert len(self.twice(lambda family: trio.run(program, family))) == 5

    def test_a_call_in_a_thread_of_a_loop_is_a_child_of_its_task(self) -> None:
        async def program(family: Family) -> list[str]:
            async def asking() -> str:
                one(family)
                return await asyncio.to_thread(one, family)

            return [await asking(), await asyncio.create_task(asking())]

        assert len(set(self.twice(lambda family: asyncio.run(program(family))))) == 2

    def test_threads_that_inherit_nothing_hang_under_the_process(self) -> None:
        def program(family: Family) -> list[str]:
            one(family)
            return [fresh(lambda: one(family)) for _ in range(2)]

        assert len(set(self.twice(program))) == 2

    def test_which_thread_of_a_pool_serves_a_task_does_not_matter(self) -> None:
        async def program(family: Family, workers: int) -> list[str]:
            with ThreadPoolExecutor(workers) as pool:
                asyncio.get_running_loop().set_default_executor(pool)
                return [await asyncio.to_thread(one, family) for _ in range(4)]

        one_worker = fresh(lambda: asyncio.run(program(Family("0"), 1)))
        many = fresh(lambda: asyncio.run(program(Family("0"), 4)))

        assert one_worker == many

    def test_a_name_holds_wherever_it_is_said(self) -> None:
        def program(family: Family) -> list[str]:
            REQUEST_ID.set("agent")
            return [one(family), fresh(lambda: family.named("agent", "q", 1).ids[0])]

        assert len(set(self.twice(program))) == 2
        assert fresh(lambda: one(Family("0"))) not in self.twice(program)

    def test_processes_differ(self) -> None:
        assert fresh(lambda: one(Family("0"))) != fresh(lambda: one(Family("1")))

    def test_a_context_holds_no_node_of_a_run_that_has_ended(self) -> None:
        def program() -> int:
            for _ in range(5):
                family = Family("0")
                one(family)
                family.is_over = True
            one(Family("0"))
            return len(here().nodes)

        assert fresh(program) == 1

    def test_a_task_that_has_ended_is_not_held(self) -> None:
        async def program(family: Family) -> weakref.ref[Any]:
            one(family)
            ended = asyncio.create_task(_drawing(family))
            await ended
            return weakref.ref(ended)

        family = Family("0")
        reference = fresh(lambda: asyncio.run(program(family)))
        gc.collect()

        assert reference() is None


async def _drawing(family: Family) -> None:
    one(family)


# --- the same ids whatever the timing -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    question: str


@dataclass(frozen=True, slots=True)
class Spawn:
    program: Program


Program = tuple[Ask | Spawn, ...]
"""What a task does, step after step; what it spawned it awaits at its end."""

PROGRAMS: st.SearchStrategy[Program] = st.recursive(
    st.lists(st.builds(Ask, st.sampled_from("ab")), max_size=3).map(tuple),
    lambda inner: st.lists(
        st.builds(Ask, st.sampled_from("ab")) | st.builds(Spawn, inner), max_size=4
    ).map(tuple),
    max_leaves=12,
)


def named(program: Program) -> Program:
    """Let the first question of every task tell its whole program.

    Then tasks with one past and one first question have one future: they are exchangeable.
    """
    steps = [replace(step, program=named(step.program)) if isinstance(step, Spawn) else step
             for step in program]  # fmt: skip
    first = next((place for place, step in enumerate(steps) if isinstance(step, Ask)), None)
    if first is not None:
        steps[first] = Ask(f"first of {steps!r}")
    return tuple(steps)


def drawn(program: Program, seed: int) -> dict[str, tuple[tuple[str, ...], str]]:
    """Run *program* under the schedule *seed*: by draw id, the questions on the way, and the question."""
    family, found, chance = (
        Family("0"),
        dict[str, tuple[tuple[str, ...], str]](),
        random.Random(seed),  # noqa: S311  # a schedule,
    )

    async def task(steps: Program, above: tuple[str, ...]) -> None:
        path, children = above, list[Coroutine[Any, Any, None] | asyncio.Task[None]]()
        for step in steps:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            if isinstance(step, Spawn):
                children.append(asyncio.create_task(task(step.program, path)))
                continue
            if path is above:
                path = (*above, step.question)
            name = one(family, step.question)
            assert name not in found
            found[name] = (path, step.question)
        await asyncio.gather(*children)

    fresh(lambda: asyncio.run(task(program, ())))
    return found


@settings(deadline=None, max_examples=60)
@given(PROGRAMS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_draw_has_one_name_under_every_schedule(program: Program, one: int, other: int) -> None:
    """Given any tree of tasks, when it runs with other timing, then every draw keeps its name."""
    assert drawn(named(program), one) == drawn(named(program), other)


@settings(deadline=None, max_examples=120)
@given(PROGRAMS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_so_it_has_where_tasks_are_told_apart(program: Program, one: int, other: int) -> None:
    """Given a starter that asks later than what it started, then who comes first does not matter."""
    undo = hook(asyncio)
    try:
        assert drawn(named(program), one) == drawn(named(program), other)
    finally:
        undo()
