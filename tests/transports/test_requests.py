"""requests, which stands on urllib3, by the contract and by what is peculiar to it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import ModuleType

import requests
import urllib3
from requests.adapters import HTTPAdapter

from cachesaver.exchange import Headers
from cachesaver.ports import Transport
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import PATIENCE, Answer, Body, Caller, CookieContract


class RequestsCaller(Caller):
    def __init__(self, session: requests.Session) -> None:
        self.session = session

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.session.request(
            method, url, headers=dict(headers), data=body, timeout=timeout
        )
        return Answer(
            status=response.status_code,
            headers=tuple(response.headers.items()),
            body=response.content,
        )

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        with self.session.request(
            method, url, headers=dict(headers), data=body, stream=True
        ) as response:
            yield response.iter_content(None)

    def close(self) -> None:
        self.session.close()


class TestRequests(CookieContract):
    packages = ("requests", "urllib3")

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return urllib3

    def caller(self, *, connections: int | None = None) -> Caller:
        session = requests.Session()
        session.trust_env = False
        if connections is not None:
            session.mount("http://", HTTPAdapter(pool_maxsize=connections, pool_block=True))
        return RequestsCaller(session)
