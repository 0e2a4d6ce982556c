"""Who waits for whom, and who must not."""

from __future__ import annotations

import threading
from pathlib import Path
from weakref import ref

import pytest

from cachesaver import flights as module
from cachesaver.flights import Flights, Pulse, _in_child, flights_over, leader
from cachesaver.stores import open_store

SLOT = ("fingerprint", 0)


def test_landing_wakes_who_waits() -> None:
    flights = Flights()
    flights.start(SLOT)
    landing = flights.landing(SLOT)

    flights.land(SLOT)

    assert landing is not None
    assert landing.done()
    assert flights.landing(SLOT) is None


def test_who_waited_for_an_earlier_flight_is_woken_by_the_next() -> None:
    """Given a leader that gave a slot up, when another leads before it says so, then nobody hangs."""
    flights = Flights()
    flights.start(SLOT)
    earlier = flights.landing(SLOT)

    flights.start(SLOT)

    later = flights.landing(SLOT)
    assert earlier is not None
    assert later is not None
    assert (earlier.done(), later.done()) == (True, False)


def test_landing_what_is_not_up_is_harmless() -> None:
    Flights().land(SLOT)


def test_a_thread_cannot_wait_for_itself() -> None:
    flights, seen = Flights(), list[bool]()
    flights.start(SLOT)

    thread = threading.Thread(target=lambda: seen.append(flights.can_wait(SLOT)))
    thread.start()
    thread.join()

    assert not flights.can_wait(SLOT)
    assert seen == [True]


def test_a_task_can_wait_for_another_of_its_loop_only() -> None:
    flights, loop, other = Flights(), object(), object()
    flights.start(SLOT, loop)

    assert flights.can_wait(SLOT, loop)
    assert not flights.can_wait(SLOT, other)
    assert not flights.can_wait(SLOT)


def test_a_task_cannot_wait_for_itself() -> None:
    flights, loop, tasks = Flights(), object(), [_Task(), _Task()]
    flights.start(SLOT, loop, tasks[0])

    assert [flights.can_wait(SLOT, loop, task) for task in tasks] == [False, True]
    assert not flights.can_wait(SLOT, object(), tasks[1])


def test_a_flight_does_not_keep_its_task() -> None:
    flights, task = Flights(), _Task()
    flights.start(SLOT, object(), task)
    watched = ref(task)

    del task

    assert watched() is None


class _Loop:
    def __init__(self, *, closed: bool) -> None:
        self.closed = closed

    def is_closed(self) -> bool:
        return self.closed


def test_there_is_no_use_in_waiting_for_a_loop_that_is_closed() -> None:
    flights, loop, seen = Flights(), _Loop(closed=False), list[bool]()
    flights.start(SLOT, loop)

    def look() -> None:
        seen.append(flights.can_wait(SLOT))

    for closed in (False, True):
        loop.closed = closed
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    assert seen == [True, False]


def test_there_is_no_use_in_waiting_for_a_stream_that_is_not_read_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flights, loop, pulse = Flights(), object(), Pulse()
    flights.start(SLOT, loop, _Task())
    flights.streams([SLOT, ("another", 0)], pulse)
    assert flights.can_wait(SLOT, loop)

    pulse.idle_since = 0.0
    assert not flights.can_wait(SLOT, loop)
    monkeypatch.setattr(module, "_IDLE", 1e12)
    assert flights.can_wait(SLOT, loop)


def test_a_flight_that_is_handed_over_is_led_by_another() -> None:
    flights, loop, tasks = Flights(), object(), [_Task(), _Task()]
    flights.start(SLOT, loop, tasks[0])

    flights.hand_over([SLOT, ("another", 0)], leader(loop, tasks[1]))

    assert [flights.can_wait(SLOT, loop, task) for task in tasks] == [True, False]
    assert flights.landing(("another", 0)) is None


def test_the_next_landing_is_one_that_can_be_waited_for() -> None:
    flights, loop, task = Flights(), object(), _Task()
    flights.start(("f", 0))
    flights.start(("g", 0), loop, _Task())
    assert flights.next_landing("f", loop, task) is None

    flights.start(("f", 1), loop, other := _Task())

    assert flights.next_landing("f", loop, task) is flights.landing(("f", 1))
    assert flights.next_landing("f", loop, other) is None


class _Task:
    """Stands for a task of an event loop."""


def test_a_flight_of_another_process_can_be_waited_for() -> None:
    assert Flights().can_wait(SLOT)


class TestSharing:
    def test_stores_over_the_same_files_share_their_flights(self, tmp_path: Path) -> None:
        one, other = open_store(str(tmp_path / "a")), open_store(str(tmp_path / "b"))
        same = open_store(f"lmdb://{tmp_path}/b/../a")

        flights = flights_over(one)

        assert flights_over(same) is flights
        assert flights_over(other) is not flights
        for store in (one, same, other):
            store.close()

    def test_stores_in_memory_share_nothing(self) -> None:
        one, other = open_store("memory://"), open_store("memory://")

        flights = flights_over(one)

        assert flights_over(one) is flights
        assert flights_over(other) is not flights

    def test_a_forked_child_has_flights_of_its_own(self) -> None:
        store = open_store("memory://")
        flights = flights_over(store)

        _in_child()

        assert flights_over(store) is not flights
