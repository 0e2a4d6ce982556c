"""What a client is shown of an outcome: framing, where it came from, and the body's own way."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cachesaver.asks import Source, Through
from cachesaver.effects import Acquire, Fill, Release, Steps
from cachesaver.engine import Engine, Line
from cachesaver.errors import StoreError
from cachesaver.exchange import AsyncReply, Headers, Reply, Response, Sample
from cachesaver.outcomes import Outcome, Passing, Served
from cachesaver.ports import Grant, Policy, Run
from cachesaver.replies import async_reply, cache_status, reply
from cachesaver.statistics import Statistics, Tally
from cachesaver.stores.memory import MemoryStore

RUN = Run(id="r", namespace="ns")
JSON: Headers = (("Content-Type", "application/json"),)
SSE: Headers = (("Content-Type", "text/event-stream"),)
NATIVE = object()


class Connection:
    """A live answer that says which chunks were taken, and whether it was closed."""

    def __init__(self, status: int = 200, headers: Headers = SSE) -> None:
        self.head: dict[str, Any] = {
            "status": status,
            "headers": headers,
            "reason": "Fine",
            "http_version": "HTTP/2",
            "native": NATIVE,
        }
        self.closed = 0

    def reply(self) -> Reply:
        return Reply(**self.head, chunks=iter((b"a", b"b")), close=self._close)

    def areply(self) -> AsyncReply:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        async def close() -> None:
            self._close()

        return AsyncReply(**self.head, chunks=chunks(), close=close)

    def _close(self) -> None:
        self.closed += 1


class Room:
    """An engine over a store, a count, and a slot that is led by whoever passes a stream."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.engine = Engine(store=self.store, owner="me", complain=_raise)
        self.tally = Tally()
        self.token = self.engine.run(_leading(), Line(_unsent)).token

    def shown(self, outcome: Outcome) -> Reply:
        return reply(outcome, self.engine, Line(_unsent), self.tally)

    def ashown(self, outcome: Outcome) -> AsyncReply:
        return async_reply(outcome, self.engine, Line(_unsent), self.tally)

    def passing(self, live: Reply | AsyncReply) -> Passing:
        def keep(response: Response) -> Steps[tuple[Sample, ...]]:
            sample = Sample(response=response, draw="d", usage={"total_tokens": 5})
            kept = yield from Fill(
                run=RUN, fingerprint="f", index=0, token=self.token, sample=sample, question=b"q"
            )
            return (kept,)

        def drop() -> Steps[None]:
            yield from Release(run=RUN, fingerprint="f", index=0, token=self.token)

        return Passing(
            fingerprint="f",
            reply=live,
            indexes=(0, 3),
            finished=lambda tail: tail.endswith(b"b"),
            all_but_finished=lambda _: False,
            keep=keep,
            drop=drop,
        )

    @property
    def is_led(self) -> bool:
        return bool(self.store.pool("f").leases)


def _leading() -> Steps[Grant]:
    (grant,) = yield from Acquire(run=RUN, fingerprint="f", draws=("d",), policy=Policy.RESERVE)
    return grant


def _raise(error: StoreError) -> None:
    raise error


def _unsent(_: object) -> Any:
    raise AssertionError("nothing is sent to show an outcome")


async def collected(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in chunks]


def served(*sources: Source, response: Response | None = None) -> Served:
    sample = Sample(response=Response(status=200), draw="d")
    return Served(
        response=response or Response(status=200, headers=JSON, chunks=(b"{}",)),
        sources=sources,
        indexes=tuple(range(len(sources))),
        samples=(sample,) * len(sources),
    )


def through(live: Reply | AsyncReply, source: Source, read: Response | None = None) -> Through:
    return Through(reply=live, source=source, why="so", read=read)


HIT, FETCHED, COLLAPSED = Source.HIT, Source.FETCHED, Source.COLLAPSED


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (served(HIT), 'hit; detail="index 0"'),
        (served(HIT, HIT), 'hit; detail="index 0,1"'),
        (served(HIT, FETCHED), 'fwd=partial; stored; detail="index 0,1"'),
        (served(FETCHED), 'fwd=miss; stored; detail="index 0"'),
        (served(FETCHED, COLLAPSED), 'fwd=miss; stored; detail="index 0,1"'),
        (served(COLLAPSED), 'fwd=miss; collapsed; detail="index 0"'),
        (Room().passing(Connection().reply()), 'fwd=miss; detail="index 0,3"'),
        (through(Connection(429).reply(), Source.ERROR), "fwd=miss; fwd-status=429"),
        (through(Connection().reply(), Source.BYPASSED), "fwd=bypass"),
    ],
)
def test_an_answer_says_where_it_came_from(outcome: Outcome, said: str) -> None:
    assert cache_status(outcome) == ("cache-status", f"cachesaver; {said}")


class TestServed:
    @pytest.mark.parametrize(
        ("headers", "chunks", "length"),
        [
            (JSON, (b"{}",), "2"),
            ((*JSON, ("Content-Length", "99"), ("Cache-Status", "cdn; hit")), (b"{}",), "2"),
            (JSON, (), "0"),
            (JSON, (b"{", b"}"), None),
            (SSE, (b"data: 1\n\n",), None),
        ],
    )
    def test_it_is_framed_by_its_length_unless_it_came_in_pieces(
        self, headers: Headers, chunks: tuple[bytes, ...], length: str | None
    ) -> None:
        response = Response(
            status=201, headers=headers, chunks=chunks, offsets=(0.5,), reason="Made"
        )

        shown = Room().shown(served(HIT, response=response))

        framing = () if length is None else (("content-length", length),)
        status = ("cache-status", 'cachesaver; hit; detail="index 0"')
        assert shown.headers == (headers[0], *framing, status)
        assert shown.whole is not None
        assert (shown.status, shown.reason, shown.whole.offsets) == (201, "Made", (0.5,))
        assert tuple(shown.chunks) == shown.whole.chunks == chunks

    def test_async_clients_see_the_same(self) -> None:
        room = Room()
        outcome = served(HIT)

        async def program() -> list[bytes]:
            shown = room.ashown(outcome)
            assert (shown.headers, shown.whole) == (
                room.shown(outcome).headers,
                room.shown(outcome).whole,
            )
            await shown.close()
            return await collected(shown.chunks)

        assert asyncio.run(program()) == [b"{}"]

    def test_there_is_nothing_to_close(self) -> None:
        shown = Room().shown(served(HIT))

        shown.close()

        assert list(shown.chunks) == [b"{}"]


class TestThrough:
    def test_a_live_answer_is_handed_on_itself(self) -> None:
        live = Connection(429).reply()

        shown = Room().shown(through(live, Source.ERROR))

        assert shown is live
        assert shown.headers == (*SSE, ("cache-status", "cachesaver; fwd=miss; fwd-status=429"))

    def test_a_live_async_answer_too(self) -> None:
        live = Connection(429).areply()

        assert Room().ashown(through(live, Source.ERROR)) is live
        assert live.headers[-1][0] == "cache-status"

    @pytest.mark.parametrize("blocking", [True, False])
    def test_one_that_was_read_is_shown_again_framed_by_its_length(self, *, blocking: bool) -> None:
        headers = (*JSON, ("Content-Length", "9"), ("transfer-encoding", "chunked"))
        read = Response(status=200, headers=headers, chunks=(b"a", b"b"), offsets=(0.0, 1.0))
        way, room = Connection(), Room()

        shown: Reply | AsyncReply = (
            room.shown(through(way.reply(), Source.BYPASSED, read))
            if blocking
            else room.ashown(through(way.areply(), Source.BYPASSED, read))
        )

        bypass = ("cache-status", "cachesaver; fwd=bypass")
        assert shown.headers == (*JSON, ("content-length", "2"), bypass)
        assert shown.native is NATIVE
        assert shown.whole is not None
        assert (shown.whole.chunks, shown.whole.offsets) == ((b"a", b"b"), (0.0, 1.0))


class TestPassing:
    def test_one_that_nobody_reads_yet_is_known_to_be_idle(self) -> None:
        room = Room()
        room.shown(room.passing(Connection().reply()))

        flight = room.engine.flights._up["f", 0]

        assert flight.pulse is not None
        assert flight.pulse.idle_since is not None

    def test_it_is_shown_as_it_came_and_kept_before_its_end(self) -> None:
        way, room = Connection(), Room()
        shown = room.shown(room.passing(way.reply()))

        assert (shown.status, shown.reason, shown.http_version) == (200, "Fine", "HTTP/2")
        assert (shown.native, shown.whole) == (NATIVE, None)
        assert shown.headers == (*SSE, ("cache-status", 'cachesaver; fwd=miss; detail="index 0,3"'))
        assert next(shown.chunks) == b"a"
        assert room.is_led
        assert next(shown.chunks) == b"b"
        assert not room.is_led
        assert room.tally.now() == Statistics(fetched=1)

    def test_an_async_one_too(self) -> None:
        room, way = Room(), Connection()

        async def program() -> list[bytes]:
            shown = room.ashown(room.passing(way.areply()))
            assert (shown.status, shown.reason, shown.http_version) == (200, "Fine", "HTTP/2")
            assert (shown.native, shown.whole) == (NATIVE, None)
            found = await collected(shown.chunks)
            await shown.close()
            return found

        assert asyncio.run(program()) == [b"a", b"b"]
        assert (room.is_led, way.closed) == (False, 1)
        assert room.tally.now() == Statistics(fetched=1)

    def test_one_that_is_left_early_gives_its_slot_up(self) -> None:
        room, way = Room(), Connection()
        shown = room.shown(room.passing(way.reply()))

        next(shown.chunks)
        shown.close()

        assert (room.is_led, way.closed) == (False, 1)
        assert room.tally.now() == Statistics(bypassed=1)

    def test_an_async_one_that_is_left_early_too(self) -> None:
        room, way = Room(), Connection()

        async def program() -> None:
            shown = room.ashown(room.passing(way.areply()))
            await anext(shown.chunks)
            await shown.close()

        asyncio.run(program())

        assert (room.is_led, way.closed) == (False, 1)
        assert room.tally.now() == Statistics(bypassed=1)

    @pytest.mark.parametrize("blocking", [True, False])
    def test_one_that_is_lost_gives_its_slot_up_with_the_next_call(self, *, blocking: bool) -> None:
        room, way = Room(), Connection()

        if blocking:
            room.shown(room.passing(way.reply()))
        else:
            room.ashown(room.passing(way.areply()))
        gc.collect()
        assert room.is_led
        room.engine._clear()

        assert not room.is_led


def test_a_blocking_client_is_never_shown_an_async_answer() -> None:
    room, way = Room(), Connection()

    with pytest.raises(TypeError, match="an async reply for a blocking client"):
        room.shown(room.passing(way.areply()))
    with pytest.raises(TypeError, match="a blocking reply for an async client"):
        room.ashown(through(way.reply(), Source.ERROR))
