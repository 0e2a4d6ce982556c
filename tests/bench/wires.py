"""Connections without a socket, for each client: what is written is answered at once, from memory.

The clients are real, and so is all that they do; there is nothing of the kernel in it, whose share of a
call varies by more than what is looked for.
"""

from __future__ import annotations

import asyncio
import http.client
import io
from typing import Any

import aiohttp
import requests
import urllib3
from urllib3.connection import HTTPConnection

__all__ = ["aiohttp_connector", "httpx_transport", "plain_connection", "session", "urllib3_pools"]

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


# --- http.client, urllib3 and requests


class _Socket:
    """What `http.client` needs of one."""

    def sendall(self, written: object) -> None:
        """Take what is written."""

    def makefile(self, mode: str) -> io.BytesIO:
        """Return what is read after a request."""
        del mode
        return io.BytesIO(_ANSWER)

    def settimeout(self, seconds: float | None) -> None:
        """Never wait anyway."""

    def close(self) -> None:
        """Stay as it is."""


def plain_connection() -> http.client.HTTPConnection:
    """Return a connection that is connected, to nobody."""
    connection: Any = http.client.HTTPConnection("shop.test")
    connection.sock = _Socket()
    return connection  # type: ignore[no-any-return]  # it is one still


class _Connection(HTTPConnection):
    def connect(self) -> None:
        self.sock: Any = _Socket()

    @property
    def is_connected(self) -> bool:
        return self.sock is not None


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _Connection


def urllib3_pools() -> urllib3.PoolManager:
    """Return a manager of pools whose connections are connected to nobody."""
    manager: Any = urllib3.PoolManager()
    manager.pool_classes_by_scheme = {"http": _Pool}
    return manager  # type: ignore[no-any-return]  # it is one still


def session() -> requests.Session:
    """Return a session over `urllib3_pools`."""
    made = requests.Session()
    made.trust_env = False  # neither a proxy of this machine's, nor the look for one
    adapter: Any = made.get_adapter("http://shop.test")
    adapter.poolmanager = urllib3_pools()
    return made


# --- httpx and httpx2 on httpcore


def httpx_transport(lib: Any, core: Any) -> Any:
    """Return the own transport of *lib* on a pool of *core* whose connections lead to nobody.

    *lib* and *core*: httpx and httpcore, or httpx2 and httpcore2.
    """

    class Stream(core.NetworkStream):  # type: ignore[misc]  # of whichever it is
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            del max_bytes, timeout
            return _ANSWER

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            del buffer, timeout

        def get_extra_info(self, info: str) -> None:
            del info  # of a socket there is nothing to tell

        def close(self) -> None:
            pass

    class Backend(core.NetworkBackend):  # type: ignore[misc]  # as above
        def connect_tcp(self, *where: Any, **how: Any) -> Stream:
            del where, how
            return Stream()

    transport: Any = lib.HTTPTransport()
    transport._pool = core.ConnectionPool(network_backend=Backend())  # no other way in
    return transport


# --- aiohttp


class _Transport(asyncio.Transport):
    """Answers *protocol* as soon as a body is written."""

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._protocol = protocol
        self._loop = loop

    def write(self, data: Any) -> None:
        if data.endswith(b"}"):
            self._loop.call_soon(self._protocol.data_received, _ANSWER)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close


class _Connector(aiohttp.BaseConnector):
    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109
        del req, traces, timeout
        protocol = self._factory()
        protocol.connection_made(_Transport(protocol, self._loop))
        return protocol


def aiohttp_connector() -> aiohttp.BaseConnector:
    """Return a connector whose connections lead to nobody. Call it on a loop."""
    return _Connector()
