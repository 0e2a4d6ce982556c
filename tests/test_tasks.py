"""What a task draws is named by who started it, whether or not the starter draws itself."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
import trio
import uvloop

from cachesaver import scopes, tasks
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
    modules: dict[str, Any] = {"asyncio": asyncio, "uvloop": uvloop, "trio": trio}
    found = list[object]()
    for module, rows in tasks.LOOPS.items():
        for kind, name, _ in rows:
            owned: dict[str, object] = getattr(modules[module], kind).__dict__
            found.append(owned.get(name))
    return found


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

    new_run()  # the first `main` of its run, as the second one is
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


def test_one_program_in_two_replicates_of_one_loop_gets_one_set_of_names() -> None:
    """Given a program that goes through replicates, then each is named as it would be alone."""

    async def gather(*makers: Callable[[], Any]) -> None:
        await asyncio.gather(*(maker() for maker in makers))

    async def main() -> list[Names]:
        named = list[Names]()
        for number, order in enumerate(("abc", "cab")):
            with scopes.namespace("n", replicate=number):
                named.append(await program(Family("0"), slow(order, asyncio.sleep), gather))
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


@pytest.mark.parametrize("closing", ["aclose", "close", "__aexit__"])
def test_what_a_finaliser_runs_a_loop_for_changes_no_name(closing: str) -> None:
    """As SDKs close their async clients: by `asyncio.run`, whenever the garbage collector comes."""

    class Client:
        async def close(self) -> None:
            pass

        aclose = close

    Client.aclose.__qualname__ = f"Client.{closing}"

    def names(*, closes: bool) -> Names:
        family, told = new_run(), Names()

        async def main(number: int) -> None:
            told[str(number)] = family.draw("q", 1).ids

        for number in range(3):
            if closes:
                asyncio.run(Client().aclose())
            asyncio.run(main(number))
        return told

    assert names(closes=True) == names(closes=False)


# --- tasks that ask one question first, and part ways then


class Turns:
    """Lets tasks that run side by side go on in the order that is asked for."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = list(order)

    async def take(self, piece: int) -> None:
        while self._order[0] != piece:
            await anyio.lowlevel.checkpoint()

    def done(self, piece: int) -> None:
        self._order.remove(piece)


PIECES = range(4)


class Work:
    """Asks one question that all pieces ask, then one of its own; notes what the draws are called."""

    def __init__(self, order: Sequence[int]) -> None:
        self.family = new_run()
        self.names: dict[int, tuple[str, str]] = {}
        self._turns = Turns(order)

    async def __call__(self, piece: int) -> None:
        await self._turns.take(piece)
        (first,) = self.family.draw("all", 1).ids
        await anyio.lowlevel.checkpoint()
        (second,) = self.family.draw(f"of {piece}", 1).ids
        self.names[piece] = first, second
        self._turns.done(piece)


def by_gather(work: Work) -> None:
    async def main() -> None:
        await asyncio.gather(*(work(piece) for piece in PIECES))

    asyncio.run(main())


def by_gather_on_uvloop(work: Work) -> None:
    async def main() -> None:
        await asyncio.gather(*(work(piece) for piece in PIECES))

    uvloop.run(main())


def by_task_group(work: Work) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for piece in PIECES:
                group.create_task(work(piece))

    asyncio.run(main())


def by_wait_for_and_shield(work: Work) -> None:
    async def main() -> None:
        bounded = [asyncio.wait_for(work(piece), 20) for piece in PIECES[:2]]
        shielded = [asyncio.shield(work(piece)) for piece in PIECES[2:]]
        await asyncio.gather(*bounded, *shielded)

    asyncio.run(main())


def by_timeout(work: Work) -> None:
    async def bounded(piece: int) -> None:
        async with asyncio.timeout(20):
            await work(piece)

    async def main() -> None:
        await asyncio.gather(*map(bounded, PIECES))

    asyncio.run(main())


def by_as_completed(work: Work) -> None:
    async def main() -> None:
        started = [asyncio.ensure_future(work(piece)) for piece in PIECES]
        for each in asyncio.as_completed(started):
            await each

    asyncio.run(main())


def by_tasks_before_the_loop_runs(work: Work) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        started = [loop.create_task(work(piece)) for piece in PIECES]
        loop.run_until_complete(asyncio.wait(started))


def by_several_runs(work: Work) -> None:
    """Not side by side; the order is that of the program."""
    work._turns = Turns(PIECES)
    for piece in PIECES:
        asyncio.run(work(piece))


def by_tasks_in_one_context(work: Work) -> None:
    async def main() -> None:
        context = contextvars.copy_context()
        started = [asyncio.create_task(work(piece), context=context) for piece in PIECES]
        await asyncio.wait(started)

    asyncio.run(main())


def by_a_task_factory(work: Work) -> None:
    async def main() -> None:
        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> Any:
            return asyncio.Task(coroutine, loop=loop, **kwargs)

        asyncio.get_running_loop().set_task_factory(factory)
        await asyncio.gather(*(work(piece) for piece in PIECES))

    asyncio.run(main())


def by_eager_tasks(work: Work) -> None:
    async def main() -> None:
        factory = getattr(asyncio, "eager_task_factory", None)  # since Python 3.12
        asyncio.get_running_loop().set_task_factory(factory)
        await asyncio.gather(*(work(piece) for piece in PIECES))

    asyncio.run(main())


def by_nursery(work: Work) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for piece in PIECES:
                nursery.start_soon(work, piece)

    trio.run(main)


def by_nursery_start(work: Work) -> None:
    async def main() -> None:
        async def piece_of_work(
            piece: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        ) -> None:
            task_status.started()
            await work(piece)

        async with trio.open_nursery() as nursery:
            for piece in PIECES:
                await nursery.start(piece_of_work, piece)

    trio.run(main)


def by_anyio(work: Work) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            for piece in PIECES:
                group.start_soon(work, piece)

    anyio.run(main)


def by_anyio_start(work: Work) -> None:
    async def piece_of_work(piece: int, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        await work(piece)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for piece in PIECES:
                await group.start(piece_of_work, piece)

    anyio.run(main)


def by_anyio_on_trio(work: Work) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            for piece in PIECES:
                group.start_soon(work, piece)

    anyio.run(main, backend="trio")


STARTS = [each for name, each in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("start", STARTS, ids=lambda each: each.__name__)
def test_a_task_keeps_its_names_whoever_is_first(start: Callable[[Work], None]) -> None:
    names = list[dict[int, tuple[str, str]]]()
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        work = Work(order)
        start(work)
        names.append(work.names)

    assert sorted(names[0]) == list(PIECES)
    assert len({name for both in names[0].values() for name in both}) == 2 * len(PIECES)
    assert names[0] == names[1] == names[2]


def test_tasks_that_a_callback_starts_are_told_apart_by_what_they_ask() -> None:
    """Given a server, whose requests come in any order, then a task is named by its first question."""

    def names(order: Sequence[int]) -> dict[int, tuple[str, ...]]:
        named = dict[int, tuple[str, ...]]()
        family = new_run()

        async def handle(request: int) -> None:
            first = family.draw(f"of {request}", 1).ids
            named[request] = (*first, *family.draw("all", 1).ids)

        async def main() -> None:
            loop, started = asyncio.get_running_loop(), list[asyncio.Task[None]]()

            def start(request: int) -> None:
                started.append(loop.create_task(handle(request)))

            for request in order:
                loop.call_soon(start, request)
            await asyncio.sleep(0)
            await asyncio.wait(started)

        asyncio.run(main())
        return named

    assert names((0, 1, 2)) == names((2, 0, 1))


def test_a_coroutine_may_be_given_by_its_keyword() -> None:
    async def child() -> int:
        return 7

    async def main() -> int:
        loop: Any = asyncio.get_running_loop()
        return int(await loop.create_task(coro=child()))

    assert asyncio.run(main()) == 7


def test_a_nursery_that_is_left_behind_only_passes_on() -> None:
    """Given somebody who has patched on top, when we leave, then our layers only pass on."""
    undo = tasks.hook(trio)
    start, start_soon = trio.Nursery.start, trio.Nursery.start_soon
    undo()
    ran = list[object]()

    async def child(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        ran.append(here().number)
        task_status.started()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await start(nursery, child)
            start_soon(nursery, child)

    trio.run(main)

    assert len(ran) == 2


@pytest.mark.parametrize(
    ("module", "has_place"), [("aiohttp.client_reqrep", False), ("mine", True)]
)
def test_what_aiohttp_writes_a_request_with_needs_no_place(module: str, *, has_place: bool) -> None:
    """Told by its name and whose code it is, for there is one for every request."""
    names: dict[str, Any] = {"__name__": module}
    source = "class ClientRequest:\n    async def write_bytes(self): pass"
    exec(source, names)  # noqa: S102  # globals are what it is about
    request = names["ClientRequest"]()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        before = here().born("ClientRequest.write_bytes", scope=None, is_ordered=True).number
        for _ in range(2):  # the second time it is known by its code
            await loop.create_task(request.write_bytes())
        after = here().born("ClientRequest.write_bytes", scope=None, is_ordered=True).number
        assert before is not None
        assert after is not None
        return after - before - 1

    assert asyncio.run(main()) == 2 * has_place
