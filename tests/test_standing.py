"""What the process knows of the sessions that are open: what is counted for whom, and what may leave."""

from __future__ import annotations

import _thread
import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import cachesaver
from cachesaver import tripwire
from cachesaver.contexts import here
from cachesaver.places import epoch, outgoing
from cachesaver.session import Session
from cachesaver.tripwire import OfContexts, Replaying


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert (epoch.now, epoch.whose, epoch.base) == ("", None, None)
    assert tripwire._WIRE.rules == ()
    assert "CACHESAVER_RUN" not in os.environ


def install(**options: Any) -> Session:
    return cachesaver.install(store="memory://", quiet=True, **options)


def elsewhere(function: Callable[[], Any]) -> Any:
    """Call *function* as a job in another thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def unseen(function: Callable[[], Any]) -> Any:
    """Call *function* in a thread that nobody sees being started."""
    ended = Future[Any]()
    _thread.start_new_thread(lambda: ended.set_result(function()), ())
    return ended.result(20)


class Beside:
    """A session that another thread has open in a block."""

    def __init__(self, **options: Any) -> None:
        self._options, self._entered, self._done = options, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def __enter__(self) -> Session:
        self._thread.start()
        assert self._entered.wait(20)
        return self.session

    def __exit__(self, *failure: object) -> None:
        self._done.set()
        self._thread.join()

    def _hold(self) -> None:
        with install(**self._options) as self.session:
            self._entered.set()
            self._done.wait(20)


def number() -> int | None:
    """Which of those that the session has started here the next one is."""
    seen = list[int | None]()
    thread = threading.Thread(target=lambda: seen.append(here().number))
    thread.start()
    thread.join()
    return seen[0]


def rules() -> list[type]:
    return [type(each) for each in tripwire._WIRE.rules]


class TestWhatIsCounted:
    def test_what_is_started_in_a_block_is_counted_in_it_whoever_comes_meanwhile(self) -> None:
        beside = Beside()
        with install():
            assert number() == 0
            with beside:
                assert number() == 1
            assert number() == 2

    def test_a_job_for_another_process_is_called_as_in_the_session_it_is_sent_from(self) -> None:
        def name() -> str:
            return outgoing(here().born("f", scope=None, is_ordered=True)).fixed

        with install():
            alone = name()
        with install():
            with Beside():
                assert name() == alone
            assert name() != alone

    def test_what_led_to_a_block_has_no_part_in_the_names_there(self) -> None:
        async def names(session: Session) -> tuple[str, ...]:
            _, family = session._runs.of("n")
            first = family.draw("q", 1).ids
            child = asyncio.create_task(drawing(session))
            return (*first, *await child)

        async def drawing(session: Session) -> tuple[str, ...]:
            return session._runs.of("n")[1].draw("q", 1).ids

        async def block() -> tuple[str, ...]:
            with install() as session:
                return await names(session)

        async def deep() -> tuple[str, ...]:
            return await asyncio.create_task(asyncio.wait_for(block(), 20))

        alone = asyncio.run(block())
        with install():
            assert asyncio.run(deep()) == alone
            assert elsewhere(lambda: asyncio.run(block())) == alone
        assert len(set(alone)) == 2

    def test_what_is_begun_in_the_main_thread_or_joined_is_named_from_the_process_on(self) -> None:
        async def block(**options: Any) -> object:
            with install(**options) as session:
                return session.base

        with install() as session:
            assert session.base is None
        assert asyncio.run(block(run="joined")) is None
        assert asyncio.run(block()) is not None

    def test_the_last_to_be_opened_tells_child_processes(self) -> None:
        with install() as mine:
            with Beside() as other:
                assert os.environ["CACHESAVER_RUN"].startswith(f"{other.run_id};")
            assert os.environ["CACHESAVER_RUN"].startswith(f"{mine.run_id};")


class TestWhatMayLeave:
    def test_one_that_replays_alone_holds_for_all(self) -> None:
        with install(mode="replay"):
            assert rules() == [Replaying]
            with install():
                assert rules() == [OfContexts], "another thread may stand in the outer one only"
            assert rules() == [Replaying]

    def test_one_that_replays_around_a_plain_one_is_not_in_force(self) -> None:
        with install(mode="replay"):
            inner = install()
            assert rules() == []
            inner.uninstall()
            assert rules() == [Replaying]

    def test_beside_others_each_holds_for_its_own(self) -> None:
        with install(mode="replay"), Beside(mode="replay"), Beside():
            assert rules() == [OfContexts, OfContexts]
            mine, others = tripwire._WIRE.rules
            assert mine.of_name("api.openai.com", 443)
            assert others.of_name("api.openai.com", 443) == ""
            assert unseen(lambda: others.of_name("api.openai.com", 443)), "nobody knows whose"
