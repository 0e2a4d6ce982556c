"""What a task draws is named by who started it, whether or not the starter draws itself."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
import trio
import uvloop

from cachesaver import tasks
from cachesaver.contexts import Family, epoch, here

Names = dict[str, tuple[str, ...]]
Pause = Callable[[str], Awaitable[None]]


@pytest.fixture(autouse=True)
def _hooked() -> Iterator[None]:
    before = _attributes()
    undo = [tasks.hook(each) for each in (asyncio, uvloop, trio)]
    yield
    for each in undo:
        each()
    assert _attributes() == before


def _attributes() -> list[object]:
    loop, uv, nursery = asyncio.BaseEventLoop, uvloop.Loop, trio.Nursery
    return [vars(loop)["create_task"], vars(uv).get("create_task"), vars(nursery)["start_soon"]]


RUNS = itertools.count()


def new_run() -> Family:
    """Count anew what is started, as every session does."""
    epoch.now = f"run {next(RUNS)}"
    return Family("0")


async def program(family: Family, pause: Pause, gather: Callable[..., Awaitable[None]]) -> Names:
    """Three branches that draw nothing themselves; each asks its own question, then a shared one."""
    names: Names = {}

    async def ask(branch: str, question: str) -> None:
        await pause(branch)
        names[f"{branch}/{question}"] = family.draw(question, 1).ids

    async def branch(name: str) -> None:
        await gather(lambda: ask(name, f"own {name}"))
        await gather(lambda: ask(name, "shared"), lambda: ask(name, f"other {name}"))

    await gather(*(lambda name=name: branch(name) for name in "abc"))
    return names


def slow(order: Sequence[str], sleep: Callable[[float], Awaitable[None]]) -> Pause:
    """Branches go on in *order*: each waits as many turns of the loop as stand before it."""

    async def pause(branch: str) -> None:
        for _ in range(7 * order.index(branch)):
            await sleep(0)

    return pause


def on_asyncio(order: Sequence[str], run: Callable[[Any], Any] = asyncio.run) -> Names:
    async def gather(*makers: Callable[[], Any]) -> None:
        await asyncio.gather(*(maker() for maker in makers))

    names: Names = run(program(new_run(), slow(order, asyncio.sleep), gather))
    return names


def on_task_groups(order: Sequence[str]) -> Names:
    async def gather(*makers: Callable[[], Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for maker in makers:
                group.create_task(maker())

    names: Names = asyncio.run(program(new_run(), slow(order, asyncio.sleep), gather))
    return names


def on_uvloop(order: Sequence[str]) -> Names:
    return on_asyncio(order, uvloop.run)


def on_trio(order: Sequence[str]) -> Names:
    async def gather(*makers: Callable[[], Any]) -> None:
        async with trio.open_nursery() as nursery:
            for maker in makers:
                nursery.start_soon(maker)

    async def main() -> Names:
        return await program(new_run(), slow(order, trio.sleep), gather)

    return trio.run(main)


@pytest.mark.parametrize("run", [on_asyncio, on_task_groups, on_uvloop, on_trio])
def test_branches_keep_their_names_whichever_is_slow(run: Callable[[Sequence[str]], Names]) -> None:
    named = [run(order) for order in itertools.permutations("abc")]

    assert all(each == named[0] for each in named)
    assert len({name for names in named[0].values() for name in names}) == 9


def test_without_places_the_names_would_depend_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given tasks that are not told apart, then the test above fails: it can."""
    plain = vars(asyncio.BaseEventLoop)["create_task"].__wrapped__
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_task", plain)

    named = [on_asyncio(order) for order in itertools.permutations("abc")]

    assert any(each != named[0] for each in named)


def test_a_task_factory_of_the_programs_own_is_used() -> None:
    made = list[str]()

    async def child() -> int:
        return 7

    async def main() -> int:
        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> Any:
            made.append(coroutine.__name__)
            return asyncio.Task(coroutine, loop=loop, **kwargs)

        asyncio.get_running_loop().set_task_factory(factory)
        return await asyncio.create_task(child(), name="kept")

    assert asyncio.run(main()) == 7
    assert "child" in made


def test_a_chain_of_successors_keeps_no_ancestors() -> None:
    """Given a task that for ever starts its own successor, then its place does not grow deeper."""

    async def main() -> int:
        done = asyncio.get_running_loop().create_future()

        async def link(left: int) -> None:
            if left:
                held.append(asyncio.create_task(link(left - 1)))
            else:
                place, depth = here(), 0
                while place.parent is not None:
                    place, depth = place.parent, depth + 1
                done.set_result(depth)

        held = [asyncio.create_task(link(1000))]
        return int(await done)

    assert asyncio.run(main()) <= 201


def test_work_handed_to_a_thread_has_a_place_of_its_own() -> None:
    """Given one task and its `to_thread` calls, then no two draws share a name, in any pool thread."""

    async def main() -> list[str]:
        family = new_run()
        first = family.draw("q", 1).ids
        later = [(await asyncio.to_thread(family.draw, "q", 1)).ids for _ in range(5)]
        return [name for names in (first, *later) for name in names]

    one, other = asyncio.run(main()), asyncio.run(main())

    assert one == other
    assert len(set(one)) == 6


def test_one_program_in_two_namespaces_of_one_loop_gets_one_set_of_names() -> None:
    """Given a program run twice inside one task, when each run is a session, then each counts anew."""

    async def gather(*makers: Callable[[], Any]) -> None:
        await asyncio.gather(*(maker() for maker in makers))

    async def main() -> list[Names]:
        named = list[Names]()
        for order in ("abc", "cab"):
            named.append(await program(new_run(), slow(order, asyncio.sleep), gather))
        return named

    one, other = asyncio.run(main())

    assert one == other


def test_a_loop_run_after_a_blocking_draw_names_its_tasks_as_before_one() -> None:
    family = Family("0")

    def names() -> Names:
        return on_asyncio("abc")

    before = names()
    family.draw("q", 1)

    assert names() == before
