"""Headers, bodies and extensions as httpx and httpcore have them, which are each other's.

Neither is imported; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import AsyncGeneratorType
from typing import Final

from cachesaver.exchange import AsyncReply, Headers, Reply, without_headers

__all__ = [
    "AsyncBody",
    "Body",
    "closing",
    "extensions",
    "finish",
    "framed",
    "has_no_body",
    "raw",
    "text",
]

_NOT_MODIFIED: Final = 304
_BODILESS: Final = frozenset({204, _NOT_MODIFIED})
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


def text(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return raw *headers* as ours."""
    return tuple([(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers])


def raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return our *headers* as they go on the wire."""
    return [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers]


def has_no_body(shown: Reply | AsyncReply) -> bool:
    """Tell whether *shown* is known to end with its head."""
    return shown.whole is not None and (shown.bodiless or shown.status in _BODILESS)


def closing(
    chunks: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """Return what finishes *chunks* and then does *close*."""

    async def both() -> None:
        await finish(chunks)
        await close()

    return both


class Body:
    """The body of a blocking reply."""

    def __init__(self, shown: Reply) -> None:
        self._reply = shown

    def __iter__(self) -> Iterator[bytes]:
        return self._reply.chunks

    def close(self) -> None:
        """Give the connection back."""
        self._reply.close()


class AsyncBody:
    """The body of an async reply."""

    def __init__(self, shown: AsyncReply) -> None:
        self._reply = shown

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reply.chunks

    async def aclose(self) -> None:
        """Give the connection back, also where the reader is being cancelled."""
        if self._reply.whole is not None:  # there is none, and nothing to wait for
            await finish(self._reply.chunks)
            await self._reply.close()
            return
        with _shield():
            await finish(self._reply.chunks)
            await self._reply.close()


def _shield() -> AbstractContextManager[object]:
    """Return a block that is not cancelled, by what an async client runs with: anyio, or trio."""
    try:
        import anyio
    except ImportError:  # httpcore goes without it, on trio
        import trio

        return trio.CancelScope(shield=True)
    return anyio.CancelScope(shield=True)


async def finish(chunks: AsyncIterator[bytes]) -> None:
    """Finish *chunks* if it is a generator that stands still: trio and asyncio insist on it."""
    if isinstance(chunks, AsyncGeneratorType) and not chunks.ag_running:
        await chunks.aclose()


class _NoConnection:
    """Stands in `extensions["network_stream"]` of an answer that came over no connection."""

    def get_extra_info(self, info: str) -> None:
        return None


_NO_CONNECTION: Final = _NoConnection()


def extensions(shown: Reply | AsyncReply) -> dict[str, object]:
    """Return what a response tells about how it came, for one that came over no connection."""
    told: dict[str, object] = {
        "http_version": shown.http_version.encode("ascii", "ignore"),
        "network_stream": _NO_CONNECTION,
    }
    if shown.reason:
        told["reason_phrase"] = shown.reason.encode("ascii", "ignore")
    return told


def framed(shown: Reply | AsyncReply) -> Headers:
    """Return the headers of *shown* with framing that is true of what will be read."""
    if shown.bodiless:
        return shown.headers
    if shown.whole is None:
        return shown.headers if shown.native else without_headers(shown.headers, _FRAMING)
    if shown.status == _NOT_MODIFIED:  # its length is that of what was not sent
        return without_headers(shown.headers, ("transfer-encoding",))
    headers = without_headers(shown.headers, _FRAMING)
    if shown.status in _BODILESS or shown.whole.content_type == "text/event-stream":
        return headers
    return (*headers, ("content-length", str(len(shown.whole.body))))
