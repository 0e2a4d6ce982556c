from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import local_words
from cachesaver.local.app.jobs import Job, News
from cachesaver.local.app.narrating import Narrator
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.errors import EngineFailedError
from cachesaver.local.params import Params


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def job(
    pool: ThreadPoolExecutor, n: int, *, stops: tuple[str, ...] = ()
) -> tuple[Job, local_words.Script]:
    engine = local_words.Script()
    streams = engine.submit([1], n, Params(seed=1))
    narrators = [Narrator(local_words.tongue(), stops=stops) for _ in streams]
    return Job(engine, streams, narrators, lengths=[7], pool=pool), engine


def read(made: Job) -> list[News]:
    async def all_news() -> list[News]:
        return [news async for batch in made.news() for news in batch]

    return asyncio.run(all_news())


def texts(news: list[News], n: int) -> list[str]:
    return ["".join(each.piece.text for each in news if each.place == at) for at in range(n)]


def test_samples_are_told_as_they_come(pool: ThreadPoolExecutor) -> None:
    made, _ = job(pool, 2)

    async def follow() -> list[list[News]]:
        batches: list[list[News]] = []
        local_words.say(made.streams[1], "b")
        async for batch in made.news():
            batches.append(batch)
            if len(batches) == 1:
                local_words.say(made.streams[1], "c", "stop")
                local_words.say(made.streams[0], "a", "length")
        return batches

    batches = asyncio.run(follow())

    assert [(each.place, each.piece.text) for each in batches[0]] == [(1, "b")]
    told = [news for batch in batches for news in batch]
    assert texts(told, 2) == ["a", "bc"]
    assert {each.place: each.finish for each in told if each.finish} == {0: "length", 1: "stop"}


@pytest.mark.parametrize(("count", "in_pool"), [(100, True), (3, False)])
def test_many_tokens_become_text_in_the_pool(
    pool: ThreadPoolExecutor, count: int, *, in_pool: bool
) -> None:
    made, _ = job(pool, 1)
    seen: set[str] = set()
    narrator = made._narrators[0]
    tell = narrator.tell

    def told(tokens: object) -> object:
        seen.add(threading.current_thread().name)
        return tell(tokens)  # type: ignore[arg-type]

    narrator.tell = told  # type: ignore[method-assign, assignment]
    local_words.say(made.streams[0], "a" * count)
    made.streams[0].end("stop")
    read(made)

    assert any("ThreadPool" in name for name in seen) == in_pool


@pytest.mark.parametrize(
    ("stops", "piecemeal", "told"),
    [((), False, 1), ((), True, 5), (("END",), False, 2)],
    ids=["whole", "piecemeal", "whole, with stops"],
)
def test_what_nobody_sees_before_the_end_comes_together(
    pool: ThreadPoolExecutor, stops: tuple[str, ...], told: int, *, piecemeal: bool
) -> None:
    """Given four steps and an end, then a whole answer is told once, and twice where a stop may end it."""
    made, _ = job(pool, 1, stops=stops)

    async def follow() -> list[list[News]]:
        async def step() -> None:
            for letter in "abcd":
                local_words.say(made.streams[0], letter)
                await asyncio.sleep(0.01)
            made.streams[0].end("stop")

        stepping = asyncio.create_task(step())
        batches = [batch async for batch in made.news(piecemeal=piecemeal)]
        await stepping
        return batches

    batches = asyncio.run(follow())

    assert texts([news for batch in batches for news in batch], 1) == ["abcd"]
    assert len([batch for batch in batches if any(news.piece.text for news in batch)]) in (
        told,
        told - 1,
    )


def steps_until_cancelled(made: Job, engine: local_words.Script, *, piecemeal: bool) -> int:
    """Return how many tokens its first sample says behind a stop string until it is cancelled."""

    async def follow() -> int:
        async def read() -> None:
            async for _ in made.news(piecemeal=piecemeal):
                pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        local_words.say(made.streams[0], "aEND")
        await asyncio.sleep(0.005)
        count = 0
        while not engine.cancelled and count < 100:
            local_words.say(made.streams[0], "x")
            await asyncio.sleep(0.005)
            count += 1
        await reading
        return count

    return asyncio.run(follow())


@pytest.mark.parametrize(("before", "piecemeal", "most"), [("", True, 0), ("bb", False, 3)])
def test_a_stop_string_is_met_a_few_steps_late_at_most(
    pool: ThreadPoolExecutor, before: str, most: int, *, piecemeal: bool
) -> None:
    """Given a whole answer, whose tokens are looked at by fours, then three come too many at the most."""
    made, engine = job(pool, 1, stops=("END",))
    local_words.say(made.streams[0], before)

    assert steps_until_cancelled(made, engine, piecemeal=piecemeal) <= most
    assert made.usage.answer == len(before) + 4


def test_a_whole_answer_is_text_at_once(pool: ThreadPoolExecutor) -> None:
    """Given samples that end one after the other, when only the answer is wanted, each is read once."""
    engine = local_words.Script()
    streams = engine.submit([1], 2, Params(seed=1))
    narrators = [Narrator(local_words.tongue(), reports=False) for _ in streams]
    made = Job(engine, streams, narrators, lengths=[7], pool=pool)

    async def follow() -> list[News]:
        async def step() -> None:
            for _ in range(100):
                for stream in streams:
                    local_words.say(stream, "a" if not stream.has_ended else "")
                await asyncio.sleep(0)
                if len(streams[0]._tokens) == 50:
                    streams[0].end("stop")
            streams[1].end("length")

        stepping = asyncio.create_task(step())
        news = [each async for batch in made.news(piecemeal=False) for each in batch]
        await stepping
        return news

    news = asyncio.run(follow())

    told = [(each.place, each.piece.text) for each in news if each.piece.text]
    assert told == [(0, "a" * 50), (1, "a" * 100)]
    assert {each.place: each.finish for each in news if each.finish} == {0: "stop", 1: "length"}
    assert made.usage.answer == 150


def test_a_stop_string_ends_its_sample_in_the_engine_too(pool: ThreadPoolExecutor) -> None:
    """Given a sample that says a stop string and goes on, then it is cancelled, and its rest unheard."""
    made, engine = job(pool, 2, stops=("END",))
    local_words.say(made.streams[0], "aENDb")
    local_words.say(made.streams[1], "c", "length")

    news = read(made)

    assert texts(news, 2) == ["a", "c"]
    assert engine.cancelled == [made.streams[0]]
    assert {each.place: each.finish for each in news if each.finish} == {0: "stop", 1: "length"}


def test_an_engine_that_fails_is_told(pool: ThreadPoolExecutor) -> None:
    made, _ = job(pool, 1)
    local_words.say(made.streams[0], "a")
    made.streams[0].end(None, EngineFailedError("broken"))

    with pytest.raises(Refusal, match="broken") as raised:
        read(made)

    assert raised.value.status == 500


def test_a_sample_that_somebody_cancelled_is_no_answer(pool: ThreadPoolExecutor) -> None:
    made, _ = job(pool, 1)
    local_words.say(made.streams[0], "a", "cancelled")

    with pytest.raises(Refusal, match="cancelled"):
        read(made)


def test_closing_wants_no_more(pool: ThreadPoolExecutor) -> None:
    made, engine = job(pool, 3)

    made.close()

    assert engine.cancelled == list(made.streams)


def test_usage_counts_each_prompt_once(pool: ThreadPoolExecutor) -> None:
    engine = local_words.Script()
    streams = engine.submit([1], 4, Params(seed=1))
    for stream, cached in zip(streams, (0, 5, 6, 6), strict=True):
        stream.cached = cached
        local_words.say(stream, "ab", "stop")
    narrators = [Narrator(local_words.tongue()) for _ in streams]
    made = Job(engine, streams, narrators, lengths=[5, 7], pool=pool)
    read(made)

    assert (made.usage.prompt, made.usage.cached, made.usage.answer) == (12, 6, 8)
