"""Replies played without a socket: back-pressure, cancellation, closing, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any

import aiohttp
import pytest
import uvloop

import cachesaver.transports.aiohttp as transport
from cachesaver.exchange import AsyncReply, Request, Response
from cachesaver.ports import AsyncSend
from cachesaver.transports import aiohttp_playback
from cachesaver.transports.testing import FakeGate, HitGate, LoopbackServer, Script, TeeGate

URL = "http://api.example.test/v1/x"
SSE = (("Content-Type", "text/event-stream"),)
EVENTS = tuple(b"data: %d\n\n" % n for n in range(4))


@contextlib.contextmanager
def hooked(gate: FakeGate) -> Generator[None, None, None]:
    unhook = transport.hook(aiohttp, gate)
    try:
        yield
    finally:
        unhook()


LOOPS: tuple[Callable[[], asyncio.AbstractEventLoop], ...] = (
    asyncio.new_event_loop,
    uvloop.new_event_loop,
)


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return what runs a coroutine to its end and asserts that nothing is left or was complained."""

    async def watched(main: Coroutine[Any, Any, None]) -> None:
        complaints = list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
        await main
        for _ in range(5):
            await asyncio.sleep(0)
        assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
        gc.collect()
        assert complaints == []

    def run_it(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(watched(main))
        assert not vars(aiohttp_playback)["_PLAYING"]

    return run_it


Run = Callable[[Coroutine[Any, Any, None]], None]


class PlayedGate(FakeGate):
    """Answers with chunks made by *chunks*, and notes when its replies are closed."""

    def __init__(
        self,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self.closed = 0
        self._chunks = chunks
        self._close = close

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        self.asked.append(request)

        async def close() -> None:
            self.closed += 1
            if self._close:
                await self._close()

        return AsyncReply(status=200, headers=SSE, chunks=self._chunks(), close=close)


def acquired(session: aiohttp.ClientSession) -> tuple[object, ...]:
    assert session.connector is not None
    own = vars(session.connector)
    return (*own["_acquired"], *own["_conns"])


# --- many


def test_a_thousand_hits_take_no_connection(run: Run) -> None:
    gate = HitGate(Response(status=200, headers=SSE, chunks=EVENTS))

    async def main() -> None:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask() -> bytes:
                async with session.post(URL, json={}) as response:
                    assert acquired(session) == ()
                    return await response.read()

            answers = await asyncio.gather(*(ask() for _ in range(1000)))
            assert set(answers) == {b"".join(EVENTS)}
            assert acquired(session) == ()

    with hooked(gate):
        run(main())

    assert len(gate.asked) == 1000


def test_misses_share_the_one_connection_there_is(run: Run) -> None:
    with LoopbackServer() as server:
        url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS))

        async def main() -> None:
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=connector) as session:

                async def ask() -> bytes:
                    async with session.post(url, json={}) as response:
                        return await response.read()

                answers = await asyncio.gather(*(ask() for _ in range(20)))
                assert set(answers) == {b"".join(EVENTS)}

        with hooked(TeeGate()):
            run(main())

        assert (server.connections, len(server.received)) == (1, 20)


# --- flow


def test_a_reader_who_stops_stops_the_reply(run: Run) -> None:
    made = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal made
        while True:
            made += 1
            yield bytes(1000)

    async def main() -> None:
        async with (
            aiohttp.ClientSession(read_bufsize=4000) as session,
            session.post(URL) as response,
        ):
            for read in range(5):
                for _ in range(100):
                    await asyncio.sleep(0)
                assert made - read * 10 < 40
                await response.content.readexactly(10_000)

    gate = PlayedGate(endless)
    with hooked(gate):
        run(main())

    assert gate.closed == 1


@pytest.mark.parametrize("size", [300, 65_536, 300_000])
def test_a_slow_reader_gets_every_byte(run: Run, size: int) -> None:
    chunks = tuple(bytes([n % 251]) * 10_007 for n in range(100))
    gate = HitGate(Response(status=200, headers=SSE, chunks=chunks))

    async def main() -> None:
        async with (
            aiohttp.ClientSession(read_bufsize=1000) as session,
            session.post(URL) as response,
        ):
            got = bytearray()
            while piece := await response.content.read(size):
                got += piece
                await asyncio.sleep(0)
            assert got == b"".join(chunks)

    with hooked(gate):
        run(main())


def test_the_end_is_seen_only_when_the_reply_has_ended_and_is_closed(run: Run) -> None:
    """Given a body of known length whose last byte is there, then its end waits for the reply's."""
    ended = asyncio.Event()

    class Sized(PlayedGate):
        async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
            reply = await super().aanswer(request, send)
            return AsyncReply(
                status=200,
                headers=(("Content-Length", "2"),),
                chunks=reply.chunks,
                close=reply.close,
                native=reply,
            )

    async def two() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"
        await ended.wait()

    gate = Sized(two)

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.post(URL) as response:
            assert await response.content.readany() == b"a"
            reading = asyncio.create_task(response.content.readany())
            for _ in range(20):
                await asyncio.sleep(0)
            assert (reading.done(), response.content.is_eof(), gate.closed) == (False, False, 0)
            ended.set()
            assert await reading == b"b"
            assert (response.content.is_eof(), gate.closed) == (True, 1)

    with hooked(gate):
        run(main())


def test_a_body_that_is_there_with_the_head_is_there_at_once(run: Run) -> None:
    """Given a small answer, then its response is complete, and so released, when it is returned."""

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            response = await session.post(URL)
            assert (response.closed, response.connection) == (True, None)
            assert await response.read() == b"kept"

    with hooked(HitGate(Response(status=200, chunks=(b"kept",)))):
        run(main())


def test_the_request_is_written_before_its_answer_comes(run: Run) -> None:
    """Given a body written in turns, then the caller's own payload is used up as in a real send."""
    body, told = io.BytesIO(bytes(600_000)), list[str]()
    trace = aiohttp.TraceConfig()

    async def chunk_sent(_session: object, _context: object, params: Any) -> None:
        told.append(f"sent {len(params.chunk)}")

    async def received(_session: object, _context: object, params: Any) -> None:
        told.append(f"got {len(params.chunk)}")

    trace.on_request_chunk_sent.append(chunk_sent)
    trace.on_response_chunk_received.append(received)

    async def main() -> None:
        async with (
            aiohttp.ClientSession(trace_configs=[trace]) as session,
            session.post(URL, data=body) as response,
        ):
            await response.read()
        assert body.tell() == 600_000

    with hooked(HitGate(Response(status=200, chunks=(b"kept",)))):
        run(main())

    sizes = [int(line.split()[1]) for line in told[:-1]]
    assert (sum(sizes), told[-1]) == (600_000, "got 4")


# --- leaving early


async def forever() -> AsyncIterator[bytes]:
    yield EVENTS[0]
    await asyncio.Event().wait()


async def _close(response: aiohttp.ClientResponse) -> None:
    response.close()


async def _release(response: aiohttp.ClientResponse) -> None:
    response.release()


async def _leave(response: aiohttp.ClientResponse) -> None:
    async with response:
        pass


async def _cancel(response: aiohttp.ClientResponse) -> None:
    task = asyncio.create_task(response.read())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _time_out(response: aiohttp.ClientResponse) -> None:
    with pytest.raises(TimeoutError):
        await response.read()


async def _abort(response: aiohttp.ClientResponse) -> None:
    assert response.connection is not None
    assert response.connection.transport is not None
    response.connection.transport.abort()


LEAVING = (_close, _release, _leave, _cancel, _time_out, _abort)


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize("reads", [True, False])
def test_leaving_early_closes_the_reply(
    run: Run, leave: Callable[[aiohttp.ClientResponse], Awaitable[None]], *, reads: bool
) -> None:
    gate = PlayedGate(forever)

    async def main() -> None:
        timeout = aiohttp.ClientTimeout(total=0.1)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            response = await session.post(URL, json={})
            if reads:
                assert await response.content.readany() == EVENTS[0]
            await leave(response)
            for _ in range(3):
                await asyncio.sleep(0)
            assert gate.closed == 1
            response.close()

    with hooked(gate):
        run(main())

    assert gate.closed == 1


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("gate", [functools.partial(PlayedGate, forever), TeeGate])
def test_a_call_may_be_cancelled_at_any_turn(
    run: Run, turns: int, gate: Callable[[], PlayedGate | TeeGate]
) -> None:
    """Given a call, when it is cancelled after so many turns of the loop, then nothing is left."""
    made = gate()
    with LoopbackServer() as server:
        held = Script(headers=SSE, chunks=EVENTS, holds_chunks=True)
        url = server.script("/v1/x", held)

        async def main() -> None:
            connector = aiohttp.TCPConnector(limit=1)
            async with aiohttp.ClientSession(connector=connector) as session:

                async def ask() -> None:
                    async with session.post(url, json={}) as response:
                        await response.read()

                task = asyncio.create_task(ask())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                for _ in range(5):
                    await asyncio.sleep(0)
                assert acquired(session) == ()
                if isinstance(made, PlayedGate):
                    assert made.closed == len(made.asked)
                else:
                    assert all(tee.closed for tee in made.tees)

        with hooked(made):
            run(main())


@pytest.mark.parametrize("phase", ["head", "body"])
def test_a_miss_cancelled_while_the_server_thinks_is_closed(run: Run, phase: str) -> None:
    gate = TeeGate()
    with LoopbackServer() as server:
        script = Script(
            headers=SSE, chunks=EVENTS, holds_head=phase == "head", holds_chunks=phase == "body"
        )
        url = server.script("/v1/x", script)

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                reading = asyncio.Event()

                async def ask() -> None:
                    async with session.post(url, json={}) as response:
                        await response.content.readany()
                        reading.set()
                        await response.read()

                task = asyncio.create_task(ask())
                if phase == "body":
                    await reading.wait()
                else:
                    assert await asyncio.to_thread(server.wait_received, 1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                for _ in range(5):
                    await asyncio.sleep(0)
                assert await asyncio.to_thread(server.wait_closed, 1)
                assert acquired(session) == ()

        with hooked(gate):
            run(main())


def test_a_response_that_is_forgotten_leaves_nothing_once_it_is_all_there(run: Run) -> None:
    gate = HitGate(Response(status=200, headers=SSE, chunks=EVENTS))

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            await session.post(URL, json={})
            for _ in range(10):
                await asyncio.sleep(0)

    with hooked(gate):
        run(main())


def test_a_loop_that_ends_while_a_reply_plays_closes_it() -> None:
    gate = PlayedGate(forever)

    async def main() -> asyncio.Task[None]:
        reading = asyncio.Event()

        async def ask() -> None:
            async with aiohttp.ClientSession() as session, session.post(URL, json={}) as response:
                await response.content.readany()
                reading.set()
                await response.read()

        task = asyncio.create_task(ask())
        await reading.wait()
        return task

    with hooked(gate):
        task = asyncio.run(main())

    assert (task.cancelled(), gate.closed) == (True, 1)


def test_closing_after_the_loop_does_no_harm() -> None:
    """Given a connection whose loop is closed, when it is closed, then nothing is raised."""

    async def main() -> aiohttp.connector.Connection:
        async with aiohttp.ClientSession() as session:
            connection = (await session.post(URL, json={})).connection
            assert connection is not None
            return connection

    with hooked(PlayedGate(forever)):
        connection = asyncio.run(main())

    connection.close()


# --- replies that fail


class BoomError(Exception):
    pass


@pytest.mark.parametrize("before", [(), EVENTS[:1]])
def test_an_error_on_the_way_is_met_by_the_reader(run: Run, before: tuple[bytes, ...]) -> None:
    error = BoomError("boom")

    async def failing() -> AsyncIterator[bytes]:
        for chunk in before:
            yield chunk
        raise error

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.post(URL) as response:
            assert response.status == 200
            with pytest.raises(BoomError) as caught:
                await response.read()
            assert caught.value is error

    gate = PlayedGate(failing)
    with hooked(gate):
        run(main())

    assert gate.closed == 1


def test_an_error_waits_until_the_reader_comes_to_it(run: Run) -> None:
    """Given a reader behind, when the reply breaks, then he reads what came before."""

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(10_000)
        raise BoomError

    async def main() -> None:
        async with (
            aiohttp.ClientSession(read_bufsize=100) as session,
            session.post(URL) as response,
        ):
            for _ in range(10):
                await asyncio.sleep(0)
            assert await response.content.readexactly(10_000) == bytes(10_000)
            with pytest.raises(BoomError):
                await response.content.readany()

    with hooked(PlayedGate(failing)):
        run(main())


def test_an_error_in_closing_is_met_by_the_reader(run: Run) -> None:
    async def none() -> AsyncIterator[bytes]:
        return
        yield b""

    async def close() -> None:
        raise BoomError

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.post(URL) as response:
            with pytest.raises(BoomError):
                await response.read()

    with hooked(PlayedGate(none, close=close)):
        run(main())


def test_a_reply_that_is_cancelled_from_within_does_not_hang_its_reader(run: Run) -> None:
    async def cancelled() -> AsyncIterator[bytes]:
        yield EVENTS[0]
        raise asyncio.CancelledError

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.post(URL) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    with hooked(PlayedGate(cancelled)):
        run(main())


def test_a_body_shorter_than_it_says_is_an_error(run: Run) -> None:
    class Short(PlayedGate):
        async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
            reply = await super().aanswer(request, send)
            reply.headers, reply.native = (("Content-Length", "99"),), reply
            return reply

    async def one() -> AsyncIterator[bytes]:
        yield b"short"

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.post(URL) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    with hooked(Short(one)):
        run(main())


# --- the transport itself


def test_the_transport_is_one_that_has_sent_everything(run: Run) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            response = await session.post(URL, json={})
            assert response.connection is not None
            far = response.connection.transport
            assert far is not None
            assert far.get_write_buffer_size() == 0
            assert not far.can_write_eof()
            assert far.is_reading()
            assert not far.is_closing()
            assert far.get_extra_info("peername") is None
            far.writelines([b"a", b"b"])
            far.write_eof()
            far.pause_reading()
            assert not far.is_reading()
            far.resume_reading()
            far.close()
            assert far.is_closing()
            response.close()

    with hooked(PlayedGate(forever)):
        run(main())
