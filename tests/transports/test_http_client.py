"""Connections of http.client, by the contract."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from cachesaver.exchange import Headers, get_header
from cachesaver.ports import Transport
from cachesaver.transports import http_client as adapter
from cachesaver.transports.testing import (
    PATIENCE,
    Answer,
    Body,
    Caller,
    TransportContract,
)


class HttpClientCaller(Caller):
    """A small SDK: keeps a connection for as long as it can, follows redirects, decodes gzip."""

    def __init__(self) -> None:
        self._idle: dict[str, http.client.HTTPConnection] = {}
        self._all: list[http.client.HTTPConnection] = []

    def _connection(self, host: str) -> http.client.HTTPConnection:
        if (idle := self._idle.pop(host, None)) is not None:
            return idle
        self._all.append(made := http.client.HTTPConnection(host, timeout=PATIENCE))
        return made

    def _ask(self, method: str, url: str, headers: Headers, body: Body, timeout: float) -> Any:
        parts = urlsplit(url)
        target = parts._replace(scheme="", netloc="").geturl()
        connection = self._connection(parts.netloc)
        connection.timeout = timeout
        try:
            connection.request(method, target, cast("Any", body) or None, dict(headers))
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            self._idle.setdefault(parts.netloc, connection)
            raise

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        connection, response = self._ask(method, url, headers, body, timeout)
        try:
            content = response.read()
        except BaseException:
            connection.close()
            raise
        finally:
            self._idle.setdefault(urlsplit(url).netloc, connection)
        if location := response.getheader("location"):
            return self.request(method, urljoin(url, location), headers=headers, body=body)
        found = tuple(response.getheaders())
        packed = get_header(found, "content-encoding") == "gzip"
        plain = gzip.decompress(content) if packed else content
        return Answer(status=response.status, headers=found, body=plain)

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        connection, response = self._ask(method, url, headers, body, PATIENCE)
        try:
            yield iter(lambda: response.read1(65536), b"")
        finally:
            if not response.isclosed():
                response.close()
                connection.close()
            self._idle.setdefault(urlsplit(url).netloc, connection)

    def close(self) -> None:
        for connection in self._all:
            connection.close()


class TestHttpClient(TransportContract):
    packages = ("http",)

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return http.client

    def caller(self, *, connections: int | None = None) -> Caller:
        return HttpClientCaller()
