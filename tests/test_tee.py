"""A stream on its way: handed on at once, kept before its end is seen, dropped where it breaks."""

from __future__ import annotations

import asyncio
import gc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from typing import Any

import pytest
import trio
import zstandard

from cachesaver.exchange import AsyncReply, Headers, Reply, Response
from cachesaver.tee import AsyncTee, Recording, Tee

STREAM = (b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n")


class Life:
    """A connection and the three ends of a stream; *events* says what happened, in order."""

    def __init__(
        self,
        chunks: Sequence[bytes] = STREAM,
        *,
        headers: Headers = (),
        fault: BaseException | None = None,
    ) -> None:
        self.events: list[str] = []
        self.kept: list[Response] = []
        self._chunks = chunks
        self._headers = headers
        self._fault = fault

    def tee(self) -> Tee:
        reply = Reply(
            status=200, headers=self._headers, chunks=self._arrive(), close=self._close, reason="OK"
        )
        heard = Recording(reply, self._finished, self._closing)
        return Tee(reply, heard, self._keep, self._drop, self._lose)

    def async_tee(self) -> AsyncTee:
        async def close() -> None:
            self._close()

        async def keep(response: Response) -> None:
            await _turn()
            self._keep(response)

        reply = AsyncReply(
            status=200,
            headers=self._headers,
            chunks=_Arriving(self._arrive()),
            close=close,
            reason="OK",
        )
        heard = Recording(reply, self._finished, self._closing)
        return AsyncTee(reply, heard, keep, self._drop, self._lose)

    def _arrive(self) -> Generator[bytes]:
        yield from self._chunks
        if self._fault is not None:
            raise self._fault

    @staticmethod
    def _finished(tail: bytes) -> bool:
        return tail.endswith(b"data: [DONE]\n\n")

    @staticmethod
    def _closing(tail: bytes) -> bool:
        return tail.endswith(b"data: stop\n\n")

    def _keep(self, response: Response) -> None:
        self.events.append("keep")
        self.kept.append(response)

    def _drop(self) -> None:
        self.events.append("drop")

    def _lose(self) -> None:
        self.events.append("lose")

    def _close(self) -> None:
        self.events.append("close")


class _Arriving(AsyncIterator[bytes]):
    """Chunks that let other tasks run before each; nothing to close, as a client's own are."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    async def __anext__(self) -> bytes:
        await _turn()
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


async def _turn() -> None:
    if trio.lowlevel.in_trio_run():
        await trio.lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)


Caller = Callable[[Life, int, str], None]
"""Takes so many chunks (-1: all), noting each, and then closes or leaves."""


def blocking(life: Life, wanted: int, then: str) -> None:
    tee = life.tee()
    for _ in range(wanted) if wanted >= 0 else iter(int, 1):
        try:
            life.events.append(next(tee).decode("latin-1").strip())
        except StopIteration:
            life.events.append("end")
            break
    if then == "close":
        tee.close()
        tee.close()


async def _awaiting(life: Life, wanted: int, then: str) -> None:
    tee = life.async_tee()
    for _ in range(wanted) if wanted >= 0 else iter(int, 1):
        try:
            life.events.append((await anext(tee)).decode("latin-1").strip())
        except StopAsyncIteration:
            life.events.append("end")
            break
    if then == "close":
        await tee.close()
        await tee.close()


def on_asyncio(life: Life, wanted: int, then: str) -> None:
    asyncio.run(_awaiting(life, wanted, then))


def on_trio(life: Life, wanted: int, then: str) -> None:
    trio.run(_awaiting, life, wanted, then)


ALL = pytest.mark.parametrize("take", [blocking, on_asyncio, on_trio])


@ALL
def test_chunks_are_handed_on_at_once_and_the_last_one_when_it_is_kept(take: Caller) -> None:
    life = Life()

    take(life, -1, "leave")

    assert life.events == ["data: 1", "data: 2", "keep", "data: [DONE]", "end"]
    (kept,) = life.kept
    assert (kept.status, kept.reason, kept.chunks) == (200, "OK", STREAM)
    assert len(kept.offsets) == 3
    assert list(kept.offsets) == sorted(kept.offsets)


@ALL
def test_a_caller_who_leaves_after_the_last_word_has_it_kept(take: Caller) -> None:
    """Given SDKs that stop at [DONE], when nobody reads to the end, then nothing is dropped."""
    life = Life()

    take(life, 3, "close")

    assert life.events == ["data: 1", "data: 2", "keep", "data: [DONE]", "close", "close"]


CLOSING = (b"data: 1\n\n", b"data: stop\n\n", b"data: [DONE]\n\n")


@ALL
def test_a_caller_who_leaves_just_before_the_last_word_has_it_kept(take: Caller) -> None:
    """Given programs that stop when they know why the answer ended, then nothing is dropped."""
    life = Life(CLOSING)

    take(life, 2, "close")

    assert life.events == ["data: 1", "keep", "data: stop", "close", "close"]
    assert life.kept[0].chunks == CLOSING


@ALL
def test_who_does_not_leave_there_sees_all_of_it(take: Caller) -> None:
    life = Life(CLOSING)

    take(life, -1, "leave")

    assert life.events == ["data: 1", "keep", "data: stop", "data: [DONE]", "end"]


@ALL
def test_a_stream_that_ends_without_its_last_word_ends_where_it_does(take: Caller) -> None:
    life = Life(CLOSING[:2])

    take(life, -1, "leave")

    assert life.events == ["data: 1", "keep", "data: stop", "end"]


@ALL
def test_what_breaks_just_before_the_last_word_breaks_there(take: Caller) -> None:
    fault = ConnectionError("reset")
    life = Life(CLOSING[:2], fault=fault)

    with pytest.raises(ConnectionError) as caught:
        take(life, -1, "leave")

    assert caught.value is fault
    assert life.events == ["data: 1", "drop", "data: stop"]


@ALL
def test_what_comes_after_the_last_word_is_handed_on_and_not_kept(take: Caller) -> None:
    life = Life((*STREAM, b": ping\n\n"))

    take(life, -1, "close")

    assert life.events[3:] == ["data: [DONE]", ": ping", "end", "close", "close"]
    assert life.kept[0].chunks == STREAM


@ALL
def test_a_stream_without_a_last_word_is_kept_at_its_end(take: Caller) -> None:
    """It is the dialect that judges whether it is complete."""
    life = Life((b"{", b"}"))

    take(life, -1, "leave")

    assert life.events == ["{", "}", "keep", "end"]


@ALL
@pytest.mark.parametrize("read", [0, 1])
def test_a_caller_who_leaves_early_drops_it_once(take: Caller, read: int) -> None:
    life = Life()

    take(life, read, "close")

    assert life.events == [*["data: 1"][:read], "drop", "close", "close"]


@ALL
@pytest.mark.parametrize("fault", [ConnectionError("reset"), KeyboardInterrupt()])
def test_a_stream_that_breaks_is_dropped_with_the_very_error(
    take: Caller, fault: BaseException
) -> None:
    life = Life(STREAM[:1], fault=fault)

    with pytest.raises(type(fault)) as caught:
        take(life, -1, "leave")

    assert caught.value is fault
    assert life.events == ["data: 1", "drop"]


@ALL
def test_a_stream_nobody_holds_any_more_is_lost(take: Caller) -> None:
    life = Life()

    take(life, 1, "leave")
    gc.collect()

    assert life.events == ["data: 1", "lose"]


@ALL
def test_what_is_over_is_not_lost_too(take: Caller) -> None:
    life = Life()

    take(life, 3, "leave")
    gc.collect()

    assert "lose" not in life.events


def test_a_cancelled_reader_drops_it() -> None:
    life = Life()

    async def program() -> None:
        tee = life.async_tee()
        task = asyncio.create_task(_next(tee))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert life.events == ["drop"]

    asyncio.run(program())

    assert life.events == ["drop"]


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks)


def _gzipped(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    state = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    whole = [state.compress(each) + state.flush(zlib.Z_SYNC_FLUSH) for each in pieces]
    return (*whole[:-1], whole[-1] + state.flush())


def _zstandard(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    state = zstandard.ZstdCompressor().compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    whole = [state.compress(each) + state.flush(block) for each in pieces]
    return (*whole[:-1], whole[-1] + state.flush())


@pytest.mark.parametrize(("coding", "packed"), [("gzip", _gzipped), ("zstd", _zstandard)])
def test_the_last_word_is_heard_through_a_content_coding(
    coding: str, packed: Callable[[Sequence[bytes]], tuple[bytes, ...]]
) -> None:
    chunks = packed(STREAM)
    life = Life(chunks, headers=(("Content-Encoding", coding),))

    blocking(life, 3, "close")

    assert life.events[2] == "keep"
    assert life.kept[0].chunks == chunks


@pytest.mark.parametrize(
    ("coding", "chunks"),
    [
        ("gzip", (b"not gzip", b"data: [DONE]\n\n")),
        ("zstd", (b"not zstd", b"data: [DONE]\n\n")),
        ("rot13", (b"qngn", b"data: [DONE]\n\n")),
    ],
)
def test_what_cannot_be_decoded_is_handed_on_to_its_end(
    coding: str, chunks: tuple[bytes, ...]
) -> None:
    life = Life(chunks, headers=(("content-encoding", coding),))

    blocking(life, -1, "leave")

    assert life.events[-2:] == ["keep", "end"]
    assert life.kept[0].chunks == chunks


def test_the_last_word_is_heard_across_seams_and_behind_long_text() -> None:
    life = Life((b"x" * 100_000, b"data: [DO", b"NE]\n", b"\n"))

    blocking(life, 4, "close")

    assert life.events.index("keep") == 3


def test_a_caller_who_cannot_keep_it_hears_so_instead_of_the_last_chunk() -> None:
    def keep(_: Response) -> None:
        raise OSError("full")

    def nothing() -> None:
        """It was not reached."""

    reply = Reply(status=200, headers=(), chunks=iter(STREAM[2:]), close=nothing)
    heard = Recording(reply, lambda tail: True, lambda tail: False)
    tee: Any = Tee(reply, heard, keep, nothing, nothing)

    with pytest.raises(OSError, match="full"):
        next(tee)


def test_keeping_is_awaited() -> None:
    """Given a keep that takes its time, then the last chunk waits for it."""
    going = list[str]()

    async def program() -> None:
        kept = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield b"last"

        async def nothing() -> None:
            """There is no connection."""

        keep: Callable[[Response], Awaitable[None]] = lambda _: _note(kept)  # noqa: E731
        reply = AsyncReply(status=200, headers=(), chunks=chunks(), close=nothing)
        heard = Recording(reply, lambda tail: True, lambda tail: False)
        tee = AsyncTee(reply, heard, keep, lambda: None, lambda: None)
        reading = asyncio.create_task(_next(tee))
        for _ in range(3):
            await asyncio.sleep(0)
        going.append("waiting" if not reading.done() else "too early")
        kept.set()
        going.append((await reading).decode())

    async def _note(kept: asyncio.Event) -> None:
        await kept.wait()
        going.append("kept")

    asyncio.run(program())

    assert going == ["waiting", "kept", "last"]
