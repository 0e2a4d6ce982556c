"""Requests and responses of httpx and httpx2 as ours, and ours as theirs.

Translation only: nothing here asks a gate or decides whether a request is ours. Neither library is
imported; *lib* is the one in question.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.transports.bodies import LARGEST_BODY, TOO_LARGE
from cachesaver.transports.streams import (
    closing,
    extensions,
    finish,
    framed,
    has_no_body,
    raw,
    text,
)

if TYPE_CHECKING:
    import httpx

__all__ = [
    "AsyncRest",
    "Rest",
    "async_reply",
    "obstacle",
    "of",
    "ours",
    "reply",
    "theirs",
    "twin",
    "with_stream",
]

_SWITCHING_PROTOCOLS: Final = 101


@functools.cache
def of(part: type, base: type) -> Any:
    """Return *part* as a class of the library that *base* belongs to."""
    return type(part.__name__, (part, base), {"__module__": part.__module__})


# --- requests


def obstacle(request: httpx.Request) -> str:
    """Return why the body of *request* cannot be read without harm; empty when it can.

    A pipe or socket may block for as long as its other end likes. What says its length ends; an
    iterator ends, or outgrows `LARGEST_BODY`.
    """
    content: bytes | None = getattr(request, "_content", None)
    if content is not None:
        return TOO_LARGE if len(content) > LARGEST_BODY else ""
    source: object = getattr(request.stream, "_stream", None)
    seekable: Callable[[], bool] | None = getattr(source, "seekable", None)
    if hasattr(source, "read") and not (seekable and seekable()):
        return "its body is a file that cannot be rewound"
    length = request.headers.get("content-length")
    if length is not None:
        fits = length.isdecimal() and int(length) <= LARGEST_BODY
        return "" if fits else TOO_LARGE
    unknown = hasattr(source, "aread") or hasattr(request.stream, "fields")  # async file, multipart
    return "its body is a file of unknown length" if unknown else ""


def ours(request: httpx.Request, body: bytes) -> Request:
    """Return *request* as it goes out, with *body* as the body read from its stream."""
    return Request(
        method=request.method, url=_sent(request.url), headers=text(request.headers.raw), body=body
    )


def _sent(url: httpx.URL) -> str:
    """Return *url* as it goes out: less userinfo (which went into a header) and fragment."""
    given: Any = url
    try:
        parts = given._uri_reference  # noqa: SLF001  # or all of this would be encoded, and decoded again
        netloc: str = parts.netloc
    except AttributeError:  # httpx before 0.24
        return _written(url)
    if type(given).__base__ is not object:  # somebody's own kind of URL may say otherwise
        return _written(url)
    query = "" if parts.query is None else f"?{parts.query}"
    return f"{parts.scheme}://{netloc}{parts.path or '/'}{query}"


def _written(url: httpx.URL) -> str:
    return (url.raw_scheme + b"://" + url.netloc + url.raw_path).decode("ascii")


def twin(lib: Any, request: httpx.Request, asked: Request, wanted: Request) -> httpx.Request:
    """Return the request that sends *wanted*; like *request*, which is *asked*, in all the rest."""
    same_url, same_headers = wanted.url == asked.url, wanted.headers == asked.headers
    made: httpx.Request = lib.Request(
        wanted.method,
        request.url if same_url else lib.URL(wanted.url),
        headers=request.headers if same_headers else raw(wanted.headers),
        stream=lib.ByteStream(wanted.body),
        extensions=request.extensions,
    )
    made.read()  # transports may look at `content`, as they can with most requests
    return made


def with_stream(lib: Any, request: httpx.Request, stream: object) -> httpx.Request:
    """Return *request* with the body *stream*."""
    made = lib.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=stream,
        extensions=request.extensions,
    )
    return cast("httpx.Request", made)


class Rest:
    """A body of which *read* is read and *unread* is not. Mix into SyncByteStream."""

    def __init__(self, read: bytes, unread: Iterator[bytes]) -> None:
        self._read = read
        self._unread = unread

    def __iter__(self) -> Iterator[bytes]:
        yield self._read
        yield from self._unread


class AsyncRest:
    """The same for AsyncByteStream."""

    def __init__(self, read: bytes, unread: AsyncIterator[bytes]) -> None:
        self._read = read
        self._unread = unread

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            yield self._read
            async for chunk in self._unread:
                yield chunk
        finally:
            await finish(self._unread)


# --- responses


def reply(native: httpx.Response) -> Reply:
    """Return *native*, whose body is still to be read, as ours."""
    return Reply(
        status=native.status_code,
        headers=text(native.headers.raw),
        chunks=iter(cast("httpx.SyncByteStream", native.stream)),
        close=native.close,
        reason=native.reason_phrase,
        http_version=native.http_version,
        native=native,
    )


def async_reply(native: httpx.Response) -> AsyncReply:
    """Return *native*, whose body is still to be read, as ours."""
    chunks = aiter(cast("httpx.AsyncByteStream", native.stream))
    return AsyncReply(
        status=native.status_code,
        headers=text(native.headers.raw),
        chunks=chunks,
        close=closing(chunks, native.aclose),
        reason=native.reason_phrase,
        http_version=native.http_version,
        native=native,
    )


def theirs(lib: Any, shown: Reply | AsyncReply, body: Any) -> httpx.Response:
    """Return *shown* as a response of *lib*; *body* makes its stream."""
    native = cast("httpx.Response | None", shown.native)
    if native is not None and shown.status == _SWITCHING_PROTOCOLS:
        return native
    made = lib.Response(
        shown.status,
        headers=raw(framed(shown)),
        stream=lib.ByteStream(b"") if has_no_body(shown) else body(shown),
        extensions=extensions(shown) if native is None else native.extensions,
    )
    return cast("httpx.Response", made)
