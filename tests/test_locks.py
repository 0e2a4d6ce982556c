"""What is put off while a lock is held, and when it is done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from cachesaver import locks
from cachesaver.locks import Lock, when_free


@pytest.fixture
def done() -> Iterator[list[str]]:
    yield []
    assert not locks._put_off


def test_with_nothing_held_it_is_done_at_once(done: list[str]) -> None:
    when_free(lambda: done.append("at once"))

    assert done == ["at once"]


def test_it_waits_until_all_is_let_go_of(done: list[str]) -> None:
    one, other = Lock(), Lock()

    with one:
        with other:
            when_free(lambda: done.append("first"))
            when_free(lambda: done.append("second"))
        assert done == []

    assert done == ["first", "second"]


def test_what_another_thread_holds_is_waited_for(done: list[str]) -> None:
    """Given a lock that another thread holds, what wants it is not put off, but blocks."""
    lock, ready = Lock(), threading.Event()

    def act() -> None:
        ready.set()
        with lock:
            done.append("after all")

    with lock:
        thread = threading.Thread(target=when_free, args=(act,))
        thread.start()
        assert ready.wait(10)
        assert done == []
    thread.join(10)

    assert done == ["after all"]


def test_what_fails_spares_who_let_go(done: list[str], caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("a full disk")

    with caplog.at_level(logging.ERROR), Lock():
        when_free(fail)
        when_free(lambda: done.append("the next"))

    assert done == ["the next"]
    assert "a full disk" in caplog.text


def test_taking_it_by_hand_counts_where_it_succeeds(done: list[str]) -> None:
    lock = Lock()
    assert lock.acquire()
    assert not lock.acquire(timeout=0.01)
    when_free(lambda: done.append("let go"))
    assert lock.locked()
    assert done == []

    lock.release()

    assert not lock.locked()
    assert done == ["let go"]


def test_who_is_interrupted_while_waiting_holds_nothing(done: list[str]) -> None:
    class Interrupted:
        def acquire(self) -> None:
            raise KeyboardInterrupt

    lock = Lock()
    lock._lock = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt), lock:
        pass

    when_free(lambda: done.append("free"))

    assert done == ["free"]


def test_a_child_holds_nothing_and_owes_nothing(done: list[str]) -> None:
    lock = Lock()
    lock.acquire()
    when_free(lambda: done.append("the parent's"))

    locks.forked()
    when_free(lambda: done.append("the child's"))
    lock.release()

    assert done == ["the child's"]
