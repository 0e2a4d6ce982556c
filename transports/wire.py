"""HTTP/1.1 framing: the bytes a client's own parser is fed so that it builds the response itself.

Bytes only. Nothing here may come to know a client, a socket or an event loop.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from http import HTTPStatus

from cachesaver.exchange import AsyncReply, Headers, Reply, get_header, without_headers

__all__ = ["Wire"]


class _Framing(enum.Enum):
    """How the end of a body is told (RFC 9112, section 6.3)."""

    NONE = "there is no body"
    LENGTH = "content-length"
    CHUNKED = "transfer-encoding"
    CLOSING = "the connection is closed"


class Wire:
    """The bytes of one reply, in pieces: `head`, then `chunk` for each of its chunks, then `end`.

    The piece with which a parser sees the end always comes from `end`, so that whoever feeds the
    pieces decides when the end is seen; nothing else is held back.
    """

    def __init__(self, reply: Reply | AsyncReply) -> None:
        self._framing, headers = _framed(reply)
        self._head = _head(reply, self._framing, headers)
        length = get_header(headers, "content-length") if self._framing is _Framing.LENGTH else None
        self._left = int(length or 0)
        self._held = b""

    @property
    def closes(self) -> bool:
        """Whether the connection has to be closed after `end`: its end tells, or bytes are missing."""
        return self._framing is _Framing.CLOSING or self._left > 0

    def head(self) -> bytes:
        """Return status line and headers; nothing where they are all there is."""
        if self._framing is _Framing.NONE or (self._framing is _Framing.LENGTH and not self._left):
            self._held = self._head
            return b""
        return self._head

    def chunk(self, chunk: bytes) -> bytes:
        """Return what to feed for *chunk*; nothing where that waits for `end`."""
        match self._framing:
            case _Framing.CLOSING:
                return chunk
            case _Framing.CHUNKED:
                return b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
            case _Framing.LENGTH:
                return self._counted(chunk)
            case _Framing.NONE:
                return b""

    def end(self) -> bytes:
        """Return the last piece; it may be empty."""
        return b"0\r\n\r\n" if self._framing is _Framing.CHUNKED else self._held

    def _counted(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left > 0:
            return chunk
        self._held += chunk
        return b""


def _framed(reply: Reply | AsyncReply) -> tuple[_Framing, Headers]:
    """Choose the framing nearest to the one *reply* came with; return it and headers that fit.

    Only what the client has just received (`native`) is believed about its own length.
    """
    if reply.bodiless:
        return _Framing.NONE, reply.headers
    unframed = without_headers(reply.headers, ("transfer-encoding", "content-length"))
    length = get_header(reply.headers, "content-length")
    if reply.status < HTTPStatus.OK or reply.status in {204, 304}:
        return _Framing.NONE, without_headers(reply.headers, ("transfer-encoding",))
    if "chunked" in (get_header(reply.headers, "transfer-encoding") or "").lower():
        return _Framing.CHUNKED, without_headers(reply.headers, ("content-length",))
    if reply.whole is not None and (length is not None or len(reply.whole.chunks) < 2):  # noqa: PLR2004  # a body in one piece
        return _Framing.LENGTH, tuple(_resized(reply.headers, sum(map(len, reply.whole.chunks))))
    if reply.whole is None and reply.native is not None and length is None:
        return _Framing.CLOSING, reply.headers
    if reply.whole is None and reply.native is not None and length and length.isdigit():
        return _Framing.LENGTH, tuple(_resized(reply.headers, int(length)))
    return _Framing.CHUNKED, (*unframed, ("Transfer-Encoding", "chunked"))


def _resized(headers: Headers, length: int) -> Iterator[tuple[str, str]]:
    """Iterate *headers* with one `content-length` of *length*, where it stands or at the end."""
    missing = True
    for name, value in headers:
        if name.lower() != "content-length":
            yield name, value
        elif missing:
            missing = False
            yield name, str(length)
    if missing:
        yield "Content-Length", str(length)


def _head(reply: Reply | AsyncReply, framing: _Framing, headers: Headers) -> bytes:
    old = reply.http_version == "HTTP/1.0" and framing is not _Framing.CHUNKED
    line = f"{'HTTP/1.0' if old else 'HTTP/1.1'} {reply.status} {_reason(reply)}"
    # A value that was folded is unfolded (RFC 9112, section 5.2): no part of it is a line.
    lines = (line, *(f"{name}: {' '.join(value.splitlines())}" for name, value in headers))
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _reason(reply: Reply | AsyncReply) -> str:
    """Return its reason phrase, or the usual one where the recording client did not tell."""
    if reply.reason or reply.native is not None:
        return reply.reason
    try:
        return HTTPStatus(reply.status).phrase
    except ValueError:
        return ""
