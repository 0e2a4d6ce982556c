"""A live stream on its way to the caller, recorded as it passes: a blocking and an async half.

Nothing is held back but the very last chunk, until the sample is on disk: a caller who has seen the
end has a sample that survives whatever happens next, and one who walks away after the last word
without closing has paid for something. So has one who walks away just before it, where it has no
content: the chunk before it is held back until it is there, or until the connection fails.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import zstandard

from cachesaver.encoding import decoder_for
from cachesaver.exchange import AsyncReply, Reply, Response
from cachesaver.flights import Pulse

__all__ = ["AsyncTee", "Recording", "Tee"]

_TAIL = 4096


class Recording:
    """What has passed so far."""

    def __init__(
        self,
        reply: Reply | AsyncReply,
        finished: Callable[[bytes], bool],
        all_but_finished: Callable[[bytes], bool],
    ) -> None:
        self._reply = reply
        self._finished = finished
        self._all_but_finished = all_but_finished
        self._decoder = decoder_for(reply.headers)
        self._tail = b""
        self._chunks: list[bytes] = []
        self._offsets: list[float] = []

    def add(self, chunk: bytes) -> bool:
        """Note *chunk*; tell whether the stream has said its last word."""
        self._chunks.append(chunk)
        self._offsets.append(time.perf_counter() - self._reply.sent)
        if self._decoder is None:
            return False
        try:
            self._tail = (self._tail + self._decoder.decompress(chunk))[-_TAIL:]
        except (zlib.error, zstandard.ZstdError, ValueError):
            self._decoder = None
            return False
        return self._finished(self._tail)

    @property
    def is_all_but_finished(self) -> bool:
        """Whether nothing is missing but the last word."""
        return self._decoder is not None and self._all_but_finished(self._tail)

    def response(self) -> Response:
        """Return it as a response."""
        return Response(
            status=self._reply.status,
            headers=self._reply.headers,
            chunks=tuple(self._chunks),
            offsets=tuple(self._offsets),
            reason=self._reply.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What came, or was raised, before the caller asked for it."""

    chunk: bytes = b""
    error: Exception | None = None

    def told(self) -> bytes:
        if self.error is not None:
            raise self.error
        return self.chunk


class Tee(Iterator[bytes]):
    """The chunks of a blocking *reply*.

    *keep* is called with the recording before the end is handed on, or *drop* when it is not
    reached, or *lose* when nobody holds this any more; exactly one of them, once. *pulse* tells
    others whether it is being read.
    """

    def __init__(
        self,
        reply: Reply,
        recording: Recording,
        keep: Callable[[Response], None],
        drop: Callable[[], None],
        lose: Callable[[], None],
        pulse: Pulse | None = None,
    ) -> None:
        self._reply = reply
        self._recording = recording
        self._pulse = pulse or Pulse()
        self._keep = keep
        self._drop = drop
        self._lose = lose
        self._over = False
        self._ahead: _Ahead | None = None

    def __next__(self) -> bytes:
        if (ahead := self._ahead) is not None:
            self._ahead = None
            return ahead.told()
        chunk = self._arriving()
        if not self._over and self._recording.is_all_but_finished:
            self._ahead = self._looked_ahead()
        return chunk

    def _looked_ahead(self) -> _Ahead:
        try:
            return _Ahead(chunk=self._arriving())
        except Exception as error:  # noqa: BLE001  # met by the caller when it gets there
            return _Ahead(error=error)

    def _arriving(self) -> bytes:
        self._pulse.idle_since = None
        try:
            chunk = next(self._reply.chunks)
        except StopIteration:
            self._end()
            raise
        except BaseException:
            self._abort()
            raise
        if not self._over and self._recording.add(chunk):
            self._end()
        self._pulse.idle_since = time.perf_counter()
        return chunk

    def close(self) -> None:
        """Stop here, and give the connection back."""
        self._abort()
        self._reply.close()

    def __del__(self) -> None:
        if not self._over:
            self._over = True
            self._lose()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._keep(self._recording.response())

    def _abort(self) -> None:
        if not self._over:
            self._over = True
            self._drop()


class AsyncTee(AsyncIterator[bytes]):
    """The chunks of an async *reply*; as `Tee`, with an awaited *keep*."""

    def __init__(
        self,
        reply: AsyncReply,
        recording: Recording,
        keep: Callable[[Response], Awaitable[None]],
        drop: Callable[[], None],
        lose: Callable[[], None],
        pulse: Pulse | None = None,
    ) -> None:
        self._reply = reply
        self._recording = recording
        self._pulse = pulse or Pulse()
        self._keep = keep
        self._drop = drop
        self._lose = lose
        self._over = False
        self._ahead: _Ahead | None = None

    async def __anext__(self) -> bytes:
        if (ahead := self._ahead) is not None:
            self._ahead = None
            return ahead.told()
        chunk = await self._arriving()
        if not self._over and self._recording.is_all_but_finished:
            self._ahead = await self._looked_ahead()
        return chunk

    async def _looked_ahead(self) -> _Ahead:
        try:
            return _Ahead(chunk=await self._arriving())
        except Exception as error:  # noqa: BLE001  # met by the caller when it gets there
            return _Ahead(error=error)

    async def _arriving(self) -> bytes:
        self._pulse.idle_since = None
        try:
            chunk = await anext(self._reply.chunks)
        except StopAsyncIteration:
            await self._end()
            raise
        except BaseException:
            self._abort()
            raise
        if not self._over and self._recording.add(chunk):
            await self._end()
        self._pulse.idle_since = time.perf_counter()
        return chunk

    async def close(self) -> None:
        """Stop here, and give the connection back."""
        self._abort()
        await self._reply.close()

    def __del__(self) -> None:
        if not self._over:
            self._over = True
            self._lose()

    async def _end(self) -> None:
        if not self._over:
            self._over = True
            await self._keep(self._recording.response())

    def _abort(self) -> None:
        if not self._over:
            self._over = True
            self._drop()
