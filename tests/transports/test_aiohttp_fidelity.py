"""With a gate or without: what goes out, what comes back and what is raised are the same."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import io
import re
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientTimeout
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict

import cachesaver.transports.aiohttp as transport
from cachesaver.transports.testing import (
    FakeGate,
    LoopbackServer,
    RecordingGate,
    Script,
    TeeGate,
)

GATES: tuple[Callable[[], FakeGate], ...] = (FakeGate, TeeGate)


@contextlib.contextmanager
def hooked(gate: FakeGate | None) -> Generator[None, None, None]:
    unhook = transport.hook(aiohttp, gate) if gate else lambda: None
    try:
        yield
    finally:
        unhook()


@dataclass
class Seen:
    """Everything about one call that its caller can see, in an order."""

    events: list[object] = field(default_factory=list[object])

    def note(self, *event: object) -> None:
        self.events.append(event)


def seen(call: Callable[[Seen], Awaitable[None]], gate: FakeGate | None) -> list[object]:
    """Return what *call* saw, its exception included, and that nothing was left behind."""

    async def run() -> list[object]:
        note, loop = Seen(), asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: note.note("loop", str(context)))
        try:
            await call(note)
        except Exception as error:  # noqa: BLE001  # that is what is compared
            message = re.sub(r"127\.0\.0\.1:\d+", "peer", str(error))
            note.note("raised", type(error), message, type(error.__cause__))
        for _ in range(5):
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        note.note("left", [task for task in left if "_play" in repr(task)])
        return note.events

    with hooked(gate):
        return asyncio.run(run())


async def note_response(note: Seen, response: aiohttp.ClientResponse) -> None:
    """Note all that a response shows before, while and after it is read."""
    note.note(response.status, response.reason, response.version, response.method, response.url)
    note.note(response.raw_headers, list(response.headers.items()), response.cookies)
    note.note(response.content_type, response.charset, response.content_length, response.ok)
    note.note(list(response.request_info.headers.items()), response.request_info.url)
    note.note([(r.status, r.url) for r in response.history])
    note.note(await response.read())
    note.note(response.closed, response.connection, response.content.total_bytes)


# --- what goes out

FORM = aiohttp.FormData


def multipart(path: Path) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data", boundary="fixed")
    for name, value in (("a", "text"), ("b", b"bytes"), ("c", io.BytesIO(b"in memory"))):
        writer.append(value).set_content_disposition("form-data", name=name)
    writer.append(path.open("rb")).set_content_disposition("form-data", name="d", filename="f")
    return writer


def multipart_zipped() -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("mixed", boundary="fixed")
    writer.append("zipped " * 50, CIMultiDict({"Content-Encoding": "gzip"}))
    return writer


OUTGOING: dict[str, Callable[[Path], dict[str, Any]]] = {
    "nothing": lambda _: {},
    "get": lambda _: {"method": "GET", "params": {"a": "b c", "d": "é"}},
    "get with a body": lambda _: {"method": "GET", "data": b"x"},
    "delete": lambda _: {"method": "DELETE"},
    "put": lambda _: {"method": "PUT", "data": b"x"},
    "json": lambda _: {"json": {"model": "m", "é": [1, None]}},
    "text": lambda _: {"data": "é", "headers": {"Content-Type": "text/plain; charset=latin-1"}},
    "bytes": lambda _: {"data": b"\x00\xff"},
    "empty bytes": lambda _: {"data": b""},
    "in memory": lambda _: {"data": io.BytesIO(b"12345")},
    "a file": lambda path: {"data": path.open("rb")},
    "a text file": lambda path: {"data": path.open(encoding="utf-8")},
    "a form": lambda _: {"data": {"a": "b c", "d": "é"}},
    "multipart": lambda path: {"data": multipart(path)},
    "multipart, zipped within": lambda _: {"data": multipart_zipped()},
    "gzip": lambda _: {"json": {"a": "a" * 1000}, "compress": "gzip"},
    "deflate": lambda _: {"data": b"a" * 1000, "compress": True},
    "chunked": lambda _: {"data": b"abc", "chunked": True},
    "chunked file": lambda path: {"data": path.open("rb"), "chunked": True},
    "empty and chunked": lambda _: {"chunked": True},
    "cookies": lambda _: {"cookies": {"a": "1", "b": "two words"}},
    "twice the same header": lambda _: {"headers": [("X-A", "1"), ("x-a", "2"), ("X-B", "é")]},
    "few headers": lambda _: {
        "data": b"x",
        "skip_auto_headers": ["User-Agent", "Accept", "Accept-Encoding", "Content-Type"],
    },
    "a host of its own": lambda _: {"headers": {"Host": "api.example.test"}},
    "a length of its own": lambda _: {"data": b"12345", "headers": {"Content-Length": "3"}},
    "a large body": lambda _: {"data": io.BytesIO(b"0123456789abcdef" * 2**17)},
    "user and password": lambda _: {"user": "me:pass@"},
    "a fragment": lambda _: {"path": "/p?q=1#f"},
    "to be redirected": lambda _: {"path": "/old", "data": io.BytesIO(b"again")},
    "to be redirected as get": lambda _: {"path": "/see", "data": b"once"},
}


@pytest.mark.parametrize("name", OUTGOING)
@pytest.mark.parametrize("gate", [*GATES, RecordingGate])
def test_what_goes_out_is_the_same(name: str, gate: Callable[[], FakeGate], tmp_path: Path) -> None:
    (file := tmp_path / "f.txt").write_text("in a file, é", encoding="utf-8")

    with LoopbackServer() as server:
        server.script("/old", Script(status=307, headers=(("Location", "/new"),)))
        server.script("/see", Script(status=303, headers=(("Location", "/new"),)))

        async def call(note: Seen) -> None:
            options = OUTGOING[name](file)
            user, path = options.pop("user", ""), options.pop("path", "/v1/x%2Fy?z=%20")
            url = f"http://{user}{server.host}:{server.port}{path}"
            method = options.pop("method", "POST")
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, url, **options) as response,
            ):
                await note_response(note, response)

        made = gate()
        plain, through = seen(call, None), seen(call, made)

        assert through == plain
        half = len(server.received) // 2
        sent = [(r.method, r.target, r.headers, r.body) for r in server.received]
        assert sent[half:] == sent[:half] != []
        assert [request.body for request in made.asked] == [body for *_, body in sent[half:]]
        assert made.passes == []


# --- what comes back

ZIPPED = gzip.compress(b"plain text " * 100, mtime=0)
SCRIPTS = {
    "one piece": Script(chunks=(b"body",)),
    "chunks": Script(chunks=(b"data: 1\n\n", b"data: 2\n\n")),
    "no bytes": Script(chunks=(b"",)),
    "204": Script(status=204),
    "304": Script(status=304, headers=(("ETag", '"e"'),)),
    "an error": Script(status=429, headers=(("Retry-After", "1"),), chunks=(b'{"e": 1}',)),
    "an unknown status": Script(status=599),
    "gzip": Script(headers=(("Content-Encoding", "gzip"),), chunks=(ZIPPED,)),
    "gzip in chunks": Script(
        headers=(("Content-Encoding", "gzip"),), chunks=(ZIPPED[:5], ZIPPED[5:])
    ),
    "broken gzip": Script(headers=(("Content-Encoding", "gzip"),), chunks=(b"no gzip at all",)),
    "cookies": Script(headers=(("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"))),
    "odd headers": Script(headers=(("X-A", "1"), ("x-A", "\xe9"), ("X-Empty", ""))),
    "to be closed": Script(headers=(("Connection", "close"),)),
    "large": Script(chunks=tuple(bytes([n]) * 100_000 for n in range(30))),
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("options", [{}, {"auto_decompress": False}, {"raise_for_status": True}])
def test_what_comes_back_is_the_same(
    name: str, gate: Callable[[], FakeGate], options: dict[str, Any]
) -> None:
    with LoopbackServer() as server:
        url = server.script("/v1/x", SCRIPTS[name])

        async def call(note: Seen) -> None:
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(cookie_jar=jar, **options) as session:
                for _ in range(2):
                    async with session.post(url, data=b"{}") as response:
                        await note_response(note, response)
                note.note([(c.key, c.value, c["path"]) for c in jar])

        assert seen(call, gate()) == seen(call, None)
        assert server.connections % 2 == 0


async def chunks(content: aiohttp.StreamReader) -> AsyncIterator[tuple[bytes, bool]]:
    async for chunk, ended in content.iter_chunks():
        if chunk:  # whether there is an empty last one depends on when the end arrives
            yield chunk, ended


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    async for line in content:
        yield line


READERS: dict[str, Callable[[aiohttp.StreamReader], AsyncIterator[object]]] = {
    "chunks": chunks,
    "lines": lines,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("gate", [*GATES, RecordingGate])
@pytest.mark.parametrize("bufsize", [4, 2**16])
def test_a_body_is_read_in_the_same_pieces(
    reader: str, gate: Callable[[], FakeGate], bufsize: int
) -> None:
    with LoopbackServer() as server:
        url = server.script("/v1/x", SCRIPTS["chunks"])

        async def call(note: Seen) -> None:
            async with (
                aiohttp.ClientSession(read_bufsize=bufsize) as session,
                session.post(url) as response,
            ):
                async for piece in READERS[reader](response.content):
                    note.note(piece)

        assert seen(call, gate()) == seen(call, None)


def test_any_is_read_event_by_event_where_the_seams_are_known() -> None:
    with LoopbackServer() as server:
        url = server.script("/v1/x", SCRIPTS["chunks"])

        async def call(note: Seen) -> None:
            async with aiohttp.ClientSession() as session, session.post(url) as response:
                async for piece in response.content.iter_any():
                    note.note(piece)

        assert seen(call, RecordingGate())[:2] == [(b"data: 1\n\n",), (b"data: 2\n\n",)]


# --- a peer that does what no HTTP server does

RESET = object()
CLOSE = object()
HOLD = object()


@contextlib.asynccontextmanager
async def peer(*script: object) -> AsyncGenerator[str, None]:
    """Serve *script* to every connection, after its request; yield the URL to post `{}` to."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n{}")
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif step is RESET:
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            elif step is CLOSE:
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 10\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SHORT = ClientTimeout(total=0.3)
UNREAD = ClientTimeout(total=5, sock_read=0.15)

PEERS: dict[str, tuple[tuple[object, ...], ClientTimeout]] = {
    "closes at once": ((CLOSE,), SHORT),
    "resets at once": ((RESET,), SHORT),
    "closes in the head": ((OK, CLOSE), SHORT),
    "talks nonsense": ((b"nonsense\r\n\r\n",), SHORT),
    "sends a long line": ((OK + b"A: " + b"a" * 9000 + b"\r\n\r\n",), SHORT),
    "sends many headers": ((OK + b"A: a\r\n" * 200 + b"\r\n",), SHORT),
    "closes in a sized body": ((SIZED + b"abc", CLOSE), SHORT),
    "resets in a sized body": ((SIZED + b"abc", RESET), SHORT),
    "closes between chunks": ((CHUNKED + b"3\r\nabc\r\n", CLOSE), SHORT),
    "resets between chunks": ((CHUNKED + b"3\r\nabc\r\n", RESET), SHORT),
    "sends no chunk size": ((CHUNKED + b"3\r\nabc\r\nxyz\r\n", HOLD), SHORT),
    "is silent, and reading times out": ((HOLD,), UNREAD),
    "is silent in a body, and reading times out": ((SIZED + b"abc", HOLD), UNREAD),
    "is silent, and all times out": ((HOLD,), SHORT),
    "is silent in a body, and all times out": ((SIZED + b"abc", HOLD), SHORT),
    "ends a body by closing": ((OK + b"\r\nbody", CLOSE), SHORT),
    "ends no body by closing": ((OK + b"\r\n", CLOSE), SHORT),
    "speaks 1.0": ((b"HTTP/1.0 200 Fine\r\n\r\nbody", CLOSE), SHORT),
    "says 100 first": ((b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED + b"0123456789",), SHORT),
    "gives no reason": ((b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",), SHORT),
    "says too much": ((SIZED + b"0123456789rest",), SHORT),
    "compresses by transfer": (
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",),
        SHORT,
    ),
}


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("options", [{}, {"read_until_eof": False}, {"max_line_size": 10_000}])
def test_whatever_the_peer_does_looks_the_same(
    name: str, gate: Callable[[], FakeGate], options: dict[str, Any]
) -> None:
    script, timeout = PEERS[name]

    async def call(note: Seen) -> None:
        async with (
            peer(*script) as url,
            aiohttp.ClientSession() as session,
            session.post(url, data=b"{}", timeout=timeout, **options) as response,
        ):
            note.note(response.status, response.reason, response.version, response.raw_headers)
            try:
                async for piece in response.content.iter_any():
                    note.note(piece)
            finally:
                note.note(response.closed, response.content.exception() is None)

    assert seen(call, gate()) == seen(call, None)


class NoNames(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, "no such name")

    async def close(self) -> None:
        pass


class Deaf(aiohttp.TCPConnector):
    async def _create_connection(self, *_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()


async def no_names(note: Seen) -> None:
    connector = aiohttp.TCPConnector(resolver=NoNames())
    async with aiohttp.ClientSession(connector=connector) as session:
        await session.post("http://api.example.test/v1", data=b"{}")


async def no_tls(note: Seen) -> None:
    async with peer(HOLD) as url, aiohttp.ClientSession() as session:
        context = ssl.create_default_context()
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.post(url.replace("http:", "https:"), ssl=context, timeout=SHORT)
        note.note(type(caught.value))


async def deaf(note: Seen, limits: ClientTimeout) -> None:
    async with aiohttp.ClientSession(connector=Deaf(), timeout=limits) as session:
        await session.post("http://api.example.test/v1", data=b"{}")


async def crowded(note: Seen) -> None:
    async with peer(SIZED, HOLD) as url:
        connector = aiohttp.TCPConnector(limit=1)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(url, data=b"{}"),
        ):
            await session.post(url, data=b"{}", timeout=ClientTimeout(connect=0.05))


async def bad_header(note: Seen) -> None:
    async with peer(HOLD) as url, aiohttp.ClientSession() as session:
        await session.post(url, data=b"{}", headers={"X-A": "a\r\nb"})


async def closed_session(note: Seen) -> None:
    async with peer(SIZED + b"abc", HOLD) as url:
        session = aiohttp.ClientSession()
        response = await session.post(url, data=b"{}")
        note.note(await response.content.readany())
        await session.close()
        try:
            await response.content.readany()
        finally:
            response.close()


UNCONNECTED: dict[str, Callable[[Seen], Awaitable[None]]] = {
    "no such name": no_names,
    "no TLS": no_tls,
    "connecting times out": functools.partial(deaf, limits=ClientTimeout(connect=0.05)),
    "all times out in connecting": functools.partial(deaf, limits=ClientTimeout(total=0.05)),
    "the pool is full": crowded,
    "a header that injects": bad_header,
    "the session is closed on the way": closed_session,
}


@pytest.mark.parametrize("name", UNCONNECTED)
@pytest.mark.parametrize("gate", GATES)
def test_failing_to_connect_or_to_send_looks_the_same(
    name: str, gate: Callable[[], FakeGate]
) -> None:
    assert seen(UNCONNECTED[name], gate()) == seen(UNCONNECTED[name], None)
