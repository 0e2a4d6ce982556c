"""Replies played to aiohttp: a connection without a socket, read by the client's own parser.

It knows aiohttp's protocol, transport and connection, and `AsyncReply`; not where replies are from.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Final

from aiohttp import BaseConnector, ClientRequest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

from cachesaver.exchange import AsyncReply
from cachesaver.transports.wire import Wire

__all__ = ["break_off", "play"]

_PLAYING: Final[set[asyncio.Task[None]]] = set()
"""The loop itself holds tasks weakly."""


async def play(connector: BaseConnector, request: ClientRequest, reply: AsyncReply) -> Connection:
    """Return a connection on which *reply* is what comes back for *request*.

    It takes no place in *connector*, and must be closed or released like any other; that closes
    *reply*, which happens anyway before the end of the body is seen.
    """
    protocol = _Protocol(request)
    player = _Player(protocol)
    connection = _Connection(connector, request.connection_key, protocol, player.loop)
    player.start(reply)
    try:
        await asyncio.sleep(0)  # a task that has not begun would not close the reply when cancelled
    except BaseException:
        connection.close()
        raise
    return connection


def break_off(connector: BaseConnector, request: ClientRequest, error: Exception) -> Connection:
    """Return a connection that takes *request* and then breaks with *error*."""
    protocol = _Protocol(request)
    player = _Player(protocol)
    protocol.set_exception(error)
    return _Connection(connector, request.connection_key, protocol, player.loop)


class _Connection(Connection):
    """Never given to the pool: there is nothing to keep."""

    def close(self) -> None:
        self._notify_release()
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None

    def release(self) -> None:
        self.close()


class _Protocol(ResponseHandler):
    """The client's protocol; it also tells when the request is out and an answer is looked for."""

    def __init__(self, request: ClientRequest) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop)
        self._asked_for = loop.create_future()
        self._request = request

    async def asked_for(self) -> None:
        """Wait until the client has written its request and reads."""
        await self._asked_for

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        writer: asyncio.Task[None] | None = getattr(self._request, "_writer", None)
        if writer is not None:
            await asyncio.wait((writer,))
        if self.exception() is None and not self._asked_for.done():
            self._asked_for.set_result(None)
        return await super().read()

    def break_off(self, error: Exception) -> None:
        """Let *error* be what the client finds in the middle of the response."""
        if self._payload is not None:
            self._payload.set_exception(error)
        self.set_exception(error)


class _Player(asyncio.Transport):
    """The far end: forgets what is written, and feeds a reply as fast as it is read."""

    def __init__(self, protocol: _Protocol) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._reading = asyncio.Event()
        self._reading.set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._lost = False
        protocol.connection_made(self)

    def start(self, reply: AsyncReply) -> None:
        """Play *reply* in a task of its own."""
        self._task = self.loop.create_task(self._play(reply, Wire(reply)))
        _PLAYING.add(self._task)
        self._task.add_done_callback(_PLAYING.discard)

    async def _play(self, reply: AsyncReply, wire: Wire) -> None:
        try:
            try:
                await self._protocol.asked_for()
                await self._feed(wire.head())
                async for chunk in reply.chunks:
                    if piece := wire.chunk(chunk):
                        await self._feed(piece)
                        await asyncio.sleep(0)  # let it be read before the next: seams are kept
            finally:
                await _close(reply)
            await self._reading.wait()
            self._finish(wire)
        except Exception as error:
            if self._closing:
                raise
            await self._reading.wait()  # as a broken connection is noticed only when it is read
            self._protocol.break_off(error)
        except BaseException:
            self.close()
            raise

    async def _feed(self, piece: bytes) -> None:
        if piece:
            await self._reading.wait()
            self._protocol.data_received(piece)

    def _finish(self, wire: Wire) -> None:
        self._task = None
        if last := wire.end():
            self._protocol.data_received(last)
        if wire.closes:
            self._lose()

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(None)

    def close(self) -> None:
        """End the play and close its reply."""
        if self._closing or self.loop.is_closed():
            return
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        self.loop.call_soon(self._lose)

    def abort(self) -> None:
        """Close."""
        self.close()

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""
        return self._closing

    def pause_reading(self) -> None:
        """Hold back what has not been fed."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Go on feeding."""
        self._reading.set()

    def is_reading(self) -> bool:
        """Tell whether it feeds."""
        return self._reading.is_set()

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Forget *data*: what had to be sent has been sent by other means."""

    def write_eof(self) -> None:
        """Do nothing."""

    def can_write_eof(self) -> bool:
        """Return False, as TLS does."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return 0: all is out at once."""
        return 0


async def _close(reply: AsyncReply) -> None:
    """Close *reply*, and its chunks where they are a generator that may stand half-way."""
    chunks: object = reply.chunks
    if inspect.isasyncgen(chunks):
        await chunks.aclose()
    await reply.close()
