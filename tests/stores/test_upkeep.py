"""What the writing thread does beside writing: leases renewed, runs that are over forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from cachesaver.stores import keys, members, session, upkeep
from cachesaver.stores.entries import Transaction, read_lease, walk, write_lease
from cachesaver.stores.leases import UNSEEN_LEASE, Lease
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.membership import KEPT
from cachesaver.stores.processes import here
from cachesaver.stores.session import Session
from cachesaver.stores.testing import F, a_run, a_sample, dead_owner, draw, fill, indexes
from cachesaver.stores.writer import Errand, Writer

T = TypeVar("T")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    found = LmdbStore(tmp_path)
    yield found
    found.close()


@pytest.fixture
def opened(store: LmdbStore, tmp_path: Path) -> Iterator[Session]:
    """The session of *store*, to look and to tamper."""
    found = session.open_session(tmp_path)
    yield found
    session.close(found)


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what is set when a collector has come to its end."""
    ended, step = threading.Event(), upkeep.Collector.step

    def stepping(self: upkeep.Collector) -> bool:
        more = step(self)
        if not more:
            ended.set()
        return more

    monkeypatch.setattr(upkeep.Collector, "step", stepping)
    return ended


class Clock:
    """Tells the time *ahead* seconds from now.

    Only to a store: servers beside a test sleep by `time.monotonic`, and would sleep for a week.
    """

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What tells an LMDB store the time."""
    found = Clock()
    monkeypatch.setattr("cachesaver.stores.lmdb.time", found)
    monkeypatch.setattr("cachesaver.stores.members.time", found)
    return found


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be done beside writing but what the test does. Wanted before the store is."""

    def nothing(self: Writer, errand: Errand) -> None:
        pass

    monkeypatch.setattr(Writer, "_do", nothing)


class TestLeases:
    def test_those_of_this_process_that_have_aged_are_renewed(
        self, store: LmdbStore, opened: Session
    ) -> None:
        draw(store, a_run(), "a", "b")
        age(opened, 0, UNSEEN_LEASE / 3)
        age(opened, 1, UNSEEN_LEASE / 3 - 60)

        assert upkeep.renew(opened)

        assert [round(age_of(opened, index), -1) for index in (0, 1)] == [0, 140]

    def test_one_is_renewed_before_it_ends_for_those_who_cannot_see_us(self) -> None:
        """Given one just too young when it is looked at, then the next look is early enough."""
        assert 2 * upkeep.RENEWAL < UNSEEN_LEASE

    def test_those_of_others_are_left_alone(self, store: LmdbStore, opened: Session) -> None:
        draw(store, a_run(), "a", owner=dead_owner())
        age(opened, 0, UNSEEN_LEASE)

        assert not upkeep.renew(opened)

        assert age_of(opened, 0) >= UNSEEN_LEASE

    def test_one_that_was_taken_over_meanwhile_is_left_alone(
        self, store: LmdbStore, opened: Session
    ) -> None:
        draw(store, a_run(), "a")
        age(opened, 0, UNSEEN_LEASE)
        theirs = Lease(owner=dead_owner(), since=1.0)
        look = opened.look

        def looking(work: Callable[[Transaction], T]) -> T:
            found = look(work)
            opened.claim(lambda claims, _: write_lease(claims, keys.lease_key(F, 0), theirs))
            return found

        opened.look = looking  # type: ignore[method-assign]
        upkeep.renew(opened)
        opened.look = look  # type: ignore[method-assign]

        assert opened.look(lambda claims: read_lease(claims, keys.lease_key(F, 0))) == theirs

    def test_the_writer_renews_them_while_there_are_any(
        self, store: LmdbStore, opened: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        some, none, renew = threading.Event(), threading.Event(), upkeep.renew

        def renewing(opened: Session) -> bool:
            found = renew(opened)
            (some if found else none).set()
            return found

        monkeypatch.setattr(upkeep, "RENEWAL", 0.01)
        monkeypatch.setattr(upkeep, "renew", renewing)
        (grant,) = draw(store, a_run(), "a")

        assert some.wait(10)
        assert not none.is_set()
        fill(store, grant, a_sample("a"))
        assert none.wait(10)


def age(opened: Session, index: int, seconds: float) -> None:
    """Let the lease of *index* be *seconds* old."""
    key = keys.lease_key(F, index)

    def work(claims: Transaction, _: Transaction) -> None:
        lease = read_lease(claims, key)
        assert lease is not None
        write_lease(claims, key, replace(lease, since=time.time() - seconds))

    opened.claim(work)


def age_of(opened: Session, index: int) -> float:
    lease = opened.look(lambda claims: read_lease(claims, keys.lease_key(F, index)))
    assert lease is not None
    return time.time() - lease.since


class TestRuns:
    def test_those_of_the_dead_are_forgotten_when_the_store_is_opened(
        self, tmp_path: Path, collected: threading.Event
    ) -> None:
        store = LmdbStore(tmp_path)
        abandon(store, "killed", 3)
        store.close()
        collected.clear()

        store = LmdbStore(tmp_path)

        assert collected.wait(10)
        assert left(tmp_path) == []
        store.close()

    def test_those_of_the_dead_are_forgotten_when_a_run_is_entered(
        self, collected: threading.Event, store: LmdbStore, tmp_path: Path
    ) -> None:
        assert collected.wait(10), "the round at its opening"
        abandon(store, "killed", 3)
        collected.clear()

        store.enter("mine", "m", owner=here())

        assert collected.wait(10)
        assert left(tmp_path) == [keys.run_prefix("mine")]

    def test_however_many_there_are(
        self, store: LmdbStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given more than fit in one look or one deletion, and living ones in between."""
        monkeypatch.setattr(upkeep, "_SWEPT", 7)
        monkeypatch.setattr(members, "_RUNS", 4)
        for number in range(30):
            if number % 3 == 0:
                store.enter(str(number), "alive", owner=here())
            abandon(store, str(number), number)

        store.collect()

        living = [keys.run_prefix(str(number)) for number in range(0, 30, 3)]
        assert left(tmp_path) == sorted(living)
        assert indexes(draw(store, a_run("27"), "new")) == [27]

    @pytest.mark.usefixtures("undisturbed")
    def test_one_step_deletes_no_more_than_a_piece(
        self,
        store: LmdbStore,
        opened: Session,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(upkeep, "_SWEPT", 100)
        abandon(store, "killed", 1000)
        prefix = keys.run_prefix("killed")
        before = len(opened.look(lambda claims: list(walk(claims, prefix))))
        collector = upkeep.Collector(opened)

        while before == (now := len(opened.look(lambda claims: list(walk(claims, prefix))))):
            assert collector.step()

        assert before - now == 100

    @pytest.mark.usefixtures("undisturbed")
    def test_one_that_is_entered_while_it_is_forgotten_goes_on(
        self,
        store: LmdbStore,
        opened: Session,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(upkeep, "_SWEPT", 10)
        abandon(store, "killed", 1000)
        prefix = keys.run_prefix("killed")
        opened.claim(lambda claims, _: members.sweep(claims, prefix, 10))

        store.enter("killed", "late", owner=here())
        store.collect()

        assert len(opened.look(lambda claims: list(walk(claims, prefix)))) > 1900

    def test_a_lasting_one_is_kept_for_a_week_without_a_draw(
        self, store: LmdbStore, tmp_path: Path, clock: Clock
    ) -> None:
        store.enter("job", "m", owner=here(), lasting=True)
        draw(store, a_run("job"), "a")
        store.leave("job", "m")

        clock.ahead = KEPT - 60
        store.collect()
        kept = left(tmp_path)
        clock.ahead = KEPT + 60
        store.collect()

        assert kept == [keys.run_prefix("job")]
        assert left(tmp_path) == []

    def test_a_draw_makes_it_young_again(
        self, store: LmdbStore, tmp_path: Path, clock: Clock
    ) -> None:
        store.enter("job", "m", owner=here(), lasting=True)
        store.leave("job", "m")

        clock.ahead = KEPT - 60
        draw(store, a_run("job"), "a")
        clock.ahead = KEPT + 60
        store.collect()

        assert left(tmp_path) == [keys.run_prefix("job")]

    def test_what_was_taken_after_a_run_was_forgotten_ages_too(
        self, store: LmdbStore, tmp_path: Path, clock: Clock
    ) -> None:
        """Given a process that draws on though another one, out of order, has ended its run."""
        draw(store, a_run("one"), "a")
        store.enter("one", "m", owner=here())
        other = LmdbStore(tmp_path)
        other.leave("one", "m")
        draw(store, a_run("one"), "b")
        store.collect()
        kept = left(tmp_path)

        clock.ahead = KEPT + 60
        store.collect()

        assert kept == [keys.run_prefix("one")]
        assert left(tmp_path) == []
        other.close()

    def test_a_run_that_is_drawn_in_costs_its_note_once(
        self, store: LmdbStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notes, touch = list[bytes](), members.touch

        def touching(claims: Transaction, prefix: bytes, **named: bool | None) -> None:
            notes.append(prefix)
            touch(claims, prefix, **named)

        monkeypatch.setattr(members, "touch", touching)
        for number in range(100):
            draw(store, a_run("one"), str(number))

        assert notes == [keys.run_prefix("one")]


def abandon(store: LmdbStore, run: str, draws: int) -> None:
    """Let a process draw in a run and die."""
    store.enter(run, "m", owner=here())
    draw(store, a_run(run), *[str(number) for number in range(draws)])
    store.enter(run, "m", owner=dead_owner())


def left(path: Path) -> list[bytes]:
    """Return the prefixes of the runs of which something is kept."""
    opened = session.open_session(path)
    found = opened.look(lambda claims: {key[: keys.RUN_PREFIX] for key, _ in walk(claims, b"R")})
    session.close(opened)
    return sorted(found)
