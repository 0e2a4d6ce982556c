"""Leases: led until they are filled or given up, whatever the store does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from cachesaver import leases as rooms
from cachesaver.batching import Errand
from cachesaver.effects import Fill, Keep, Note, Release
from cachesaver.errors import StoreError
from cachesaver.exchange import Response, Sample
from cachesaver.flights import Flights
from cachesaver.leases import Leases
from cachesaver.ports import Grant, Policy, Run
from cachesaver.sending import Line
from cachesaver.stores.memory import MemoryStore
from faulty import FailingStore, SlowStore

ME = "me"
RUN, OTHER = Run(id="r", namespace="ns"), Run(id="r", namespace="other")
SAMPLE = Sample(response=Response(status=200, chunks=(b"a",)), draw="d")


class Room:
    """Leases over a store, and what they complained of."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.told: list[str] = []
        self.leases = Leases(store=self.store, flights=Flights(), complain=self._complain)
        self.line: Line[object] = Line(None)

    def _complain(self, error: StoreError) -> None:
        self.told.append(str(error))

    def led(self, *draws: str) -> list[Grant]:
        """Acquire a slot for each of *draws*, and lead it from this thread."""
        grants = self.store.acquire(RUN, "f", draws, owner=ME, policy=Policy.RESERVE)
        for grant in grants:
            self.leases.lead(RUN, "f", grant, self.line, None)
        return list(grants)

    def is_led(self, index: int = 0) -> bool:
        """Tell whether somebody leads the slot, so that another could only wait."""
        grant = self.store.poll("f", index, owner="else")
        if grant.token:
            self.store.release(OTHER, "f", index, grant.token)
        return not grant.token and grant.sample is None

    def is_up(self, index: int = 0) -> bool:
        return self.leases.flights.landing(("f", index)) is not None


def fill(grant: Grant) -> Fill:
    return Fill(
        run=RUN,
        fingerprint="f",
        index=grant.index,
        token=grant.token,
        sample=SAMPLE,
        question=b"q",
    )


def release(grant: Grant) -> Release:
    return Release(run=RUN, fingerprint="f", index=grant.index, token=grant.token)


def carried_out(room: Room, effect: Fill | Keep | Note) -> object:
    return room.leases.kept(effect, room.leases.fill(effect))


class TestLeading:
    def test_a_lease_is_a_flight_and_known_to_its_line(self) -> None:
        room = Room()

        (grant,) = room.led("d")

        assert room.leases.held == {grant.token: release(grant)}
        assert room.line.leases == {grant.token: ("f", 0)}
        assert room.is_up()

    def test_on_an_event_loop_it_is_led_by_the_task(self) -> None:
        """Given a lease of a task, then that task cannot wait for it, and another one can."""
        room = Room()

        async def can_wait() -> bool:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            return room.leases.flights.can_wait(("f", 0), loop, task)

        async def program() -> list[bool]:
            (grant,) = room.store.acquire(RUN, "f", ["d"], owner=ME, policy=Policy.RESERVE)
            room.leases.lead(RUN, "f", grant, room.line, asyncio.get_running_loop())
            return [await can_wait(), await asyncio.create_task(can_wait())]

        assert asyncio.run(program()) == [False, True]


class TestGivingUp:
    def test_frees_the_slot_and_wakes_who_waits(self) -> None:
        room = Room()
        (grant,) = room.led("d")
        landing = room.leases.flights.landing(("f", 0))

        room.leases.release(release(grant))

        assert landing is not None
        assert landing.done()
        assert (room.is_led(), room.leases.held, room.told) == (False, {}, [])

    def test_once_it_is_over_asks_the_store_nothing(self) -> None:
        """Given that a session ended, when a stream of it is closed, then its lease was given up."""
        room = Room(FailingStore("release"))
        (grant,) = room.led("d")
        room.leases.release_all()
        room.told.clear()

        room.leases.release(release(grant))

        assert room.told == []

    def test_all_leaves_what_is_filled(self) -> None:
        room = Room()
        bought, _ = room.led("d", "e")
        carried_out(room, fill(bought))

        room.leases.release_all()

        assert [sample for _, sample in room.store.samples("f")] == [SAMPLE]
        assert (room.is_led(1), room.is_up(1), room.leases.held) == (False, False, {})

    def test_a_store_that_fails_is_told_of_and_owed(self) -> None:
        room = Room(FailingStore("release"))
        (grant,) = room.led("d")

        room.leases.release(release(grant))

        assert room.told == ["gone"]
        assert room.leases.owed == [release(grant)]
        assert not room.is_up()

    def test_what_is_owed_is_given_up_when_the_store_can(self) -> None:
        store = FailingStore("release")
        room = Room(store)
        room.led("d", "e")
        room.leases.release_all()
        store.where = ()

        room.leases.release_owed()

        assert (room.is_led(0), room.is_led(1), room.leases.owed) == (False, False, [])

    def test_nothing_owed_is_lost_while_the_store_still_fails(self) -> None:
        room = Room(FailingStore("release"))
        owed = [release(grant) for grant in room.led("d", "e")]
        room.leases.release_all()

        room.leases.release_owed()

        assert sorted(room.leases.owed, key=lambda each: each.index) == owed


class TestFilling:
    def test_gives_what_the_slot_holds(self) -> None:
        room = Room()
        (grant,) = room.led("d")

        assert carried_out(room, fill(grant)) == SAMPLE
        assert (room.leases.held, room.is_up()) == ({}, False)

    def test_several_are_given_in_order(self) -> None:
        room = Room()

        kept = carried_out(room, Keep(fills=tuple(fill(grant) for grant in room.led("d", "e"))))

        assert kept == (SAMPLE, SAMPLE)
        assert room.leases.held == {}

    @pytest.mark.parametrize("later", [False, True])
    def test_a_store_that_fails_keeps_no_slot(self, *, later: bool) -> None:
        room = Room(FailingStore("fill", later=later))
        (grant,) = room.led("d")

        assert carried_out(room, fill(grant)) is SAMPLE
        assert room.told == ["full"]
        assert not room.is_led()
        assert not room.is_up()

    def test_a_store_that_gives_up_writing_keeps_no_slot(self) -> None:
        """Given a write that its store cancels, when it is, then the slot is given up."""
        store = SlowStore()
        room = Room(store)
        (grant,) = room.led("d")
        (filling,) = room.leases.fill(fill(grant))

        filling.cancel()

        assert not room.is_led()
        assert not room.is_up()

    def test_an_error_that_is_none_of_a_stores_is_told_as_one(self) -> None:
        room = Room(FailingStore("fill", error=ValueError("odd")))
        (grant,) = room.led("d")

        assert carried_out(room, fill(grant)) is SAMPLE
        assert room.told == ["ValueError: odd"]

    def test_what_is_being_written_is_not_given_up(self) -> None:
        """Given that it were free at once, then whoever waits for the slot would buy it again."""
        store = SlowStore()
        room = Room(store)
        (grant,) = room.led("d")
        room.leases.fill(fill(grant))

        room.leases.release(release(grant))

        assert (room.is_led(), room.is_up()) == (True, True)
        store.pending()
        assert (room.is_led(), room.is_up()) == (False, False)
        assert [sample for _, sample in room.store.samples("f")] == [SAMPLE]

    def test_one_who_wants_to_know_is_told_at_once(self) -> None:
        def complain(error: StoreError) -> None:
            raise error

        room = Room(FailingStore("fill", "release"))
        room.leases.complain = complain
        (grant,) = room.led("d")

        with pytest.raises(StoreError, match="full"):
            carried_out(room, fill(grant))


class Notes:
    """Keeps errors as it is told to."""

    def __init__(self, note: Callable[[], Future[Sample]]) -> None:
        self._note = note

    def keeps(self, status: int) -> bool:
        return status == SAMPLE.response.status

    def note(self, fingerprint: str, sample: Sample, *, question: bytes) -> Future[Sample]:
        assert (fingerprint, sample, question) == ("f", SAMPLE, b"q")
        return self._note()


def _kept() -> Future[Sample]:
    future = Future[Sample]()
    future.set_result(SAMPLE)
    return future


def _failed() -> Future[Sample]:
    future = Future[Sample]()
    future.set_exception(StoreError("full", location="x"))
    return future


def _raising() -> Future[Sample]:
    raise StoreError("full", location="x")


@pytest.mark.parametrize(("note", "told"), [(_kept, []), (_failed, ["full"]), (_raising, ["full"])])
def test_an_error_is_noted_or_that_it_is_not_is_told(
    note: Callable[[], Future[Sample]], told: list[str]
) -> None:
    room = Room()

    kept = carried_out(room, Note(notes=Notes(note), fingerprint="f", sample=SAMPLE, question=b"q"))

    assert kept is None
    assert room.told == told


class TestACallerWhoHasGone:
    @pytest.mark.parametrize(
        ("calls", "lasted", "patience"),
        [
            ((), 0.25, 0.75),
            ((4.0,), 1.0, 7.0),
            ((4.0, 0.5), 1.0, 6.2),
            ((0.5, 4.0), 1.0, 7.0),
            ((4.0,), 9.0, 0.0),
        ],
    )
    def test_is_waited_for_until_his_call_has_lasted_twice_as_long_as_usual(
        self, calls: tuple[float, ...], lasted: float, patience: float
    ) -> None:
        leases = Room().leases
        for call in calls:
            leases.lasted(call)

        assert leases._patience(lasted) == pytest.approx(patience)

    @pytest.mark.parametrize("others", [False, True])
    def test_holds_no_lease_unless_others_wait_for_his_call(
        self, monkeypatch: pytest.MonkeyPatch, *, others: bool
    ) -> None:
        monkeypatch.setattr(rooms, "_GRACE", 0.001)
        room, errand = Room(), Errand[object](waiting={1} if others else set())
        room.led("d")
        room.line.errands = (errand,)

        async def program() -> bool:
            room.leases.release_later(room.line, 3600.0)
            await asyncio.sleep(0.02)
            led = room.is_led()
            errand.waiting.clear()
            async with asyncio.timeout(20):
                while room.is_led():  # noqa: ASYNC110  # it is looked at now and then
                    await asyncio.sleep(0.001)
            return led

        assert asyncio.run(program()) is others

    def test_holds_nothing_where_no_loop_runs(self) -> None:
        room = Room()
        room.led("d")

        room.leases.release_later(room.line, 0.0)

        assert not room.is_led()

    def test_takes_no_lease_that_is_filled(self) -> None:
        room = Room()
        bought, _ = room.led("d", "e")
        carried_out(room, fill(bought))

        room.leases.release_later(room.line, 0.0)

        assert [sample for _, sample in room.store.samples("f")] == [SAMPLE]
        assert not room.is_led(1)
