"""Who answers a call, by the context that makes it, however blocks are interleaved."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import itertools
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesaver import blocks
from cachesaver.blocks import Block
from cachesaver.doors import Door
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.mounts import MOUNTS, Mount
from cachesaver.session import Session
from cachesaver.transports.gates import FakeGate


class Named(FakeGate):
    """Wants what goes to the host of its name."""

    replays = False

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.heads_too = False

    @property
    def heads(self) -> bool:
        return self.heads_too

    def wants(self, method: str, host: str, path: str) -> bool:
        return host == self.name


def session(name: str) -> Session:
    """A gate is all that a door takes a session for."""
    return cast("Session", Named(name))


def opened(door: Door, name: str, *, is_plain: bool = False) -> Block:
    return door.open_session(session(name), is_plain=is_plain)


def entered(door: Door, name: str) -> Block:
    block = opened(door, name)
    door.enter(block)
    return block


NAMES = "abcdefgh"


def asked(door: Door) -> str:
    """The name of who answers here; empty: nobody."""
    found = [name for name in NAMES if door.wants("POST", name, "/")]
    if not door.guests:
        inner = cast("Any", door.session())
        assert [each.name for each in (inner,) if each] == found
    return "".join(found)


def fresh(program: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(program).result()


# --- two that take turns

PLAIN = "h"
STEPS = ("ask", "enter", "ask", "leave", "ask")


def interleavings() -> Iterator[tuple[str, ...]]:
    """Every order in which two, of whom each takes his steps in order, may take theirs."""
    for places in itertools.combinations(range(2 * len(STEPS)), len(STEPS)):
        yield tuple("a" if at in places else "b" for at in range(2 * len(STEPS)))


class Taking:
    """What one of them does, step by step; it notes who answered, and who should have."""

    def __init__(self, door: Door, name: str, open_now: list[str]) -> None:
        self._door, self._name, self._open_now = door, name, open_now
        self._steps = iter(STEPS)
        self._block = Block()
        self.answered = list[str]()
        self.expected = list[str]()

    def step(self) -> None:
        step = next(self._steps)
        if step == "enter":
            self._block = entered(self._door, self._name)
            self._open_now.append(self._name)
        elif step == "leave":
            self._door.close(self._block)
            self._open_now.remove(self._name)
        else:
            self.answered.append(asked(self._door))
            if self._name in self._open_now:
                self.expected.append(self._name)
            else:  # around all is a plain one, or nothing
                around = self._open_now[:1] if PLAIN in self._open_now else self._open_now[-1:]
                self.expected.append("".join(around))


def in_tasks(takings: dict[str, Taking], order: Sequence[str]) -> None:
    async def main() -> None:
        turns = {name: asyncio.Queue[asyncio.Future[None]]() for name in takings}

        async def task(name: str) -> None:
            for _ in STEPS:
                done = await turns[name].get()
                takings[name].step()
                done.set_result(None)

        async with asyncio.TaskGroup() as group:
            for name in takings:
                group.create_task(task(name))
            for name in order:
                done = asyncio.get_running_loop().create_future()
                turns[name].put_nowait(done)
                await done

    asyncio.run(main())


def in_threads(takings: dict[str, Taking], order: Sequence[str]) -> None:
    turns = {name: queue.SimpleQueue[Future[None]]() for name in takings}

    def work(name: str) -> None:
        for _ in STEPS:
            done = turns[name].get()
            takings[name].step()
            done.set_result(None)

    threads = [threading.Thread(target=work, args=(name,)) for name in takings]
    for thread in threads:
        blocks.started(thread)
        thread.start()
    for name in order:
        done = Future[None]()
        turns[name].put(done)
        done.result(20)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("way", [in_tasks, in_threads])
@pytest.mark.parametrize("around", ["", PLAIN])
def test_two_side_by_side_are_told_apart_in_every_order(
    way: Callable[[dict[str, Taking], Sequence[str]], None], around: str
) -> None:
    for order in interleavings():
        door, open_now = Door(), list[str]()
        takings = {name: Taking(door, name, open_now) for name in "ab"}
        plain = opened(door, PLAIN, is_plain=True) if around else None
        open_now += around

        way(takings, order)

        for taking in takings.values():
            assert taking.answered == taking.expected, order
        assert not door.is_divided
        if plain is not None:
            door.close(plain)


# --- any number, with blocks in blocks, plain sessions, and what is started inside


@dataclass
class Context:
    """A context, and the blocks it is in by the model, by the numbers of their opening."""

    real: contextvars.Context
    stack: list[int] = field(default_factory=list[int])


class Model:
    """Says who should answer, from the whole story, and asks who does."""

    def __init__(self) -> None:
        self.door = Door()
        self.contexts = [Context(contextvars.Context()) for _ in range(3)]
        self.blocks: dict[int, tuple[Block, str, frozenset[int]]] = {}
        self.plain = set[int]()
        self.count = itertools.count()

    def standing(self, who: Context) -> list[int]:
        return [each for each in who.stack if each in self.blocks]

    def open_one(self, who: Context, *, is_plain: bool) -> None:
        if len(self.blocks) == len(NAMES):
            return
        name = min(set(NAMES) - {taken for _, taken, _ in self.blocks.values()})
        block = who.real.run(opened, self.door, name, is_plain=is_plain)
        number = next(self.count)
        self.blocks[number] = block, name, frozenset(self.standing(who))
        who.stack.append(number)
        if is_plain:
            self.plain.add(number)
        else:
            who.real.run(self.door.enter, block)

    def close(self, who: Context, number: int) -> None:
        who.real.run(self.door.close, self.blocks.pop(number)[0])

    def expected(self, who: Context) -> str:
        order, standing = sorted(self.blocks), self.standing(who)
        plain = [each for each in order if each in self.plain]
        if own := [each for each in standing if each not in self.plain]:
            inside = [each for each in plain if own[-1] in self.made_in(each)]
            return self.blocks[(inside or own)[-1]][1]
        answers = plain if standing else order
        return self.blocks[answers[-1]][1] if answers else ""

    def made_in(self, number: int) -> frozenset[int]:
        return self.blocks[number][2]

    def check(self) -> None:
        for who in self.contexts:
            assert who.real.run(asked, self.door) == self.expected(who)


ACTS = st.tuples(
    st.sampled_from(["enter", "enter", "enter", "plain", "leave", "leave", "close any", "start"]),
    st.integers(0, 99),
    st.integers(0, 99),
)


@given(acts=st.lists(ACTS, max_size=14))
@settings(max_examples=300)
def test_whatever_happens_the_innermost_one_that_a_context_is_in_answers_it(
    acts: list[tuple[str, int, int]],
) -> None:
    async def story() -> None:
        model = Model()
        for act, one, other in acts:
            who = model.contexts[one % len(model.contexts)]
            own, all_open = model.standing(who), sorted(model.blocks)
            if act in ("enter", "plain"):
                model.open_one(who, is_plain=act == "plain")
            elif act == "leave" and own:
                model.close(who, own[-1])
            elif act == "close any" and all_open:  # from elsewhere, and out of order
                model.close(who, all_open[other % len(all_open)])
            elif act == "start":
                inherited = who.real.run(contextvars.copy_context)
                model.contexts.append(Context(inherited, list(who.stack)))
            model.check()

    asyncio.run(story())


# --- plain sessions


def test_a_plain_one_answers_everybody_who_stands_in_no_block() -> None:
    def program() -> None:
        door = Door()
        opened(door, "a", is_plain=True)

        assert asked(door) == fresh(lambda: asked(door)) == "a"
        assert not door.is_divided

    fresh(program)


def test_a_plain_one_answers_what_was_started_after_it_beside_blocks_of_others() -> None:
    def program() -> None:
        door = Door()
        plain = opened(door, "a", is_plain=True)
        block = fresh(lambda: entered(door, "b"))
        assert asked(door) == "a"
        assert contextvars.copy_context().run(asked, door) == "a"
        assert fresh(lambda: asked(door)) == "b", "nobody knows where it is from"
        door.close(plain)
        assert asked(door) == "b"
        door.close(block)

    fresh(program)


def test_the_last_plain_one_answers_for_those_before_it() -> None:
    def program() -> None:
        door = Door()
        opened(door, "a", is_plain=True)
        fresh(lambda: entered(door, "b"))
        later = fresh(lambda: opened(door, "c", is_plain=True))
        assert asked(door) == fresh(lambda: asked(door)) == "c"
        door.close(later)
        assert asked(door) == "a"

    fresh(program)


def test_a_plain_one_that_is_made_before_a_block_answers_outside_of_it_when_it_is_left() -> None:
    def program() -> None:
        door = Door()
        opened(door, "a", is_plain=True)
        block = entered(door, "b")
        assert asked(door) == "b"
        door.close(block)
        assert asked(door) == "a"

    fresh(program)


def test_a_plain_one_that_is_made_in_a_block_answers_all_who_stand_in_that() -> None:
    def program() -> None:
        door = Door()
        entered(door, "a")
        inside = contextvars.copy_context()
        plain = fresh(lambda: inside.run(opened, door, "b", is_plain=True))
        assert asked(door) == "b"
        assert not door.is_divided, "everybody is answered by it"
        door.close(plain)
        assert asked(door) == "a"

    fresh(program)


def test_a_plain_one_that_is_made_elsewhere_takes_no_call_out_of_a_block() -> None:
    def program() -> None:
        door = Door()
        entered(door, "a")
        fresh(lambda: opened(door, "b", is_plain=True))
        assert asked(door) == "a"
        assert fresh(lambda: asked(door)) == "b"

    fresh(program)


def test_a_block_in_a_block_is_not_answered_by_what_is_made_outside_of_it() -> None:
    def program() -> None:
        door = Door()
        entered(door, "a")
        outer = contextvars.copy_context()

        async def task() -> None:
            entered(door, "b")
            outer.run(opened, door, "c", is_plain=True)
            assert asked(door) == "b"

        asyncio.run(task())
        assert asked(door) == "c"

    fresh(program)


def test_one_that_was_plain_is_a_block_when_it_is_entered() -> None:
    def program() -> None:
        door = Door()
        first = opened(door, "a", is_plain=True)
        opened(door, "b", is_plain=True)
        door.enter(first)
        assert asked(door) == "a"
        assert fresh(lambda: asked(door)) == "b"
        door.close(first)
        assert asked(door) == "b"

    fresh(program)


def test_one_that_nobody_has_entered_yet_takes_no_call_out_of_a_block() -> None:
    def program() -> None:
        door = Door()
        entered(door, "a")
        fresh(lambda: opened(door, "b"))
        assert asked(door) == "a"

    fresh(program)


# --- guests


def guest(door: Door, name: str) -> Block:
    block = door.open_guest(Named(name))
    door.enter(block)
    return block


def test_one_that_is_just_opened_is_led_to_by_nobody_else() -> None:
    """Given a thread that asks while another one opens a block, then it is answered as before."""

    class Watched(Door):
        def turn(self) -> None:
            found.append(self._here())
            super().turn()

    found = list[object]()
    door = Watched()
    entered(door, "mine")
    found.clear()

    opened(door, "theirs")

    assert [cast("Named", each).name for each in found] == ["mine"]


def test_a_guest_answers_before_any_session_where_it_is_entered() -> None:
    def program() -> None:
        door = Door()
        opened(door, "a", is_plain=True)
        block = guest(door, "b")
        assert asked(door) == fresh(lambda: asked(door)) == "b"
        inner = entered(door, "c")
        assert asked(door) == "b"
        door.close(block)
        assert asked(door) == "c"
        door.close(inner)
        assert asked(door) == "a"

    fresh(program)


def test_guests_and_blocks_side_by_side_are_told_apart() -> None:
    async def main() -> list[str]:
        door, ready = Door(), asyncio.Barrier(3)

        async def task(enter: Callable[[Door, str], Block], name: str) -> str:
            enter(door, name)
            await ready.wait()
            return asked(door)

        named = [(guest, "a"), (guest, "b"), (entered, "c")]
        return list(await asyncio.gather(*(task(enter, name) for enter, name in named)))

    assert asyncio.run(main()) == ["a", "b", "c"]


def test_who_stands_with_a_guest_only_is_counted_for_the_last_session() -> None:
    def program() -> None:
        door = Door()
        block = guest(door, "a")
        fresh(lambda: entered(door, "b"))
        assert cast("Any", door.session()).name == "b"
        assert asked(door) == "a"
        door.close(block)

    fresh(program)


# --- the gate


def test_who_answers_is_not_looked_for_while_it_is_one() -> None:
    """Every call of the process comes past `wants`."""

    def program() -> None:
        door = Door()
        opened(door, "a", is_plain=True)
        assert door.wants == door.sessions[-1].gate.wants
        opened(door, "b", is_plain=True)
        assert door.wants == door.sessions[-1].gate.wants
        entered(door, "c")
        assert door.wants == door._wants_here
        opened(door, "d", is_plain=True)
        assert door.wants == door.sessions[-1].gate.wants
        for each in door.sessions:
            door.close(each.block)
        entered(door, "e")
        assert door.wants == door.sessions[-1].gate.wants

    fresh(program)


def is_orders(path: str) -> bool:
    return path == "/orders"


def ignoring(name: str) -> Session:
    """Ignores a path as all do that this makes."""
    made: Any = Named(name)
    made.ignores = is_orders
    return cast("Session", made)


def test_what_all_who_may_answer_ignore_is_ignored() -> None:
    """Given sessions side by side, then whoever is asked, the path alone decides."""

    def program() -> None:
        door = Door()
        assert not door.ignores("/orders")
        block = door.open_session(ignoring("a"), is_plain=True)
        door.enter(door.open_session(ignoring("b"), is_plain=False))
        assert door.is_divided
        assert door.ignores("/orders")
        assert not door.ignores("/other")

        entered(door, "c")
        assert not door.ignores("/orders")
        door.close(door.sessions[-1].block)
        guest = door.open_guest(Named("d"))
        assert not door.ignores("/orders")
        door.close(guest)
        assert door.ignores("/orders")

        door.close(block)
        door.close(door.sessions[-1].block)
        assert not door.ignores("/orders")

    fresh(program)


def test_nothing_is_ignored_while_a_host_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        door = Door()
        door.open_session(ignoring("a"), is_plain=True)
        assert door.ignores("/orders")

        monkeypatch.setitem(MOUNTS, "mounted.test", cast("Any", None))
        door.turn()

        assert not door.ignores("/orders")

    fresh(program)


REQUEST = Request(method="POST", url="https://mounted.test/v1?q=1")
REPLY: Any = object()


class Answering(Named):
    """Answers by its name."""

    through = False

    @property
    def through_mocks(self) -> bool:
        return self.through

    def answer(self, request: Request, send: Any) -> Reply:
        return cast("Reply", self.name)

    async def aanswer(self, request: Request, send: Any) -> AsyncReply:
        return cast("AsyncReply", self.name)


def both(door: Door) -> set[Any]:
    """What the door answers, blocking and not."""

    async def send(request: Request) -> Any:
        return REPLY

    return {
        door.answer(REQUEST, lambda _: REPLY),
        asyncio.run(cast("Any", door.aanswer(REQUEST, send))),
    }


def test_all_that_a_gate_is_asked_comes_to_who_answers_here() -> None:
    def program() -> None:
        door = Door()
        assert (door.through_mocks, door.heads, both(door)) == (False, False, {REPLY})
        door.passed("nobody", "hears it")
        here, there = Answering("a"), Answering("b")
        here.through = here.heads_too = True
        door.enter(door.open_session(cast("Session", here), is_plain=False))
        fresh(lambda: door.enter(door.open_session(cast("Session", there), is_plain=False)))

        assert (door.through_mocks, door.heads, both(door)) == (True, True, {"a"})
        door.passed("POST /", "why not")
        assert (here.passes, there.passes) == ([("POST /", "why not")], [])

        def elsewhere() -> Any:
            return door.through_mocks, door.heads, both(door)

        assert fresh(elsewhere) == (False, False, {"b"})

    fresh(program)


def test_what_is_mounted_is_answered_by_who_answers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asend(request: Request) -> Any:
        return "mounted"

    mounted = Mount(send=lambda _: cast("Any", "mounted"), asend=asend)
    monkeypatch.setitem(MOUNTS, "mounted.test", mounted)

    def program() -> None:
        door = Door()
        wanting, other = Answering("mounted.test"), Answering("b")
        door.enter(door.open_session(cast("Session", wanting), is_plain=False))
        fresh(lambda: door.enter(door.open_session(cast("Session", other), is_plain=False)))

        assert both(door) == {"mounted.test"}
        assert fresh(lambda: both(door)) == {"mounted"}
        assert door.wants("POST", "mounted.test", "/")
        assert fresh(lambda: door.wants("POST", "mounted.test", "/"))

    fresh(program)


# --- what else is asked of it


def test_whose_a_context_is_can_be_told_or_not() -> None:
    def program() -> None:
        door = Door()
        mine = entered(door, "a")
        other = fresh(lambda: entered(door, "b"))
        (_, a), (_, b) = door.sessions

        assert (door.is_meant(a), door.is_meant(b)) == (True, False)
        stranger = functools.partial(fresh, lambda: (door.is_meant(a), door.is_meant(b)))
        assert stranger() == (True, True), "nobody knows"
        plain = fresh(lambda: opened(door, "c", is_plain=True))
        assert stranger() == (False, False)
        assert fresh(lambda: door.is_meant(door.sessions[-1].gate))
        for block in (plain, other, mine):
            door.close(block)
        assert door.is_meant(a)

    fresh(program)


def test_what_is_undone_is_what_the_context_is_in_before_what_others_are() -> None:
    def name(door: Door) -> str:
        found = cast("Any", door.to_undo())
        return found.name if found else ""

    def program() -> None:
        door = Door()
        assert name(door) == ""
        plain = opened(door, "a", is_plain=True)
        other = fresh(lambda: entered(door, "b"))
        assert name(door) == "a"
        mine = entered(door, "c")
        assert name(door) == "c"
        door.close(mine)
        door.close(plain)
        assert name(door) == "b"
        door.close(other)

    fresh(program)


def test_a_context_that_outlives_a_block_keeps_no_gate() -> None:
    def program() -> None:
        door = Door()
        gate = Named("a")
        block = door.open_session(cast("Session", gate), is_plain=False)
        door.enter(block)
        copied = contextvars.copy_context()
        door.close(block)
        known = weakref.ref(gate)
        del gate
        gc.collect()
        assert known() is None
        assert copied.run(asked, door) == ""

    fresh(program)
