"""urllib3.future, a fork of urllib3 that niquests stands on: what it has beside what urllib3 has.

Its pools are hooked as urllib3's are (`transports.urllib3`), its async pools here; its responses read
from a low-level response of its own, which is made here. It may be imported as urllib3_future, or as
urllib3 where it has taken that one's place. Not imported; *lib* is the one in question.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.ports import Gate
from cachesaver.transports.patches import bound, is_mock
from cachesaver.transports.sights import is_let_through, let_through
from cachesaver.transports.streams import framed
from cachesaver.transports.urllib3_messages import (
    Call,
    absolute,
    call_of,
    ours,
    read,
    retries,
    sending,
)

__all__ = ["asynchronous", "low_level"]

_BLOCK: Final = 65536
_READING: Final = ("decode_content", "enforce_content_length")
_VERSIONS: Final = {"HTTP/1.0": 10, "HTTP/2": 20, "HTTP/3": 30}

_Urlopen = Callable[..., Any]
_Fed = tuple[list[bytes], bool, None]
"""Chunks, whether they are the last, and trailers."""


# --- responses


def low_level(lib: Any, shown: Reply, method: str) -> Any:
    """Return *shown*, the answer to *method*, as what the fork's blocking responses read from."""
    kind = _closing(lib.backend.LowLevelResponse)
    feed = _Feed(shown) if _has_body(shown) else None
    made = kind(*_head(lib, method, shown), feed)
    made.cachesaver_close = shown.close
    return made


def _has_body(shown: Reply | AsyncReply) -> bool:
    return shown.whole is None or bool(shown.whole.body)


def _head(lib: Any, method: str, shown: Reply | AsyncReply) -> tuple[object, ...]:
    headers = lib.HTTPHeaderDict()
    for name, value in framed(shown):
        headers.add(name, value)
    native: Any = shown.native
    version = _VERSIONS.get(shown.http_version, 11) if native is None else native.version
    return method, shown.status, version, shown.reason, headers


@functools.cache
def _closing(kind: Any) -> Any:
    """Return low-level responses of *kind* that close what they come from."""

    def close(self: Any) -> None:
        kind.close(self)
        self.cachesaver_close()

    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "close": close})


class _Length:
    """Counts a body down, so that its end is seen with its last byte: nobody may ask for more."""

    def __init__(self, shown: Reply | AsyncReply) -> None:
        lengths = (value for name, value in framed(shown) if name.lower() == "content-length")
        length = next(lengths, "")
        self._left = int(length) if length.isdecimal() else -1

    def is_over_with(self, chunk: bytes) -> bool:
        """Note *chunk*; tell whether that was all."""
        self._left -= len(chunk)
        return self._left == 0


class _Feed:
    """What a blocking low-level response reads from: of a size, a chunk; of none, all there is."""

    def __init__(self, shown: Reply) -> None:
        self._shown = shown
        self._length = _Length(shown)

    def __call__(self, size: int | None, _stream: int | None) -> _Fed:
        chunks = [*self._shown.chunks] if size is None else self._next()
        is_last = size is None or not chunks
        if not is_last and self._length.is_over_with(chunks[0]):
            chunks += (more := self._next())
            is_last = not more
        if is_last:
            self._shown.close()
        return chunks, is_last, None

    def _next(self) -> list[bytes]:
        return [chunk] if (chunk := next(self._shown.chunks, None)) is not None else []


class _AsyncFeed:
    """What an async low-level response reads from; as `_Feed`."""

    def __init__(self, shown: AsyncReply) -> None:
        self._shown = shown
        self._length = _Length(shown)

    async def __call__(self, size: int | None, _stream: int | None) -> _Fed:
        if size is None:
            chunks = [chunk async for chunk in self._shown.chunks]
        else:
            chunks = await self._next()
        is_last = size is None or not chunks
        if not is_last and self._length.is_over_with(chunks[0]):
            chunks += (more := await self._next())
            is_last = not more
        if is_last:
            await self._shown.close()
        return chunks, is_last, None

    async def _next(self) -> list[bytes]:
        chunk = await anext(self._shown.chunks, None)
        return [] if chunk is None else [chunk]


@functools.cache
def _async_kind(lib: Any) -> Any:
    """Return the async responses of *lib*, closing what they come from."""
    kind = lib.AsyncHTTPResponse

    async def close(self: Any) -> None:
        await kind.close(self)
        await self.cachesaver_reply.close()

    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "close": close})


async def _theirs(lib: Any, pool: Any, call: Call, asked: Request, shown: AsyncReply) -> Any:
    feed = _AsyncFeed(shown) if _has_body(shown) else None
    method, status, version, reason, headers = head = _head(lib, call["method"], shown)
    original = lib.backend._async.AsyncLowLevelResponse(*head, feed)  # noqa: SLF001  # the only door
    native: Any = shown.native
    made = _async_kind(lib)(
        body=original,
        headers=headers,
        status=status,
        version=version,
        reason=reason,
        preload_content=False,
        original_response=original,
        pool=pool,
        retries=retries(lib, pool, call) if native is None else native.retries,
        request_method=method,
        request_url=asked.url,
        **{name: call[name] for name in _READING if name in call},
    )
    made.cachesaver_reply = shown
    if call.get("preload_content", True):
        await made.read(cache_content=True)
    return made


# --- hooking


def asynchronous(
    lib: Any,
    gate: Gate,
    wants: Callable[[Any, str, str], bool],
    is_left: Callable[..., bool],
    original: _Urlopen,
    active: Callable[[], bool],
) -> _Urlopen:
    """Return the layer for `AsyncHTTPConnectionPool.urlopen` of *lib* (see `patches.patch`).

    *wants* and *is_left* tell, as for blocking pools, whether *gate* is to be asked.
    """
    mocked = is_mock(original, frozenset({lib.__name__}))

    @functools.wraps(original)
    async def urlopen(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        live = bound(original, self)
        if not active() or not wants(self, method, url):
            return await live(method, url, *args, **kwargs)
        call = call_of(method, url, *args, **kwargs)
        if is_let_through(method, absolute, lib, self, url):
            return await live(**call)
        if is_left(self, call, mocked=mocked):
            with let_through(method, absolute(lib, self, url)):
                return await live(**call)
        return await _answered(lib, gate, self, live, call)

    return urlopen


async def _answered(lib: Any, gate: Gate, pool: Any, live: _Urlopen, call: Call) -> Any:
    body = read(lib, call)
    asked = ours(lib, pool, call, body.content or b"")
    if body.content is None:
        gate.passed(asked.summary, body.reason)
        with let_through(asked.method, asked.url):
            return await live(**{**call, "body": body.source})

    async def send(wanted: Request) -> AsyncReply:
        return _reply(await live(**sending(lib, call, asked, wanted)))

    shown = await gate.aanswer(asked, send)
    shown.bodiless = asked.method == "HEAD"
    return await _theirs(lib, pool, call, asked, shown)


def _reply(native: Any) -> AsyncReply:
    async def close() -> None:
        await native.close()

    versions = {number: name for name, number in _VERSIONS.items()}
    return AsyncReply(
        status=native.status,
        headers=tuple(native.headers.items()),
        chunks=_arriving(native),
        close=close,
        reason=native.reason or "",
        http_version=versions.get(native.version, "HTTP/1.1"),
        native=native,
    )


async def _arriving(native: Any) -> AsyncIterator[bytes]:
    async for chunk in native.stream(-1, decode_content=False):
        yield cast("bytes", chunk)
