"""One request of aiohttp's: read as ours, and sent again as a twin that takes a real connection.

It knows aiohttp's requests, payloads and connectors; nothing of how a reply gets to the caller.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import (
    BaseConnector,
    ClientRequest,
    ClientResponse,
    ClientTimeout,
    MultipartWriter,
    hdrs,
)
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http import StreamWriter
from aiohttp.payload import BytesPayload, IOBasePayload, Payload
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from cachesaver.exchange import AsyncReply, Headers, Request

__all__ = ["LARGEST_BODY", "Call", "Connect", "obstacle"]

Connect = Callable[
    [BaseConnector, ClientRequest, "list[Trace]", ClientTimeout], Awaitable[Connection]
]
"""`BaseConnector.connect` as aiohttp has it."""

_PARAMETERS: Final = inspect.signature(ResponseHandler.set_response_params).parameters
_LIMITS: Final[dict[str, Any]] = {
    name: 1 << 24
    for name in ("max_line_size", "max_field_size", "max_headers")
    if name in _PARAMETERS
}
"""The caller's own parser enforces the caller's limits, with the caller's errors."""

_REWINDS: Final = hasattr(Payload, "write_with_length")
"""Since aiohttp 3.12 a payload over a file starts where the file stood, each time it is written."""


LARGEST_BODY: Final = 64 * 2**20
"""Bytes. A request with a larger body passes unread: it would have to be held in memory whole."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One call of `BaseConnector.connect`.

    Attributes:
        connect: The original, which takes a real connection.
        connector: Whose it is; the rest are its arguments.
        unconnected: What the last `send` that got no connection raised.
    """

    connect: Connect
    connector: BaseConnector
    request: ClientRequest
    traces: list[Trace]
    timeout: ClientTimeout
    unconnected: BaseException | None = None

    async def read(self) -> Request:
        """Return the request as ours. Its payload can be written again afterwards."""
        return Request(
            method=self.request.method,
            url=str(self.request.url),
            headers=tuple((str(k), _latin(v)) for k, v in self.request.headers.items()),
            body=await _body(self.request),
        )

    async def send(self, request: Request) -> AsyncReply:
        """Send *request* by the caller's connector, proxy, TLS and timeouts. See `AsyncSend`."""
        twin = _twin(self.request, request)
        try:
            connection = await self.connect(self.connector, twin, self.traces, self.timeout)
        except BaseException as error:
            self.unconnected = error
            raise
        return _reply(await _exchange(twin, connection, self.timeout.sock_read))


def obstacle(request: ClientRequest) -> str:
    """Return why *request* cannot be read first and sent by a twin; empty where it can."""
    if hdrs.EXPECT in request.headers:
        return "it waits for 100-continue before it sends its body"
    if not _rereadable(request.body):
        return f"its body ({type(request.body).__name__}) can be read only once"
    if request.body and (request.body.size or 0) > LARGEST_BODY:
        return "its body is too large to be read first"
    return ""


def _rereadable(body: object) -> bool:
    """Tell whether *body* is finite, at hand, and the same when written a second time."""
    if not isinstance(body, Payload):
        return body == b""
    if getattr(body, "consumed", False):
        return False
    if isinstance(body, MultipartWriter):
        return all(_rereadable(part) for part, *_ in body)
    if isinstance(body, IOBasePayload):
        file: io.IOBase | None = getattr(body, "_value", None)
        return _REWINDS and body.size is not None and file is not None and file.seekable()
    return isinstance(body, BytesPayload)


class _Sink(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False


async def _body(request: ClientRequest) -> bytes:
    """Return the body as it goes on the wire: compressed and cut as told, not framed in chunks."""
    if not isinstance(request.body, Payload):
        return b""
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.transport = sink = _Sink()
    writer = StreamWriter(protocol, loop)
    if isinstance(request.compress, str):
        writer.enable_compression(request.compress)
    length = request.headers.get(hdrs.CONTENT_LENGTH, "")
    if _REWINDS:
        await request.body.write_with_length(writer, int(length) if length.isdigit() else None)
    else:
        await request.body.write(writer)
    await writer.write_eof()
    return b"".join(sink.written)


def _twin(request: ClientRequest, ours: Request) -> ClientRequest:
    """Return a request that goes where and how *request* does, but says what *ours* says.

    A copy, so that subclasses keep their ways; tracing and the upload tracker are for the
    caller's own request alone.
    """
    twin = copy.copy(request)
    vars(twin).update(_body=None, body=b"", _traces=[], _timer=TimerNoop(), _upload_tracker=None)
    twin.headers = _theirs(ours.headers)
    twin.chunked = True if "chunked" in (ours.header("transfer-encoding") or "").lower() else None
    twin.compress = None  # it is compressed
    twin.response_class = ClientResponse
    if ours.url != str(request.url):
        twin.url = URL(ours.url, encoded=True)
    twin.update_body_from_data(_data(ours.body))
    return twin


def _data(body: bytes) -> object:
    """Return what aiohttp sends as *body*, without warning of large bytes where it can be helped."""
    if not body:
        return None
    return io.BytesIO(body) if _REWINDS else body


async def _exchange(
    request: ClientRequest, connection: Connection, read_timeout: float | None
) -> ClientResponse:
    """Send *request* and return when the head of its response is there, its body left as it is."""
    try:
        if connection.protocol is not None:  # it is: the connection is new
            connection.protocol.set_response_params(
                skip_payload=request.method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=read_timeout,
                **_LIMITS,
            )
        response = await request.send(connection)
        try:
            return await response.start(connection)
        except BaseException:
            response.close()
            raise
    except BaseException:
        connection.close()
        raise


def _reply(response: ClientResponse) -> AsyncReply:
    async def close() -> None:
        response.close()  # a response read to its end has given its connection back already

    version = response.version
    return AsyncReply(
        status=response.status,
        headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.raw_headers),
        chunks=_Arrivals(response.content),
        close=close,
        reason=response.reason or "",
        http_version=f"HTTP/{version.major}.{version.minor}" if version else "HTTP/1.1",
        native=response,
    )


class _Arrivals(AsyncIterator[bytes]):
    """What arrives on *content*, HTTP chunk by HTTP chunk. No generator: nothing to finalise."""

    def __init__(self, content: StreamReader) -> None:
        self._content = content

    async def __anext__(self) -> bytes:
        try:
            while not self._content.at_eof():
                chunk, _ = await self._content.readchunk()
                if chunk:
                    return chunk
        except Exception:
            if rest := _unread(self._content):
                return rest
            raise
        raise StopAsyncIteration


def _unread(content: StreamReader) -> bytes:
    """Return what came before *content* broke: its caller, who reads at once, had seen it."""
    read: Callable[[int], bytes] | None = getattr(content, "_read_nowait", None)
    return read(-1) if read else b""


def _latin(value: str) -> str:
    """Return the header *value*, which aiohttp sends as UTF-8, with a character for each byte."""
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")


def _theirs(headers: Headers) -> CIMultiDict[str]:
    return CIMultiDict([(name, _text(value)) for name, value in headers])


def _text(value: str) -> str:
    """Undo `_latin`; what it cannot have made is left as it is."""
    try:
        return value if value.isascii() else value.encode("latin-1").decode()
    except UnicodeError:
        return value
