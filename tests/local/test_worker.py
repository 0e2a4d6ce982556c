"""The thread of an engine serves threads and loops, and does not die."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any, NoReturn

import pytest

from cachesaver.local import (
    EngineClosedError,
    EngineFailedError,
    Params,
    PromptTooLongError,
    Sizes,
    Stream,
    open_engine,
)
from engines import LONG, by_hand, ids, model, prompt, tick


def test_many_threads_and_a_loop_are_served_together() -> None:
    engine = open_engine(model("llama"))
    wanted = Params(seed=2, max_tokens=20, ignore_end=True)
    expected = [ids(each) for each in engine.submit(prompt(), 6, wanted)]
    answers: dict[int, list[int]] = {}

    def ask(index: int) -> None:
        answers[index] = ids(engine.submit(prompt(), 1, wanted, first_index=index)[0])

    async def main() -> None:
        async def collect(stream: Stream) -> None:
            answers[stream.index] = [token.id async for token in stream]

        await asyncio.gather(*map(collect, engine.submit(prompt(), 3, wanted)))

    threads = [threading.Thread(target=ask, args=[index]) for index in (3, 4, 5)]
    for thread in threads:
        thread.start()
    asyncio.run(main())
    for thread in threads:
        thread.join()

    assert [answers[index] for index in range(6)] == expected
    engine.close()


class Long(list[int]):
    """Ids of which only the number may be asked for."""

    def __len__(self) -> int:
        return 10_000_000

    def __iter__(self) -> NoReturn:
        raise MemoryError


def test_a_prompt_that_does_not_fit_is_not_looked_at() -> None:
    engine = open_engine(model("llama"))

    with pytest.raises(PromptTooLongError, match="10000000"):
        engine.submit(Long(), 1, Params(max_tokens=1))

    engine.close()


def test_an_idle_engine_takes_no_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = open_engine(model("llama"))
    ids(engine.submit(prompt(), 1, Params(max_tokens=2))[0])
    turns: list[int] = []
    monkeypatch.setattr(engine, "turn", lambda: turns.append(1))

    threading.Event().wait(0.05)

    assert len(turns) <= 1
    engine.close()


def test_a_mistake_of_ours_ends_all_with_an_error_and_the_next_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = by_hand(open_engine(model("llama"), sizes=Sizes(rows=1)))
    streams = engine.submit(prompt(), 2, LONG) + engine.submit(prompt(9), 1, LONG)
    tick(engine, 2)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "turn", lambda: 1 / 0)
        tick(engine)

    for stream in streams:
        with pytest.raises(EngineFailedError, match="ZeroDivisionError"):
            ids(stream)
    (whole,) = engine.submit(prompt(), 1, Params(max_tokens=3, ignore_end=True))
    tick(engine, 5)
    assert len(ids(whole)) == 3
    assert (engine.stats().failed, engine.stats().cancelled) == (3, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_is_ended_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = open_engine(model("llama"))

    def end() -> None:
        raise SystemExit

    monkeypatch.setattr(engine, "turn", end)
    (stream,) = engine.submit(prompt(), 1, LONG)

    with pytest.raises(EngineClosedError):
        ids(stream)
    engine.close()
    with pytest.raises(EngineClosedError):
        engine.submit(prompt(), 1, LONG)


def test_a_program_may_end_without_closing() -> None:
    """Given an answer under way, when the program ends, then the engine is closed before Python is."""
    program = """
import atexit, tiny
from cachesaver.local import Params, open_engine
atexit.register(lambda: print(stream.has_ended))  # runs after what is registered later
stream, = open_engine(tiny.model()).submit([5, 6], 1, Params(ignore_end=True))
stream.read()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_closing_from_its_own_thread_does_not_wait_for_itself() -> None:
    engine: Any = open_engine(model("llama"))

    class Closing:
        def __init__(self, index: int) -> None:
            self.index = index

        def allowed(self) -> None:
            return None

        def accept(self, token: int) -> bool:
            engine.close()
            return False

    (stream,) = engine.submit(prompt(), 1, LONG, guide=Closing)

    with pytest.raises(EngineClosedError):
        ids(stream)
