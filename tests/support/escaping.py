"""Ways out of a process, for those that are to be stopped: each a function of an `http://` URL.

Each sends one `POST` with a body that asks a model, and returns when something has come back or the
connection is over. Shared by the law and by what tests single hooks.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import httpx
import httpx2
import requests
import trio
import urllib3

__all__ = ["BODY", "WAYS", "attributes", "message", "outcome"]

BODY = json.dumps({"shop": "tea", "model": "m"}).encode()
_JSON = {"content-type": "application/json"}


def message(url: str, body: bytes = BODY) -> bytes:
    """Return the request as HTTP/1.1 has it."""
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def attributes(*owners: Any) -> list[dict[str, object]]:
    """Return what each of *owners*, classes or modules, has itself."""
    members: list[Mapping[str, object]] = [owner.__dict__ for owner in owners]
    return [{**each} for each in members]


def outcome(way: Callable[[str], object], url: str) -> BaseException | None:
    """Return what *way* raised, if anything."""
    try:
        way(url)
    except Exception as error:  # noqa: BLE001  # judged by the test
        return error
    return None


def _address(url: str) -> tuple[str, int]:
    parts: SplitResult = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def by_httpx(url: str) -> None:
    httpx.post(url, content=BODY, headers=_JSON)


def by_httpx2(url: str) -> None:
    httpx2.post(url, content=BODY, headers=_JSON)


async def by_httpx_async(url: str) -> None:
    async with httpx.AsyncClient() as client:
        await client.post(url, content=BODY, headers=_JSON)


async def by_aiohttp(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(url, data=BODY) as answer:
        await answer.read()


def by_requests(url: str) -> None:
    requests.post(url, data=BODY, timeout=20)


def by_urllib3(url: str) -> None:
    urllib3.request("POST", url, body=BODY)


def by_http_client(url: str) -> None:
    connection = http.client.HTTPConnection(*_address(url), timeout=20)
    try:
        connection.request("POST", urlsplit(url).path, BODY, _JSON)
        connection.getresponse().read()
    finally:
        connection.close()


def by_urllib(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, BODY, _JSON), timeout=20) as answer:  # noqa: S310
        answer.read()


def by_a_socket(url: str) -> None:
    with socket.create_connection(_address(url), timeout=20) as sock:
        sock.sendall(message(url))
        sock.recv(1)


def by_a_socket_in_pieces(url: str) -> None:
    with socket.create_connection(_address(url), timeout=20) as sock:
        for byte in message(url):
            sock.send(bytes([byte]))
        sock.recv(1)


def by_sendmsg(url: str) -> None:
    data = message(url)
    with socket.create_connection(_address(url), timeout=20) as sock:
        sock.sendmsg([data[:7], memoryview(data)[7:]])
        sock.recv(1)


def by_a_file_of_a_socket(url: str) -> None:
    with socket.create_connection(_address(url), timeout=20) as sock, sock.makefile("rwb") as file:
        file.write(message(url))
        file.flush()
        file.read(1)


async def by_streams(url: str) -> None:
    reader, writer = await asyncio.open_connection(*_address(url))
    try:
        writer.write(message(url))
        await reader.read(1)
    finally:
        writer.close()


async def by_a_protocol(url: str) -> None:
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    class Asking(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            if not over.done():
                over.set_result(None)

        def connection_lost(self, exc: Exception | None) -> None:
            if not over.done():
                over.set_exception(exc or EOFError())

    transport, _ = await loop.create_connection(Asking, *_address(url))
    try:
        transport.writelines([message(url)[:5], message(url)[5:]])
        await over
    finally:
        transport.close()
        over.cancel()


async def by_sock_sendall(url: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, _address(url))
        await loop.sock_sendall(sock, message(url))
        await loop.sock_recv(sock, 1)


def by_uvloop(url: str) -> None:
    import uvloop

    uvloop.run(by_streams(url))


def by_uvloop_sock_sendall(url: str) -> None:
    import uvloop

    uvloop.run(by_sock_sendall(url))


def by_trio(url: str) -> None:
    async def ask() -> None:
        host, port = _address(url)
        async with await trio.open_tcp_stream(host, port) as stream:
            await stream.send_all(message(url))
            await stream.receive_some(1)

    trio.run(ask)


def by_anyio(url: str) -> None:
    import anyio

    async def ask() -> None:
        host, port = _address(url)
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(message(url))
            await stream.receive(1)

    anyio.run(ask)


def by_a_thread(url: str) -> None:
    raised: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: raised.append(outcome(by_a_socket, url)))
    thread.start()
    thread.join()
    if raised[0] is not None:
        raise raised[0]


def by_tls(url: str) -> None:
    """Shake hands under the host's name; what is spoken to need not understand."""
    context = ssl.create_default_context()
    host, port = _address(url)
    with (
        socket.create_connection((host, port), timeout=20) as sock,
        context.wrap_socket(sock, server_hostname=host) as secure,
    ):
        secure.sendall(message(url))


async def by_tls_streams(url: str) -> None:
    _, writer = await asyncio.open_connection(*_address(url), ssl=True)
    writer.close()


def _run(way: Callable[[str], Coroutine[Any, Any, None]]) -> Callable[[str], None]:
    def run(url: str) -> None:
        asyncio.run(way(url))

    return run


WAYS: Mapping[str, Callable[[str], None]] = MappingProxyType(
    {
        "httpx": by_httpx,
        "httpx2": by_httpx2,
        "httpx async": _run(by_httpx_async),
        "aiohttp": _run(by_aiohttp),
        "requests": by_requests,
        "urllib3": by_urllib3,
        "http.client": by_http_client,
        "urllib": by_urllib,
        "socket": by_a_socket,
        "socket in pieces": by_a_socket_in_pieces,
        "sendmsg": by_sendmsg,
        "makefile": by_a_file_of_a_socket,
        "asyncio streams": _run(by_streams),
        "asyncio protocol": _run(by_a_protocol),
        "asyncio sock_sendall": _run(by_sock_sendall),
        "uvloop": by_uvloop,
        "uvloop sock_sendall": by_uvloop_sock_sendall,
        "trio": by_trio,
        "anyio": by_anyio,
        "thread": by_a_thread,
    }
)
"""Every client of the environment, and what stands beneath them."""
