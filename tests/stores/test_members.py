"""Runs in LMDB, a transaction at a time; what it comes to in the end is in test_upkeep.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from cachesaver.ports import Run
from cachesaver.stores import keys, members
from cachesaver.stores.entries import Transaction, walk
from cachesaver.stores.processes import here
from cachesaver.stores.testing import dead_owner

ONE, TWO = sorted(keys.run_prefix(name) for name in ("one", "two"))


@pytest.fixture
def claims(tmp_path: Path) -> Iterator[Transaction]:
    with lmdb.open(str(tmp_path)) as env, env.begin(write=True) as txn:
        yield txn


def take(claims: Transaction, count: int) -> None:
    """Let much be taken in run *ONE*."""
    for number in range(count):
        claims.put(ONE + b"n%06d" % number, b"")


def test_who_comes_later_does_not_change_how_a_run_ends(claims: Transaction) -> None:
    members.touch(claims, ONE)
    said = [members.read_state(claims, ONE)]
    for lasting in (True, False):
        members.enter(claims, ONE, "m", owner=here(), lasting=lasting)
        said.append(members.read_state(claims, ONE))

    assert [state and state.lasting for state in said] == [None, True, True]


def test_a_run_that_is_unknown_has_no_state(claims: Transaction) -> None:
    members.touch(claims, ONE)

    assert members.read_state(claims, TWO) is None


def test_what_was_taken_goes_first_and_who_is_in_it_last(claims: Transaction) -> None:
    """Given a sweep that ends half-way, then the next one still knows that the run is over."""
    members.enter(claims, ONE, "m", owner=dead_owner(), lasting=False)
    take(claims, 25)

    swept = [members.sweep(claims, ONE, 10) for _ in range(3)]
    known = members.read_state(claims, ONE)

    assert swept == [10, 10, 5 + 2]
    assert known is None
    assert list(walk(claims, ONE)) == []
    assert members.sweep(claims, ONE, 10) == 0


def test_nothing_goes_any_more_once_somebody_enters(claims: Transaction) -> None:
    members.enter(claims, ONE, "m", owner=dead_owner(), lasting=False)
    take(claims, 25)
    members.sweep(claims, ONE, 10)

    members.enter(claims, ONE, "late", owner=here(), lasting=False)

    assert members.sweep(claims, ONE, 10) == 0
    assert len(list(walk(claims, ONE + b"n"))) == 15


def test_another_run_keeps_what_it_has(claims: Transaction) -> None:
    for prefix in (ONE, TWO):
        members.enter(claims, prefix, "m", owner=dead_owner(), lasting=False)
    before = list(walk(claims, TWO))

    members.sweep(claims, ONE, 10)

    assert list(walk(claims, TWO)) == before


def test_runs_are_looked_at_in_their_order_and_some_at_a_time(
    claims: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "_RUNS", 1)
    for prefix, owner in ((ONE, here()), (TWO, dead_owner())):
        members.enter(claims, prefix, "m", owner=owner, lasting=False)

    looked = [members.next_over(claims, last) for last in (b"", ONE, TWO)]

    assert looked == [(ONE, False), (TWO, True), (b"", False)]


def test_what_is_no_runs_is_not_looked_at(claims: Transaction) -> None:
    claims.put(b"L" * 20, b"")
    claims.put(b"X" * 20, b"")

    assert members.next_over(claims, b"") == (b"", False)


def test_all_a_run_takes_is_found_under_its_prefix(claims: Transaction) -> None:
    run = Run(id="one", namespace="n", replicate=1)
    members.enter(claims, keys.run_prefix("one"), "m", owner=dead_owner(), lasting=False)
    members.join(claims, keys.run_prefix("one"), here())
    claims.put(keys.space_keys(run).taken + b"anything", b"")

    while members.sweep(claims, keys.run_prefix("one"), 10):
        pass

    assert list(walk(claims, b"")) == []
