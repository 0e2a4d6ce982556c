"""Sessions one after another, and one within another: who answers, and that no draw is given twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import cachesaver
from cachesaver.errors import ConfigurationError, NotRecordedError, ReplayError, StoreError
from cachesaver.rehearsal import Rehearsal
from cachesaver.session import Session
from cachesaver.wiring import current_session

Ask = Callable[[], str]


@pytest.fixture
def ask(rehearsal: Rehearsal) -> Iterator[Ask]:
    with httpx.Client(timeout=20) as client:

        def asked() -> str:
            question = [{"role": "user", "content": "in turn"}]
            body = {"model": "gpt-5-mini", "messages": question}
            answer = client.post(f"{rehearsal.openai_url}/chat/completions", json=body)
            text: str = answer.json()["choices"][0]["message"]["content"]
            return text

        yield asked


class Worker:
    """A thread that is started in one session, and asks when it is told to."""

    def __init__(self, ask: Ask) -> None:
        self._go, self.said = threading.Event(), ""
        self.session: Session | None = None
        self._thread = threading.Thread(target=self._run, args=(ask,), name="worker")
        self._thread.start()

    def _run(self, ask: Ask) -> None:
        self._go.wait(20)
        self.session = current_session()
        try:
            self.said = ask()
        except ReplayError as error:
            self.said = type(error).__name__

    def asks(self) -> str:
        self._go.set()
        self._thread.join(20)
        return self.said


def test_threads_of_two_runs_that_ask_in_the_second_get_two_samples(ask: Ask) -> None:
    """Given two that are each the first of their run, when both ask in one, then law 1 holds."""
    with cachesaver.install("one", store="memory://", quiet=True):
        first = Worker(ask)
    with cachesaver.install("two", store="memory://", quiet=True) as session:
        second = Worker(ask)

        assert first.asks() != second.asks()
        assert session.stats().fetched == 2


def test_tasks_of_two_runs_that_ask_in_the_second_get_two_samples(ask: Ask) -> None:
    async def later(go: asyncio.Event) -> str:
        await go.wait()
        return ask()

    async def main() -> tuple[str, str]:
        go = asyncio.Event()
        with cachesaver.install("inner", store="memory://", quiet=True):
            first = asyncio.create_task(later(go))
            await asyncio.sleep(0)
        second = asyncio.create_task(later(go))
        go.set()
        return await first, await second

    with cachesaver.install("outer", store="memory://", quiet=True):
        one, other = asyncio.run(main())

    assert one != other


def test_a_cassette_around_a_kept_loop_answers_before_what_was_installed_in_it(
    ask: Ask, tmp_path: Path
) -> None:
    """Given an async fixture that installs, when a test replays in that loop, then nothing is bought."""

    async def setup() -> Session:
        return cachesaver.install("suite", store="memory://", quiet=True)

    async def test() -> str:
        return ask()

    with asyncio.Runner() as runner:
        session = runner.run(setup())
        with (
            cachesaver.use_cassette(tmp_path / "none", record_mode="none"),
            pytest.raises(NotRecordedError),
        ):
            runner.run(test())
        session.uninstall()

    assert session.stats().requests == 0


def test_a_session_that_is_closed_cannot_be_entered_again(ask: Ask) -> None:
    session = cachesaver.install("once", store="memory://", quiet=True)
    with session:
        ask()

    with pytest.raises(ConfigurationError, match="install another"), session:
        pass


def test_a_cassette_that_is_open_cannot_be_entered_again(tmp_path: Path) -> None:
    cassette = cachesaver.use_cassette(tmp_path / "c")
    with cassette, pytest.raises(ConfigurationError, match="of its own"), cassette:
        pass

    with cassette:  # when it has been closed it can
        pass
    assert current_session() is None


def test_an_option_that_cannot_be_costs_no_recording(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    with cachesaver.use_cassette(path, record_mode="once"):
        ask()
    before = path.read_bytes()

    with pytest.raises(ConfigurationError):
        cachesaver.use_cassette(path, record_mode="rewrite", max_concurrency=0)

    assert path.read_bytes() == before


def test_where_the_run_cannot_be_joined_the_program_goes_on(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a store that is full when we are installed, then it is as if later: calls go out live."""

    def full(session: Session) -> str:
        raise StoreError("the disk is full", location="x")

    monkeypatch.setattr(Session, "slot", property(full))
    with cachesaver.install("full", store="memory://", quiet=True) as session:
        assert ask()

    assert session.stats().requests == 1
    assert current_session() is None


def test_what_is_in_no_block_asks_no_provider_while_one_replays(
    ask: Ask, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a thread from before, when one block replays and a later one records, then law 8 holds."""
    stray = Worker(ask)
    both, done = threading.Barrier(2), threading.Event()

    def replay() -> None:
        with cachesaver.use_cassette(tmp_path / "replays", record_mode="none"):
            both.wait(20)
            done.wait(20)

    replaying = threading.Thread(target=replay)
    replaying.start()
    both.wait(20)
    before = rehearsal.calls().calls
    try:
        with cachesaver.use_cassette(tmp_path / "records", record_mode="once"):
            assert ask()
            assert rehearsal.calls().calls == before + 1
            assert stray.asks() == "NotRecordedError"
            assert stray.session is not None
            assert stray.session.replays, "who answers is who is said to answer"
    finally:
        done.set()
        replaying.join(20)

    assert rehearsal.calls().calls == before + 1
