"""Who waits for whom, and who must not."""

from __future__ import annotations

import threading

from cachesaver.flights import Flights

SLOT = ("fingerprint", 0)


def test_landing_wakes_who_waits() -> None:
    flights = Flights()
    flights.start(SLOT)
    landing = flights.landing(SLOT)

    flights.land(SLOT)

    assert landing is not None
    assert landing.done()
    assert flights.landing(SLOT) is None


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


def test_a_flight_of_another_process_can_be_waited_for() -> None:
    assert Flights().can_wait(SLOT)
