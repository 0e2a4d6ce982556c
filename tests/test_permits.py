"""No permit is lost, none is doubled, and who came first goes first."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from itertools import permutations, product

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from cachesaver import sleeping
from cachesaver.permits import Permits, _in_child


def test_a_free_permit_is_granted_at_once() -> None:
    permits = Permits(2)

    asked = [permits.ask() for _ in range(3)]

    assert [each.done() for each in asked] == [True, True, False]
    assert repr(permits) == "<Permits 2 of 2 held, 1 waiting>"


def test_who_came_first_goes_first() -> None:
    permits = Permits(1)
    first, second, third = (permits.ask() for _ in range(3))

    permits.give_back(first)

    assert (second.done(), third.done()) == (True, False)


def test_one_who_comes_later_does_not_overtake() -> None:
    """Given one who waits, when a permit comes back and another asks, then the first has it."""
    permits = Permits(1)
    held, waiting = permits.ask(), permits.ask()
    permits.give_back(held)

    late = permits.ask()

    assert (waiting.done(), late.done()) == (True, False)


def test_giving_back_twice_returns_one_permit() -> None:
    permits = Permits(1)
    held, *waiting = (permits.ask() for _ in range(3))

    permits.give_back(held)
    permits.give_back(held)

    assert [each.done() for each in waiting] == [True, False]


def test_one_who_stops_waiting_is_passed_over() -> None:
    permits = Permits(1)
    held, gone, waiting = (permits.ask() for _ in range(3))

    permits.give_back(gone)
    permits.give_back(held)

    assert (gone.done(), waiting.done()) == (False, True)


def test_a_permit_withdrawn_while_it_is_granted_goes_to_the_next() -> None:
    """Given one whose turn comes, when it withdraws before it is told, then the next has it."""
    permits = Permits(1)
    held, gone, waiting = (permits.ask() for _ in range(3))
    told: Future[None] = Future()

    def withdraw(_: Future[None]) -> None:
        permits.give_back(gone)
        told.set_result(None)

    gone.add_done_callback(withdraw)
    permits.give_back(held)

    assert told.done()
    assert waiting.done()
    assert repr(permits) == "<Permits 1 of 1 held, 0 waiting>"


def test_a_permit_cannot_be_cancelled_behind_our_back() -> None:
    """Given one who waits, when it is cancelled, then its turn still comes and can be given back."""
    permits = Permits(1)
    held, waiting = permits.ask(), permits.ask()

    assert not waiting.cancel()
    permits.give_back(held)

    assert waiting.done()


def test_a_permit_of_another_is_none_of_ours() -> None:
    permits, others = Permits(1), Permits(1)
    permits.ask()

    permits.give_back(others.ask())

    assert not permits.ask().done()


def test_what_a_finaliser_leaves_is_collected_by_who_waits() -> None:
    permits = Permits(1)
    held, waiting = permits.ask(), permits.ask()

    with permits._lock:  # a finaliser may run under it
        permits.give_back_later(held)
    assert not waiting.done()
    permits.collect()

    assert waiting.done()


def test_what_a_finaliser_leaves_is_there_for_who_asks() -> None:
    permits = Permits(1)
    permits.give_back_later(permits.ask())

    assert permits.ask().done()


def test_a_forked_child_starts_anew() -> None:
    """Given permits held and a lock taken in the parent, then a child holds none and can ask."""
    permits = Permits(1)
    held = permits.ask()
    permits._lock.acquire()

    _in_child()
    mine = permits.ask()
    permits.give_back(held)  # the parent's

    assert mine.done()
    assert not permits.ask().done()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_starts_anew_by_itself() -> None:
    permits = Permits(1)
    permits.ask()

    child = os.fork()
    if child == 0:
        os._exit(0 if permits.ask().done() else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert not permits.ask().done()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_every_order_of_giving_back_serves_all_in_their_order(limit: int) -> None:
    """Given four who ask, when they give back in any order, some before their turn, then nobody
    who still waits is passed over and no more than the limit hold one at any time."""
    for order, early in product(permutations(range(4)), range(3)):
        permits = Permits(limit)
        asked = [permits.ask() for _ in range(4)]
        present = list(range(4))
        for who in (*order[:early], *order):
            permits.give_back(asked[who])
            present = [each for each in present if each != who]
            assert [each for each in present if asked[each].done()] == present[:limit]


class Machine(RuleBasedStateMachine):
    """Against a model: a line of those who asked and have not given back, the first *limit* hold."""

    asked = Bundle[Future[None]]("asked")

    def __init__(self) -> None:
        super().__init__()
        self.permits = Permits(2)
        self.line: list[Future[None]] = []
        self.left: list[Future[None]] = []

    @rule(target=asked)
    def ask(self) -> Future[None]:
        self.forget_the_left()
        permit = self.permits.ask()
        self.line.append(permit)
        return permit

    @rule(permit=asked)
    def give_back(self, permit: Future[None]) -> None:
        self.permits.give_back(permit)
        self.line = [each for each in self.line if each is not permit]

    @rule(permit=asked)
    def leave(self, permit: Future[None]) -> None:
        self.permits.give_back_later(permit)
        self.left.append(permit)

    @rule()
    def collect(self) -> None:
        self.permits.collect()
        self.forget_the_left()

    @rule(permit=asked, cancels=st.booleans())
    def cancel(self, permit: Future[None], cancels: bool) -> None:  # noqa: FBT001
        assert not (cancels and permit.cancel())

    @invariant()
    def the_first_of_the_line_hold_them(self) -> None:
        assert [each.done() for each in self.line] == [n < 2 for n in range(len(self.line))]
        assert len(self.permits._held) == min(2, len(self.line))
        assert list(self.permits._waiting) == self.line[2:]

    def forget_the_left(self) -> None:
        self.line = [each for each in self.line if each not in self.left]
        self.left = []


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


class Room:
    """Counts who is in it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = self.visits = 0

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            self.visits += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1


def block(permits: Permits, room: Room, number: int) -> None:
    """Ask thirty times in this thread; every third time, leave without waiting."""
    for turn in range(30):
        permit = permits.ask()
        if (turn + number) % 3:
            sleeping.block(permit, 30)
            assert permit.done()
            room.enter()
            room.leave()
        permits.give_back(permit)


async def visit(permits: Permits, room: Room, number: int) -> None:
    """The same on any event loop."""
    for turn in range(30):
        permit = permits.ask()
        if (turn + number) % 3:
            await sleeping.until_done(permit)
            room.enter()
            await sleeping.doze(None, 0)
            room.leave()
        permits.give_back(permit)


def test_threads_asyncio_and_trio_share_them() -> None:
    """Given three permits, when threads and two kinds of loops want them, some giving up, then never
    more than three are in the room, and all who stayed have been."""
    permits, room = Permits(3), Room()

    async def on_asyncio() -> None:
        await asyncio.gather(*(visit(permits, room, number) for number in range(6)))

    async def on_trio() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(visit, permits, room, number)

    threads = [threading.Thread(target=block, args=(permits, room, n)) for n in range(6)]
    threads.append(threading.Thread(target=lambda: asyncio.run(on_asyncio())))
    threads.append(threading.Thread(target=lambda: trio.run(on_trio)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not any(thread.is_alive() for thread in threads)
    assert room.most <= 3
    assert room.visits == 18 * 20
    assert repr(permits) == "<Permits 0 of 3 held, 0 waiting>"
