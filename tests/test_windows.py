"""Gathering what is missing: how long, for whom, and that nobody hangs; over a session and in memory."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson
import pytest
import trio

from cachesaver.batching import Hand, Seat
from cachesaver.effects import Deal, Enlist, Leave
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.flights import Flights
from cachesaver.options import Window
from cachesaver.ports import Run
from cachesaver.session import Session
from cachesaver.stores.memory import MemoryStore
from cachesaver.windows import Gathering

URL = "https://api.openai.com/v1/chat/completions"
RUN = Run(id="r", namespace="a")


def request(question: int = 0, n: int = 1) -> Request:
    messages = [{"role": "user", "content": f"Question {question}"}]
    return Request(
        method="POST",
        url=URL,
        body=orjson.dumps({"model": "gpt-5-mini", "messages": messages, "n": n}),
    )


def texts(reply: Reply | AsyncReply) -> list[str]:
    assert reply.whole is not None
    choices = orjson.loads(reply.whole.body)["choices"]
    return [choice["message"]["content"] for choice in choices]


class Provider:
    """Answers with numbers, never the same twice, as long after as it is told to."""

    def __init__(self, seconds: Callable[[], float] = lambda: 0.0) -> None:
        self.asked: list[int] = []
        self.seconds = seconds
        self.given = 0
        self.faults: list[int | BaseException] = []
        self._lock = threading.Lock()

    def _answer(self, request: Request) -> tuple[int, bytes]:
        with self._lock:
            count = orjson.loads(request.body).get("n", 1)
            self.asked.append(count)
            fault = self.faults.pop() if self.faults else 200
            if isinstance(fault, BaseException):
                raise fault
            if fault != 200:
                return fault, b'{"error": {"message": "no"}}'
            said = range(self.given, self.given + count)
            self.given += count
        choices = [
            {
                "index": place,
                "message": {"role": "assistant", "content": str(each)},
                "finish_reason": "stop",
            }
            for place, each in enumerate(said)
        ]
        return 200, orjson.dumps(
            {"id": f"c{said[0]}", "object": "chat.completion", "model": "m", "choices": choices}
        )

    def send(self, request: Request) -> Reply:
        time.sleep(self.seconds())
        status, body = self._answer(request)
        return Reply(status=status, headers=JSON, chunks=iter((body,)), close=lambda: None)

    async def asend(self, request: Request) -> AsyncReply:
        await asyncio.sleep(self.seconds())
        status, body = self._answer(request)

        async def chunks() -> AsyncIterator[bytes]:
            await asyncio.sleep(0)
            yield body

        async def close() -> None:
            pass

        return AsyncReply(status=status, headers=JSON, chunks=chunks(), close=close)


JSON = (("content-type", "application/json"),)


def opened(**options: Any) -> Session:
    return Session.open(namespace="a", store=MemoryStore(), strict=True, **options)


def holds_nothing(session: Session) -> bool:
    engine = session._answers()._engine
    return not (engine._leases.held or engine.flights._up or engine._gathering._desk._open)


class TestTheWindow:
    def test_stays_open_as_long_as_each_turn_brings_more(self) -> None:
        session, provider = opened(), Provider()

        async def late(turns: int) -> list[str]:
            for _ in range(turns):
                await asyncio.sleep(0)
            return texts(await session.aanswer(request(), provider.asend))

        async def main() -> None:
            await asyncio.gather(*(late(turns) for turns in range(5)))

        asyncio.run(main())

        assert provider.asked == [5]

    def test_of_seconds_gathers_tasks_too(self) -> None:
        session, provider = opened(window=1.0), Provider()

        async def late(seconds: float) -> list[str]:
            await asyncio.sleep(seconds)
            return texts(await session.aanswer(request(), provider.asend))

        async def main() -> None:
            await asyncio.gather(late(0), late(0.02))

        asyncio.run(main())

        assert provider.asked == [2]

    def test_of_a_flight_gathers_while_another_call_is_under_way(self) -> None:
        session, provider = opened(window="flight"), Provider(lambda: 0.05)

        async def late(seconds: float) -> list[str]:
            await asyncio.sleep(seconds)
            return texts(await session.aanswer(request(), provider.asend))

        async def main() -> None:
            await asyncio.gather(late(0), late(0.01), late(0.02), late(0.03))

        asyncio.run(main())

        assert provider.asked == [1, 3]

    def test_of_no_seconds_gathers_nobody(self) -> None:
        session, provider = opened(window=0), Provider()

        async def main() -> None:
            ask = [session.aanswer(request(), provider.asend) for _ in range(3)]
            await asyncio.gather(*ask)

        asyncio.run(main())

        assert provider.asked == [1, 1, 1]

    def test_closes_when_enough_have_come(self) -> None:
        session, provider, begun = opened(window=60, size=2), Provider(), time.perf_counter()

        async def main() -> None:
            ask = [session.aanswer(request(), provider.asend) for _ in range(4)]
            await asyncio.gather(*ask)

        asyncio.run(main())

        assert sum(provider.asked) == 4
        assert time.perf_counter() - begun < 30

    def test_is_not_waited_for_by_who_gets_a_hit(self) -> None:
        session, provider = opened(window=60, size=1), Provider()
        texts(session.answer(request(), provider.send))

        with Session.open(namespace="b", store=session.store, window=60) as other:
            assert texts(other.answer(request(), provider.send)) == ["0"]

    def test_tasks_of_trio_gather(self) -> None:
        session, provider = opened(), Provider()
        said = list[str]()

        async def send(request: Request) -> AsyncReply:
            await trio.sleep(0.001)
            status, body = provider._answer(request)

            async def chunks() -> AsyncIterator[bytes]:
                yield body

            async def close() -> None:
                pass

            return AsyncReply(status=status, headers=JSON, chunks=chunks(), close=close)

        async def ask() -> None:
            said.extend(texts(await session.aanswer(request(), send)))

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(ask)

        trio.run(main)

        assert provider.asked == [6]
        assert len(set(said)) == 6
        assert holds_nothing(session)


class TestWhoGathers:
    def test_a_blocking_call_on_a_loops_own_thread_waits_for_nobody(self) -> None:
        session, provider = opened(window=60), Provider()

        async def main() -> list[str]:
            return texts(session.answer(request(), provider.send))

        assert asyncio.run(main()) == ["0"]
        assert holds_nothing(session)

    def test_threads_gather_with_threads_and_the_tasks_of_a_loop_with_each_other(self) -> None:
        session, provider = opened(window=1.0), Provider()

        async def several() -> None:
            await asyncio.gather(*(session.aanswer(request(), provider.asend) for _ in range(3)))

        threads = [
            threading.Thread(target=session.answer, args=(request(), provider.send))
            for _ in range(2)
        ]
        threads += [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert sorted(provider.asked) == [2, 3, 3]
        assert holds_nothing(session)

    def test_a_leader_that_is_interrupted_leaves_the_lead_to_another(self) -> None:
        """Given two threads that gather, when the first is interrupted, then the other goes on."""
        gathering = Gathering(window=Window(seconds=60), flights=Flights())
        seats = [Seat(run=RUN, draws=("a",)), Seat(run=RUN, draws=("b",))]
        effects = [Enlist(fingerprint="f", key="f", seat=seat) for seat in seats]
        got = list[Sequence[Seat]]()
        leading = threading.Thread(target=gathering.enlist, args=(effects[0],), daemon=True)
        leading.start()
        while not seats[0].leads:
            time.sleep(0.001)
        waiting = threading.Thread(target=lambda: got.append(gathering.enlist(effects[1])))
        waiting.start()
        while seats[1].batch is None:
            time.sleep(0.001)

        assert gathering.leave(Leave(seat=seats[0])) is None
        waiting.join(20)

        assert got == [(seats[1],)]
        assert seats[1].batch is not None
        seats[1].batch.full.set_result(None)
        leading.join(20)

    def test_whom_nothing_could_be_dealt_is_woken_all_the_same(self) -> None:
        gathering = Gathering(window=Window(), flights=Flights())
        one, error = Seat(run=RUN, draws=("a",)), ValueError("no")

        given = gathering.deal(Deal(fingerprint="f", seats=(one,), error=error))

        assert given == ()
        assert one.error is error
        assert one.called.done()

    def test_a_hand_that_nobody_takes_comes_back(self) -> None:
        gathering, one, hand = Gathering(window=Window(), flights=Flights()), _gone(), Hand()

        assert gathering.deal(Deal(fingerprint="f", seats=(one,), hands=(hand,))) == (hand,)


def _gone() -> Seat:
    return Seat(run=RUN, draws=("a",), has_left=True)


@pytest.fixture(params=range(12))
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(int(request.param))  # noqa: S311  # to be repeated


def test_whoever_is_cancelled_nobody_hangs_and_no_sample_is_given_twice(
    chance: random.Random,
) -> None:
    """Given 100 tasks that are cancelled at random and ask again, then laws 1 and 2 hold."""
    provider = Provider(lambda: chance.random() * 0.02)
    session = opened()
    said: dict[int, list[str]] = {0: [], 1: [], 2: []}

    async def ask(question: int, n: int) -> None:
        while True:
            try:
                reply = await session.aanswer(request(question, n), provider.asend)
            except asyncio.CancelledError:
                continue
            if reply.status == 200:
                said[question] += texts(reply)
                return

    async def main() -> None:
        provider.faults = [chance.choice([200, 200, 200, 429, 500]) for _ in range(60)]
        tasks = list[asyncio.Task[None]]()
        for _ in range(100):
            tasks.append(
                asyncio.create_task(ask(chance.randrange(3), chance.choice([1, 1, 1, 2, 3])))
            )
            if chance.random() < 0.1:
                await asyncio.sleep(chance.random() * 0.01)
            chance.choice(tasks).cancel()
        for _ in range(30):
            await asyncio.sleep(0.001)
            chance.choice(tasks).cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
        await settled(session)

    asyncio.run(main())

    for question, drawn in said.items():
        assert len(set(drawn)) == len(drawn), f"law 1, question {question}"
        assert len(set(replayed(session, question, len(drawn)))) == len(drawn)


async def settled(session: Session) -> None:
    """Wait until what was left is finished."""
    async with asyncio.timeout(20):
        while not holds_nothing(session):  # noqa: ASYNC110  # there is nothing to be woken by
            await asyncio.sleep(0.005)


def replayed(session: Session, question: int, count: int) -> list[str]:
    """What a fresh namespace gets of *question*, with nobody to buy from."""

    def send(_: Request) -> Reply:
        raise AssertionError

    with Session.open(namespace="b", store=session.store, strict=True, mode="replay") as again:
        asked = [again.answer(request(question), send) for _ in range(count)]
        return [text for reply in asked for text in texts(reply)]


def test_threads_and_loops_mixed_share_no_sample(chance: random.Random) -> None:
    provider = Provider(lambda: chance.random() * 0.01)
    session = opened(window=0.005)
    said = list[str]()

    def blocking() -> None:
        for _ in range(5):
            said.extend(texts(session.answer(request(), provider.send)))

    async def ask() -> None:
        said.extend(texts(await session.aanswer(request(), provider.asend)))

    async def several() -> None:
        for _ in range(3):
            await asyncio.gather(*(ask() for _ in range(4)))

    threads = [threading.Thread(target=blocking) for _ in range(4)]
    threads += [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(said) == len(set(said)) == 4 * 5 + 3 * 12
    assert provider.given == len(said)
    assert holds_nothing(session)
