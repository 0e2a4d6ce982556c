"""Bare urllib3, by the contract and by what is peculiar to it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import urllib3

from cachesaver.exchange import Headers
from cachesaver.ports import Transport
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import PATIENCE, Answer, Body, Caller, TransportContract


class Urllib3Caller(Caller):
    def __init__(self, manager: urllib3.PoolManager) -> None:
        self.manager = manager

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.manager.request(
            method,
            url,
            headers=urllib3.HTTPHeaderDict(headers),
            body=body,
            timeout=timeout,
            retries=urllib3.Retry(1, read=0, connect=0),
        )
        return Answer(
            status=response.status, headers=tuple(response.headers.items()), body=response.data
        )

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        response = self.manager.request(
            method,
            url,
            headers=urllib3.HTTPHeaderDict(headers),
            body=body,
            preload_content=False,
        )
        try:
            yield response.stream()
        finally:
            response.close()
            response.release_conn()

    def close(self) -> None:
        self.manager.clear()


class TestUrllib3(TransportContract):
    packages = ("urllib3",)

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return urllib3

    def caller(self, *, connections: int | None = None) -> Caller:
        options: dict[str, Any] = {} if connections is None else {"maxsize": connections}
        manager = urllib3.PoolManager(block=connections is not None, **options)
        return Urllib3Caller(manager)
