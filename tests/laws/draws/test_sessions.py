"""What is started is counted for the session in which it is started, and for no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import cachesaver
from cachesaver.contexts import here
from cachesaver.errors import StoreError
from cachesaver.places import epoch, outgoing
from cachesaver.session import Session


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    start = threading.Thread.start
    yield
    assert threading.Thread.start is start
    assert epoch.now == ""


def install(**options: Any) -> cachesaver.Session:
    return cachesaver.install(store="memory://", quiet=True, **options)


def number() -> int | None:
    """Which of those that the session has started here the next one is."""
    seen = list[int | None]()

    def look() -> None:
        seen.append(here().number)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return seen[0]


def test_every_session_counts_from_the_beginning() -> None:
    for _ in range(2):
        with install():
            assert [number(), number()] == [0, 1]


def test_a_session_inside_another_leaves_that_ones_numbers_alone() -> None:
    with install():
        assert number() == 0
        with install():
            assert number() == 0
        assert number() == 1


def test_a_run_that_is_joined_again_is_counted_on() -> None:
    numbers = list[int | None]()
    for _ in range(2):
        with install(run="a job"):
            numbers.append(number())
        with install():
            number()

    assert numbers == [0, 1]


def test_without_a_session_nothing_is_counted() -> None:
    with install():
        pass

    assert number() is None


def test_a_place_that_cannot_be_told_stops_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a store that fails, when a job is given to another process, then it has some name."""

    def fail(session: Session) -> str:
        raise StoreError("gone", location="here")

    with install():
        monkeypatch.setattr(Session, "slot", property(fail))
        assert outgoing(here().born("f", scope=None, is_ordered=True)).fixed
        monkeypatch.undo()
