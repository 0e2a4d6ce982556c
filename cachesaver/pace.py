"""Stored answers given at the pace at which they once arrived, or a multiple of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

from cachesaver import sleeping
from cachesaver.exchange import Response

__all__ = ["at_once", "at_once_async", "is_timed", "paced", "paced_async"]


def is_timed(response: Response, pace: float | None) -> bool:
    """Tell whether there is a *pace* to keep, and *response* still knows when its chunks arrived.

    One that was put together of several samples, or turned from whole into a stream, does not.
    """
    return pace is not None and len(response.offsets) == len(response.chunks) > 0


def paced(response: Response, pace: float) -> Iterator[bytes]:
    """Iterate the chunks of *response*, *pace* times as fast as they came, reckoned from now."""
    start = time.perf_counter()
    for chunk, offset in zip(response.chunks, response.offsets, strict=True):
        if (seconds := start + offset / pace - time.perf_counter()) > 0:
            sleeping.block(None, seconds)
        yield chunk


async def paced_async(response: Response, pace: float) -> AsyncIterator[bytes]:
    """Do the same as `paced`, and let other tasks run."""
    start = time.perf_counter()
    for chunk, offset in zip(response.chunks, response.offsets, strict=True):
        if (seconds := start + offset / pace - time.perf_counter()) > 0:
            await sleeping.doze(None, seconds)
        yield chunk


def at_once(response: Response) -> Iterator[bytes]:
    """Iterate the chunks of *response*."""
    return iter(response.chunks)


def at_once_async(response: Response) -> AsyncIterator[bytes]:
    """Iterate the chunks of *response*."""
    return _AtOnce(response)


class _AtOnce(AsyncIterator[bytes]):
    """Not a generator: event loops keep books of those, and want them closed."""

    def __init__(self, response: Response) -> None:
        self._left = iter(response.chunks)

    async def __anext__(self) -> bytes:
        for chunk in self._left:
            return chunk
        raise StopAsyncIteration
