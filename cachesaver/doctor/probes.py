"""One call through each client, as a program of its users makes it: a table of small functions.

Each takes a URL and a JSON body, POSTs it, and returns the `Cache-Status` of the answer, empty where it
has none. Clients are imported in the function that needs them.
"""

# ruff: noqa: S310 - our own loopback URL, asked from a loop of its own, without haste

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["PROBES"]

_JSON: Final = {"content-type": "application/json"}
_STATUS: Final = "cache-status"


def _httpx(name: str) -> Callable[[str, bytes], str]:
    def probe(url: str, body: bytes) -> str:
        client = _module(name)
        return str(client.post(url, content=body, headers=_JSON).headers.get(_STATUS, ""))

    return probe


def _async_httpx(name: str) -> Callable[[str, bytes], str]:
    def probe(url: str, body: bytes) -> str:
        async def call() -> str:
            async with _module(name).AsyncClient() as client:
                answer = await client.post(url, content=body, headers=_JSON)
            return str(answer.headers.get(_STATUS, ""))

        return asyncio.run(call())

    return probe


def _httpcore(name: str) -> Callable[[str, bytes], str]:
    def probe(url: str, body: bytes) -> str:
        with _module(name).ConnectionPool() as pool:
            answer = pool.request("POST", url, headers=_JSON, content=body)
        named = {key.lower(): value for key, value in answer.headers}
        return str(named.get(_STATUS.encode(), b"").decode("latin-1"))

    return probe


def _aiohttp(url: str, body: bytes) -> str:
    async def call() -> str:
        async with (
            _module("aiohttp").ClientSession() as session,
            session.post(url, data=body, headers=_JSON) as answer,
        ):
            await answer.read()
            return str(answer.headers.get(_STATUS, ""))

    return asyncio.run(call())


def _urllib3(name: str) -> Callable[[str, bytes], str]:
    def probe(url: str, body: bytes) -> str:
        with _module(name).PoolManager() as pool:
            answer = pool.request("POST", url, body=body, headers=_JSON)
        return str(answer.headers.get(_STATUS, ""))

    return probe


def _requests(name: str) -> Callable[[str, bytes], str]:
    def probe(url: str, body: bytes) -> str:
        with _module(name).Session() as session:
            answer = session.post(url, data=body, headers=_JSON)
        return str(answer.headers.get(_STATUS, ""))

    return probe


def _http_client(url: str, body: bytes) -> str:
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.request("POST", parts.path, body, _JSON)
        answer = connection.getresponse()
        answer.read()
        return answer.getheader(_STATUS, "")
    finally:
        connection.close()


def _urllib_request(url: str, body: bytes) -> str:
    import urllib.request

    request = urllib.request.Request(url, body, _JSON)
    with urllib.request.urlopen(request) as answer:
        answer.read()
        return str(answer.headers.get(_STATUS, ""))


def _botocore(url: str, body: bytes) -> str:
    from importlib import import_module

    requests = import_module("botocore.awsrequest")
    session = import_module("botocore.httpsession").URLLib3Session()
    request = requests.AWSRequest(method="POST", url=url, data=body, headers=_JSON)
    answer = session.send(request.prepare())
    return str(answer.headers.get(_STATUS, ""))


def _lm15(name: str) -> Callable[[str, bytes], str]:
    def probe(url: str, body: bytes) -> str:
        lib, transport = _module(name), _module(name).StdlibTransport()
        request = lib.TransportRequest(
            method="POST", url=url, headers=list(_JSON.items()), body=body, read_timeout=10
        )
        try:
            with transport.stream(request) as answer:
                answer.read()
                named = {key.lower(): value for key, value in answer.headers}
            return str(named.get(_STATUS, ""))
        finally:
            transport.close()

    return probe


def _module(name: str) -> Any:
    import importlib

    return importlib.import_module(name)


PROBES: Final[Mapping[str, Mapping[str, Callable[[str, bytes], str]]]] = MappingProxyType(
    {
        # the import name of a client: its ways to call
        "httpx": {"blocking": _httpx("httpx"), "async": _async_httpx("httpx")},
        "httpx2": {"blocking": _httpx("httpx2"), "async": _async_httpx("httpx2")},
        "httpcore": {"blocking": _httpcore("httpcore")},
        "httpcore2": {"blocking": _httpcore("httpcore2")},
        "aiohttp": {"async": _aiohttp},
        "urllib3": {"blocking": _urllib3("urllib3")},
        "urllib3_future": {"blocking": _urllib3("urllib3_future")},
        "http.client": {"blocking": _http_client},
        "urllib.request": {"blocking": _urllib_request},
        "requests": {"blocking": _requests("requests")},
        "niquests": {"blocking": _requests("niquests")},
        "botocore": {"blocking": _botocore},
        "lm15.transports": {"blocking": _lm15("lm15.transports")},
        "dspy._vendor.lm15.transports": {"blocking": _lm15("dspy._vendor.lm15.transports")},
    }
)
