"""Requests and responses of httpcore and httpcore2 as ours, and ours as theirs.

Translation only: nothing here asks a gate or decides whether a request is ours. Neither library is
imported; *lib* is the one in question.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.transports.bodies import (
    LARGEST_BODY,
    TOO_LARGE,
    Body,
    may_not_end,
    read_body,
)
from cachesaver.transports.streams import closing, extensions, framed, raw, text

if TYPE_CHECKING:
    import httpcore

__all__ = ["aread", "async_reply", "ours", "read", "reply", "theirs", "twin", "with_content"]

_PORTS: Final = {b"http": 80, b"https": 443}
_SWITCHING_PROTOCOLS: Final = 101


# --- requests


def read(request: httpcore.Request) -> Body:
    """Read the body of *request*, of a blocking pool."""
    return read_body(request.stream, length=_declared_length(request))


async def aread(request: httpcore.Request) -> Body:
    """Read the body of *request*, of an async pool; see `read_body`."""
    length = _declared_length(request)
    if reason := may_not_end(request.stream, length=length):
        return Body(source=request.stream, reason=reason)
    arriving = aiter(cast("AsyncIterable[bytes]", request.stream))
    content = bytearray()
    async for part in arriving:
        content += part
        if len(content) > LARGEST_BODY:
            return Body(source=_Rest(bytes(content), arriving), reason=TOO_LARGE)
    return Body(content=bytes(content))


class _Rest:
    """A body of which *read* is read and *unread* is not."""

    def __init__(self, read: bytes, unread: AsyncIterator[bytes]) -> None:
        self._read = read
        self._unread = unread

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._read
        async for chunk in self._unread:
            yield chunk


def _declared_length(request: httpcore.Request) -> int:
    lengths = (v for n, v in request.headers if n.lower() == b"content-length")
    length = next(lengths, b"")
    return int(length) if length.isdigit() else -1


def ours(request: httpcore.Request, body: bytes) -> Request:
    """Return *request* as it goes out, with *body* as the body read from its stream."""
    return Request(
        method=request.method.decode("latin-1").upper(),
        url=_absolute(request.url),
        headers=text(request.headers),
        body=body,
    )


def _absolute(url: httpcore.URL) -> str:
    if b"://" in url.target.partition(b"?")[0]:
        return url.target.decode("latin-1")  # told as to a proxy (RFC 9112, section 3.2.2)
    host = b"[%b]" % url.host if b":" in url.host else url.host
    port = b"" if url.port in {None, _PORTS.get(url.scheme)} else b":%d" % (url.port or 0)
    return (url.scheme + b"://" + host + port + url.target).decode("latin-1")


def twin(lib: Any, request: httpcore.Request, asked: Request, wanted: Request) -> httpcore.Request:
    """Return the request that sends *wanted*; like *request*, which is *asked*, in all the rest."""
    same_headers = wanted.headers == asked.headers
    made = with_content(lib, request, wanted.body)
    made.method = request.method if wanted.method == asked.method else wanted.method.encode()
    made.url = request.url if wanted.url == asked.url else lib.URL(wanted.url)
    made.headers = request.headers if same_headers else raw(wanted.headers)
    return made


def with_content(lib: Any, request: httpcore.Request, content: object) -> httpcore.Request:
    """Return *request* with *content* as its body."""
    known: Any = request
    made = lib.Request(
        request.method,
        request.url,
        headers=request.headers,
        content=content,
        extensions=known.extensions,
    )
    return cast("httpcore.Request", made)


# --- responses


def reply(native: httpcore.Response) -> Reply:
    """Return *native*, whose body is still to be read, as ours."""
    return Reply(
        status=native.status,
        headers=text(native.headers),
        chunks=iter(cast("Iterable[bytes]", native.stream)),
        close=native.close,
        reason=_told(native, "reason_phrase", b""),
        http_version=_told(native, "http_version", b"HTTP/1.1"),
        native=native,
    )


def async_reply(native: httpcore.Response) -> AsyncReply:
    """Return *native*, whose body is still to be read, as ours."""
    chunks = aiter(cast("AsyncIterable[bytes]", native.stream))
    return AsyncReply(
        status=native.status,
        headers=text(native.headers),
        chunks=chunks,
        close=closing(chunks, native.aclose),
        reason=_told(native, "reason_phrase", b""),
        http_version=_told(native, "http_version", b"HTTP/1.1"),
        native=native,
    )


def _told(native: Any, name: str, default: bytes) -> str:
    value: bytes = native.extensions.get(name, default)
    return value.decode("ascii", "ignore")


def theirs(lib: Any, shown: Reply | AsyncReply, body: object) -> httpcore.Response:
    """Return *shown* as a response of *lib* with *body* as its stream."""
    native: Any = shown.native
    if native is not None and shown.status == _SWITCHING_PROTOCOLS:
        return cast("httpcore.Response", native)
    made = lib.Response(
        shown.status,
        headers=raw(framed(shown)),
        content=body,
        extensions=extensions(shown) if native is None else native.extensions,
    )
    return cast("httpcore.Response", made)
