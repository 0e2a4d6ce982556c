"""lm15, and what carries it inside (DSPy): where a transport opens a stream, we may answer.

lm15 speaks HTTP/1.1 over sockets of its own. `StdlibTransport.stream` and its asyncio twin lie below
providers and routers and above connections; they follow no redirects. A body comes out of them
decoded. lm15 is not imported here: whatever is needed of it is taken from the module handed in.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

import zstandard

from cachesaver.encoding import FRAMING, Decoder, decoder_for
from cachesaver.exchange import AsyncReply, Headers, Reply, Request, get_header, without_headers
from cachesaver.ports import Gate
from cachesaver.transports.patches import is_mock, network_is_mocked, patch_all

__all__ = ["MODULES", "NAME", "hook"]

NAME: str = "lm15"
MODULES: tuple[str, ...] = ("dspy._vendor.lm15.transports", "lm15.transports")

_OWN: Final = frozenset({"dspy", "lm15"})
_UNSEEN: Final = frozenset({"CONNECT", "HEAD", "TRACE"})
_UNDECODABLE: Final = (zlib.error, zstandard.ZstdError, ValueError)

_Stream = Callable[[Any, Any], Any]
_AsyncStream = Callable[[Any, Any], Awaitable[Any]]


def hook(module: ModuleType, gate: Gate) -> Callable[[], None]:
    """Hook *gate* into all transports of *module*; see `cachesaver.ports.Transport.hook`."""
    return patch_all(
        module,
        (
            ("StdlibTransport", "stream", functools.partial(_layer, module, gate)),
            ("StdlibAsyncTransport", "_do_stream", functools.partial(_async_layer, module, gate)),
        ),
    )


def _layer(lib: Any, gate: Gate, original: _Stream, active: Callable[[], bool]) -> _Stream:
    mocked = is_mock(original, _OWN)

    @functools.wraps(original)
    def stream(self: Any, request: Any) -> Any:
        if not active() or not _is_ours(gate, self, request, mocked=mocked):
            return original(self, request)
        asked = _ours(request)

        def send(wanted: Request) -> Reply:
            return _reply(original(self, _sending(lib, request, asked, wanted)))

        return _theirs(lib, gate.answer(asked, send))

    return stream


def _async_layer(
    lib: Any, gate: Gate, original: _AsyncStream, active: Callable[[], bool]
) -> _AsyncStream:
    mocked = is_mock(original, _OWN)

    @functools.wraps(original)
    async def stream(self: Any, request: Any) -> Any:
        if not active() or not _is_ours(gate, self, request, mocked=mocked):
            return await original(self, request)
        asked = _ours(request)

        async def send(wanted: Request) -> AsyncReply:
            return _async_reply(await original(self, _sending(lib, request, asked, wanted)))

        return _async_theirs(lib, await gate.aanswer(asked, send))

    return stream


# --- whose call it is


def _is_ours(gate: Gate, transport: Any, request: Any, *, mocked: bool) -> bool:
    """Tell whether *gate* wants *request*, and it would not fail without our help."""
    if transport._closed or request.method.upper() in _UNSEEN:  # noqa: SLF001  # no other sign
        return False
    url: str = request.url
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or not gate.wants(request.method, host, parts.path):
        return False
    return gate.through_mocks or not (mocked or network_is_mocked())


# --- requests


def _ours(request: Any) -> Request:
    return Request(
        method=request.method.upper(),
        url=request.url.partition("#")[0],
        headers=tuple(request.headers),
        body=bytes(request.body or b""),
    )


def _sending(lib: Any, request: Any, asked: Request, wanted: Request) -> Any:
    """Return what sends *wanted*; like *request*, which is *asked*, in all the rest."""
    if wanted == asked:
        return request
    return lib.TransportRequest(
        method=wanted.method,
        url=wanted.url,
        headers=list(wanted.headers),
        body=wanted.body,
        connect_timeout=request.connect_timeout,
        read_timeout=request.read_timeout,
        write_timeout=request.write_timeout,
    )


# --- responses


def _reply(native: Any) -> Reply:
    chunks = iter(native)

    def close() -> None:
        native.close()
        # The place in the pool is given back by the innermost iterator.
        native._chunks.close()  # noqa: SLF001  # lm15 leaves it to the collector

    return Reply(
        status=native.status,
        headers=_decoded_head(native.headers),
        chunks=chunks,
        close=close,
        reason=native.reason,
        http_version=native.http_version,
        native=native,
    )


def _async_reply(native: Any) -> AsyncReply:
    return AsyncReply(
        status=native.status,
        headers=_decoded_head(native.headers),
        chunks=aiter(native),
        close=native.aclose,
        reason=native.reason,
        http_version=native.http_version,
        native=native,
    )


def _decoded_head(headers: list[tuple[str, str]]) -> Headers:
    """Return *headers* as they are true of a body that lm15 has decoded."""
    came = tuple(headers)
    return came if get_header(came, "content-encoding") is None else without_headers(came, FRAMING)


def _theirs(lib: Any, shown: Reply) -> Any:
    def release(_: object) -> None:
        shown.close()

    return lib.TransportResponse(
        chunks=_plain(lib, shown, decoder_for(shown.headers)), release=release, **_head(shown)
    )


def _async_theirs(lib: Any, shown: AsyncReply) -> Any:
    async def release(_: object) -> None:
        await shown.close()

    return lib.AsyncTransportResponse(
        chunks=_async_plain(lib, shown, decoder_for(shown.headers)), release=release, **_head(shown)
    )


def _head(shown: Reply | AsyncReply) -> dict[str, Any]:
    stale = FRAMING if shown.native is None else ()
    return {
        "status": shown.status,
        "reason": shown.reason,
        "headers": list(without_headers(shown.headers, stale)),
        "http_version": shown.http_version,
    }


def _plain(lib: Any, shown: Reply, decoder: Decoder | None) -> Iterator[bytes]:
    for chunk in shown.chunks:
        yield _decoded(lib, chunk, decoder)


async def _async_plain(
    lib: Any, shown: AsyncReply, decoder: Decoder | None
) -> AsyncIterator[bytes]:
    async for chunk in shown.chunks:
        yield _decoded(lib, chunk, decoder)


def _decoded(lib: Any, chunk: bytes, decoder: Decoder | None) -> bytes:
    """Take the coding off *chunk*, which only an answer that did not come through lm15 has."""
    if decoder is None:
        raise lib.ProtocolError("response has a content-encoding that cannot be decoded")
    try:
        return decoder.decompress(chunk)
    except _UNDECODABLE as error:
        raise lib.ProtocolError(f"malformed body: {error}") from error
