"""Stored answers at their old pace; sleeping is looked at, not done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

import cachesaver
from cachesaver import sleeping
from cachesaver.exchange import Response
from cachesaver.pace import at_once, at_once_async, is_timed, paced, paced_async
from cachesaver.rehearsal import Latency, Rehearsal

TIMED = Response(status=200, chunks=(b"a", b"b", b"c"), offsets=(1.0, 1.0, 3.0))

ASK = {"model": "m", "messages": [{"role": "user", "content": "pace"}], "stream": True}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.waits = list[float]()
        monkeypatch.setattr("cachesaver.pace.time", self)
        monkeypatch.setattr(sleeping, "block", self.sleep)
        monkeypatch.setattr(sleeping, "doze", self.asleep)

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, future: None, seconds: float) -> None:
        assert future is None
        self.waits.append(seconds)
        self.now += seconds

    async def asleep(self, future: None, seconds: float) -> None:
        self.sleep(future, seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def everything(response: Response, factor: float) -> list[bytes]:
    return list(paced(response, factor))


def everything_async(response: Response, factor: float) -> list[bytes]:
    async def read() -> list[bytes]:
        return [chunk async for chunk in paced_async(response, factor)]

    return asyncio.run(read())


@pytest.mark.parametrize("read", [everything, everything_async])
def test_every_chunk_comes_when_it_came(
    read: Callable[[Response, float], list[bytes]], clock: Clock
) -> None:
    assert read(TIMED, 1) == [b"a", b"b", b"c"]
    assert clock.waits == [1.0, 2.0]

    clock.waits.clear()
    assert read(TIMED, 4) == [b"a", b"b", b"c"]
    assert clock.waits == [0.25, 0.5]


def test_a_reader_who_is_slow_itself_does_not_wait_as_well(clock: Clock) -> None:
    for _ in paced(TIMED, 1):
        clock.now += 5

    assert clock.waits == [1.0]


def test_only_what_knows_when_it_came_has_a_pace() -> None:
    assert is_timed(TIMED, 1)
    assert not is_timed(TIMED, None)
    assert not is_timed(Response(status=200, chunks=(b"a", b"b"), offsets=(1.0,)), 1)
    assert not is_timed(Response(status=200), 1)


def blocking(url: str) -> list[bytes]:
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=ASK) as answer:
        return list(answer.iter_raw())


async def awaiting(url: str) -> list[bytes]:
    async with (
        httpx.AsyncClient() as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=ASK) as answer,
    ):
        return [chunk async for chunk in answer.aiter_raw()]


def awaited(url: str) -> list[bytes]:
    return asyncio.run(awaiting(url))


@pytest.mark.parametrize("ask", [blocking, awaited])
def test_a_stream_from_the_store_takes_its_time(
    ask: Callable[[str], list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a recorded stream, when it is asked for again at its pace, then it is waited for."""
    slept = list[float]()

    async def doze(future: object, seconds: float) -> None:
        slept.append(seconds)

    def block(future: object, seconds: float) -> None:
        slept.append(seconds)

    with (
        Rehearsal(seed=1, latency=Latency(base=0.02, per_token=0.005)) as provider,
        cachesaver.install(namespace="a", store="memory://", quiet=True, pace=0.001) as session,
    ):
        bought = ask(provider.url)
        monkeypatch.setattr(sleeping, "doze", doze)
        monkeypatch.setattr(sleeping, "block", block)
        with cachesaver.namespace("b"):
            again = ask(provider.url)

    assert again == bought
    assert session.stats().hits == 1
    assert len(slept) == len(bought) > 3
    assert sum(slept) > 1


def test_without_a_pace_every_chunk_comes_at_once(clock: Clock) -> None:
    async def read() -> list[bytes]:
        return [chunk async for chunk in at_once_async(TIMED)]

    assert asyncio.run(read()) == list(at_once(TIMED)) == [b"a", b"b", b"c"]
    assert clock.waits == []
