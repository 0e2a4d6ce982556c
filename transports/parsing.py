"""A reply as the bytes an HTTP/1.1 server would have sent, for clients that parse for themselves.

The bytes of a chunk are made when somebody reads them and the chunk has arrived: nothing is held
back, nothing is read ahead. Knows no client; the parser is the standard library's.
"""

from __future__ import annotations

import collections
import http.client
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, cast

from cachesaver.exchange import Headers, Reply, get_header, without_headers

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Wire", "parsed"]

_BODILESS: Final = frozenset({204, 304})
_FRAMING: Final = ("content-length", "transfer-encoding")
_FIRST_FINAL: Final = 200


def parsed(reply: Reply, method: str) -> http.client.HTTPResponse:
    """Return the standard library's response to *method*, its head read, over the wire of *reply*.

    Closing it, reading it to its end and letting go of it close *reply*. Reading raises what the
    chunks of *reply* raise.
    """
    wire = Wire(reply)
    response = http.client.HTTPResponse(cast("Any", _Socket(wire)), method=method)
    try:
        response.begin()
    except BaseException:
        wire.close()
        raise
    return response


class Wire(io.RawIOBase):
    """The bytes of *reply*, from its status line on; never more than one chunk in a read.

    The chunks are iterated to their end before the last byte of a body of known length is given:
    a parser that has it does not ask for more.
    """

    def __init__(self, reply: Reply) -> None:
        self._close_reply = reply.close
        self._frames = _frames(reply, _framing(reply))
        self._unread = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill *buffer* with what is there, waiting for it if there is nothing; 0 at the end."""
        if not self._unread:
            self._unread = memoryview(next(self._frames, b""))
        with memoryview(buffer).cast("B") as room:
            count = min(len(room), len(self._unread))
            room[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def close(self) -> None:
        """Close the reply as well."""
        if not self.closed:
            super().close()
            self._frames = iter(())
            self._close_reply()


class _Socket:
    """As much of a socket as `http.client.HTTPResponse` wants."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def makefile(self, _mode: str) -> IO[bytes]:
        return io.BufferedReader(self._wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Framing:
    """How a parser is told where the body ends: chunked, *length* bytes, or (None) by its end."""

    headers: Headers
    chunked: bool = False
    length: int | None = None


def _framing(reply: Reply) -> _Framing:
    """Choose framing that is true of what will be read, and as it came where that is known."""
    if reply.status in _BODILESS or reply.status < _FIRST_FINAL:
        # Parsers look for chunks even where there can be none.
        return _Framing(headers=without_headers(reply.headers, _FRAMING[1:]), length=0)
    if reply.native is not None and reply.whole is None:
        return _as_it_came(reply.headers)
    if reply.whole is None or _is_stream(reply):
        return _Framing(headers=_framed(reply.headers, _FRAMING[1], "chunked"), chunked=True)
    length = len(reply.whole.body)
    return _Framing(headers=_framed(reply.headers, _FRAMING[0], str(length)), length=length)


def _as_it_came(headers: Headers) -> _Framing:
    if _is_chunked(headers):
        return _Framing(headers=headers, chunked=True)
    length = get_header(headers, "content-length") or ""
    return _Framing(headers=headers, length=int(length) if length.isdecimal() else None)


def _is_stream(reply: Reply) -> bool:
    """Tell whether the seams between chunks are to be seen."""
    if reply.whole is None or _is_chunked(reply.headers):
        return True
    if reply.whole.content_type == "text/event-stream":
        return True
    return len(reply.whole.chunks) > 1 and get_header(reply.headers, "content-length") is None


def _is_chunked(headers: Headers) -> bool:
    return "chunked" in (get_header(headers, "transfer-encoding") or "").lower()


def _framed(headers: Headers, name: str, value: str) -> Headers:
    """Return *headers* with *name* as their only framing header, where it stood if it did."""
    stood = next((h for h, _ in headers if h.lower() == name), None)
    if stood is None:
        return (*without_headers(headers, _FRAMING), (name, value))
    others = without_headers(headers, [each for each in _FRAMING if each != name])
    first = next(i for i, (h, _) in enumerate(others) if h.lower() == name)
    rest = without_headers(others[first + 1 :], (name,))
    return (*others[:first], (stood, value), *rest)


def _frames(reply: Reply, framing: _Framing) -> Iterator[bytes]:
    if framing.length == 0:
        _exhaust(reply.chunks)  # nobody will ask for any
    yield _head(reply, framing.headers)
    yield from _chunked(reply.chunks) if framing.chunked else _plain(reply.chunks, framing.length)


def _head(reply: Reply, headers: Headers) -> bytes:
    version = reply.http_version if reply.http_version.startswith("HTTP/1.") else "HTTP/1.1"
    lines = [f"{version} {reply.status} {reply.reason}"]
    # A value that was folded is unfolded (RFC 9112, section 5.2): no line of a header is a header.
    lines += [f"{name}: {' '.join(value.splitlines())}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _chunked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if chunk:
            yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def _plain(chunks: Iterator[bytes], length: int | None) -> Iterator[bytes]:
    arrived = 0
    for chunk in chunks:
        arrived += len(chunk)
        if length is not None and arrived >= length:
            _exhaust(chunks)
        if chunk:
            yield chunk


def _exhaust(chunks: Iterator[bytes]) -> None:
    collections.deque(chunks, maxlen=0)
