"""What a finaliser does while its thread holds a lock, and what taking one is made of."""

from __future__ import annotations

import gc
import logging
import os
import threading
import types
import weakref

import pytest

from cachesaver import contexts, locks
from cachesaver.locks import Lock, when_free


class Done:
    """What was done, by whom, and a wait for it."""

    def __init__(self) -> None:
        self.by: list[threading.Thread] = []
        self._event = threading.Event()

    def __call__(self) -> None:
        self.by.append(threading.current_thread())
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(10)


@pytest.fixture
def done() -> Done:
    return Done()


def test_with_nothing_held_it_is_done_at_once_and_here(done: Done) -> None:
    lock = Lock()
    with lock:
        pass

    when_free(done)

    assert done.by == [threading.current_thread()]


def test_with_a_lock_held_it_is_done_elsewhere_and_may_take_it(done: Done) -> None:
    one, other = Lock(), Lock()

    def act() -> None:
        with one, other:
            done()

    with one:
        with other:
            when_free(act)
            assert done.by == []
        assert done.by == []
    done.wait()

    assert threading.current_thread() not in done.by


def test_what_another_thread_holds_is_waited_for(done: Done) -> None:
    lock, ready = Lock(), threading.Event()

    def act() -> None:
        ready.set()
        with lock:
            done()

    with lock:
        thread = threading.Thread(target=when_free, args=(act,))
        thread.start()
        assert ready.wait(10)
        assert done.by == []
    thread.join(10)

    assert done.by == [thread]


def test_what_fails_spares_who_let_go(caplog: pytest.LogCaptureFixture) -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("a full disk")

    with caplog.at_level(logging.ERROR):
        with Lock():
            when_free(fail)
        assert failed.wait(10)
        for _ in range(1000):
            if "a full disk" in caplog.text:
                break
            threading.Event().wait(0.01)

    assert "a full disk" in caplog.text


def test_it_knows_who_holds_it() -> None:
    lock, told = Lock(), list[bool]()
    with lock:
        thread = threading.Thread(target=lambda: told.append(lock.is_held_here))
        thread.start()
        thread.join(10)
        assert lock.is_held_here

    assert not lock.is_held_here
    assert told == [False]


def test_taking_it_cannot_be_interrupted() -> None:
    """Given Ctrl-C at any time, no lock stays locked: no line of Python is between it and its caller."""
    for name in ("__enter__", "__exit__", "acquire", "release"):
        assert not isinstance(getattr(Lock, name), types.FunctionType)


def test_one_that_is_gone_is_forgotten() -> None:
    before, lock = len(locks._LOCKS), Lock()
    told = weakref.ref(lock)
    assert len(locks._LOCKS) == before + 1

    del lock
    gc.collect()

    assert told() is None
    assert len(locks._LOCKS) <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    """Given a fork while another thread has a lock, then in the child it is free."""
    assert vars(contexts)["locks"] is locks  # it lets go of them
    lock = Lock()
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)

    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=5) else 1)

    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
