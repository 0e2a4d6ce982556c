"""Event loops: asked about where the task is, and left as they were. The law's tests use them."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trio
import uvloop

from cachesaver.contexts import inside
from cachesaver.errors import EscapeError
from cachesaver.transports.loopback import LoopbackServer
from cachesaver.tripwire.loops import hook_asyncio, hook_proactor, hook_trio, hook_uvloop
from cachesaver.tripwire.sockets import hook_socket
from cachesaver.tripwire.wire import Wire
from escaping import attributes, message

Watching = Callable[..., Wire]
RUNS = [asyncio.run, uvloop.run]


def traces() -> list[dict[str, object]]:
    lib: Any = asyncio
    nursery: Any = trio
    kinds: list[Any] = [
        asyncio.BaseEventLoop,
        asyncio.StreamWriter,
        lib.selector_events._SelectorSocketTransport,
        lib.sslproto._SSLProtocolTransport,
        uvloop.Loop,
        nursery._socket._SocketType,
    ]
    return attributes(*kinds)


def watch_all(watching: Watching) -> Wire:
    def hook(module: ModuleType, wire: Wire) -> Callable[[], None]:
        undoings = [
            hook_socket(socket, wire),
            hook_asyncio(asyncio, wire),
            hook_uvloop(uvloop, wire),
            hook_trio(trio, wire),
        ]

        def undo() -> None:
            for each in reversed(undoings):
                each()

        return undo

    return watching(hook, asyncio)


def test_nothing_is_left_behind() -> None:
    before = traces()

    undoings = [
        hook_asyncio(asyncio, Wire()),
        hook_uvloop(uvloop, Wire()),
        hook_trio(trio, Wire()),
    ]
    between = traces()
    for undo in undoings:
        undo()

    assert all(one != other for one, other in zip(before, between, strict=True))
    assert traces() == before


@pytest.mark.parametrize("run", RUNS)
def test_a_provider_is_not_looked_up(watching: Watching, run: Callable[..., Any]) -> None:
    wire = watch_all(watching)

    async def look(name: str) -> Any:
        return await asyncio.get_running_loop().getaddrinfo(name, 443)

    with pytest.raises(EscapeError) as caught:
        run(look("api.openai.com"))
    run(look("localhost"))

    assert "test_loops.py" in caught.value.place, "told by the task, not by a thread of the loop's"
    assert "localhost" in wire._names.of("127.0.0.1")


def test_what_a_hook_lets_through_is_looked_up_in_whatever_thread(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Any = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        return original("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    watch_all(watching)

    async def look() -> Any:
        with inside():
            return await asyncio.get_running_loop().getaddrinfo("api.openai.com", 443)

    assert asyncio.run(look())[0][4] == ("127.0.0.1", 443)
    with pytest.raises(EscapeError):
        socket.getaddrinfo("api.openai.com", 443)


@pytest.mark.parametrize("run", RUNS)
def test_datagrams_are_not_sent_to_a_provider(watching: Watching, run: Callable[..., Any]) -> None:
    watch_all(watching)

    async def send(address: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=address
        )
        transport.sendto(b"hello")
        transport.close()

    with pytest.raises(EscapeError):
        run(send(("api.openai.com", 443)))
    run(send(("127.0.0.1", 9)))


def test_the_caller_learns_of_it_where_it_writes(
    watching: Watching, server: LoopbackServer
) -> None:
    """Given asyncio, whose transports swallow what a socket raises, then `write` raises it."""
    watch_all(watching)

    async def write() -> None:
        _, writer = await asyncio.open_connection(server.host, server.port)
        try:
            with pytest.raises(EscapeError):
                writer.write(message(f"{server.url}/v1/chat/completions"))
            with pytest.raises(EscapeError):
                writer.writelines([message(f"{server.url}/v1/chat/completions")])
        finally:
            writer.close()

    asyncio.run(write())
    uvloop.run(write())

    assert server.received == []


def test_a_server_of_the_programs_own_answers(watching: Watching) -> None:
    """Given a model served by this very program over asyncio, then what it says is no request."""
    watch_all(watching)

    async def serve() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()
            writer.close()

        started = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with started:
            reader, writer = await asyncio.open_connection(*started.sockets[0].getsockname()[:2])
            writer.write(b"GET /health HTTP/1.1\r\n\r\n")
            said = await reader.read()
            writer.close()
            return said

    for run in (asyncio.run, uvloop.run):
        assert run(serve()).endswith(b"ok")


def test_the_proactor_of_windows_is_asked_by_its_own_calls(watching: Watching) -> None:
    """A fake of `asyncio.windows_events`, whose proactor exists on Windows only."""
    done: list[str] = []

    class IocpProactor:
        def connect(self, conn: object, address: object) -> None:
            done.append("connect")

        def send(self, conn: object, buf: bytes, flags: int = 0) -> None:
            done.append("send")

    module: Any = SimpleNamespace(IocpProactor=IocpProactor)
    watching(hook_proactor, module)
    proactor = IocpProactor()

    with socket.socket() as sock:
        proactor.connect(sock, ("127.0.0.1", 1))
        proactor.send(sock, b"GET / HTTP/1.1\r\n\r\n", 0)
        with pytest.raises(EscapeError):
            proactor.connect(sock, ("api.openai.com", 443))
        with pytest.raises(EscapeError):
            proactor.send(sock, message("http://h.test/v1/chat/completions"))

    assert done == ["connect", "send"]


def test_modules_that_are_not_there_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio.sslproto")

    hook_asyncio(asyncio, Wire())()
