"""A reply as the standard library's own parser reads it, for clients that build on `http.client`.

The bytes of a chunk are made when somebody reads them and the chunk has arrived: nothing is held
back, nothing is read ahead. Knows no client.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, cast

from cachesaver.exchange import Reply
from cachesaver.transports.wire import Wire

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Stream", "parsed"]


def parsed(reply: Reply, method: str) -> http.client.HTTPResponse:
    """Return the standard library's response to *method*, its head read, over the wire of *reply*.

    Closing it, reading it to its end and letting go of it close *reply*. Reading raises what the
    chunks of *reply* raise. The chunks are iterated to their end before the last byte of a body of
    known length is given: a parser that has it does not ask for more.
    """
    stream = Stream(reply)
    response = http.client.HTTPResponse(cast("Any", _Socket(stream)), method=method)
    try:
        response.begin()
    except BaseException:
        stream.close()
        raise
    return response


class Stream(io.RawIOBase):
    """The bytes of *reply*, from its status line on; never more than one chunk in a read."""

    def __init__(self, reply: Reply) -> None:
        self._close_reply = reply.close
        self._pieces = _pieces(reply)
        self._unread = memoryview(b"")

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill *buffer* with what is there, waiting for it if there is nothing; 0 at the end."""
        if not self._unread:
            self._unread = memoryview(next(self._pieces, b""))
        with memoryview(buffer).cast("B") as room:
            count = min(len(room), len(self._unread))
            room[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def unread(self, piece: bytes) -> None:
        """Let *piece* be what is read next."""
        self._unread = memoryview(piece)

    def close(self) -> None:
        """Close *reply*; nothing more comes."""
        super().close()
        self._pieces = iter(())
        self._close_reply()


class _Socket:
    """As much of a socket as `http.client.HTTPResponse` wants."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> IO[bytes]:
        return io.BufferedReader(self._stream)


def _pieces(reply: Reply) -> Iterator[bytes]:
    """Iterate what is fed to the parser, nothing of it empty: that would be the end."""
    wire = Wire(reply)
    if head := wire.head():
        yield head
    for chunk in reply.chunks:
        if piece := wire.chunk(chunk):
            yield piece
    if last := wire.end():
        yield last
