"""Each client of the table is reached as it says: asked twice, once or twice the provider is called.

A client that is not installed is skipped here; `make apart` runs those that cannot be beside others.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import cachesaver
from cachesaver.clients import CLIENTS, Reach
from cachesaver.rehearsal import Rehearsal

BODY = json.dumps(
    {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "How far do you reach?"}]}
).encode()
JSON = {"Content-Type": "application/json"}


def module(name: str) -> Any:
    return importlib.import_module(name)


# --- each client, as its users drive it: functions of a URL


def by_httpx(url: str) -> bytes:
    return bytes(module("httpx").post(url, content=BODY, headers=JSON).content)


def by_httpx2(url: str) -> bytes:
    return bytes(module("httpx2").post(url, content=BODY, headers=JSON).content)


def by_httpcore(url: str) -> bytes:
    response = module("httpcore").request("POST", url, content=BODY, headers=list(JSON.items()))
    return bytes(response.content)


def by_httpcore2(url: str) -> bytes:
    response = module("httpcore2").request("POST", url, content=BODY, headers=list(JSON.items()))
    return bytes(response.content)


async def by_aiohttp(url: str) -> bytes:
    async with (
        module("aiohttp").ClientSession() as session,
        session.post(url, data=BODY, headers=JSON) as response,
    ):
        return bytes(await response.read())


def by_urllib3(url: str) -> bytes:
    with module("urllib3").PoolManager() as manager:
        return bytes(manager.request("POST", url, body=BODY, headers=JSON).data)


def by_urllib3_future(url: str) -> bytes:
    with module("urllib3_future").PoolManager() as manager:
        return bytes(manager.request("POST", url, body=BODY, headers=JSON).data)


def by_lm15(url: str) -> bytes:
    lib = module("lm15.transports")
    request = lib.TransportRequest(method="POST", url=url, headers=[*JSON.items()], body=BODY)
    with lib.StdlibTransport() as transport, transport.stream(request) as response:
        return bytes(response.read())


def by_http_client(url: str) -> bytes:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = module("http.client").HTTPConnection(host)
    connection.request("POST", "/" + path, BODY, JSON)
    found: bytes = connection.getresponse().read()
    connection.close()
    return found


def by_urllib_request(url: str) -> bytes:
    urllib = module("urllib.request")
    with urllib.urlopen(urllib.Request(url, BODY, JSON)) as response:
        return bytes(response.read())


def by_requests(url: str) -> bytes:
    return bytes(module("requests").post(url, data=BODY, headers=JSON, timeout=9).content)


def by_requests_futures(url: str) -> bytes:
    with module("requests_futures.sessions").FuturesSession() as session:
        return bytes(session.post(url, data=BODY, headers=JSON).result().content)


def by_niquests(url: str) -> bytes:
    return bytes(module("niquests").post(url, data=BODY, headers=JSON).content)


async def by_httpx_aiohttp(url: str) -> bytes:
    async with module("httpx_aiohttp").HttpxAiohttpClient() as client:
        return bytes((await client.post(url, content=BODY, headers=JSON)).content)


async def by_tornado(url: str) -> bytes:
    client = module("tornado.httpclient").AsyncHTTPClient(force_instance=True)
    response = await client.fetch(url, method="POST", body=BODY, headers=JSON)
    client.close()
    return bytes(response.body)


async def by_aiosonic(url: str) -> bytes:
    async with module("aiosonic").HTTPClient() as client:
        response = await client.post(url, data=BODY, headers=JSON)
        return bytes(await response.content())


def by_curl_cffi(url: str) -> bytes:
    return bytes(module("curl_cffi.requests").post(url, data=BODY, headers=JSON).content)


def by_pycurl(url: str) -> bytes:
    curl, found = module("pycurl").Curl(), bytearray()
    curl.setopt(curl.URL, url)
    curl.setopt(curl.POSTFIELDS, BODY.decode())
    curl.setopt(curl.HTTPHEADER, ["Content-Type: application/json"])
    curl.setopt(curl.WRITEFUNCTION, found.extend)
    curl.perform()
    curl.close()
    return bytes(found)


def by_primp(url: str) -> bytes:
    return bytes(module("primp").Client().post(url, content=BODY, headers=JSON).content)


def by_rnet(url: str) -> bytes:
    return bytes(module("rnet").BlockingClient().post(url, body=BODY, headers=JSON).bytes())


def by_impit(url: str) -> bytes:
    return bytes(module("impit").Client().post(url, content=BODY, headers=JSON).content)


def by_httpr(url: str) -> bytes:
    return bytes(module("httpr").post(url, content=BODY, headers=JSON).content)


def by_pyreqwest(url: str) -> bytes:
    one = module("pyreqwest.simple.sync_request").pyreqwest_post(url)
    return bytes(one.headers(JSON).body_bytes(BODY).send().bytes())


WAYS: dict[str, Callable[[str], Any]] = {
    "httpx": by_httpx,
    "httpx2": by_httpx2,
    "httpcore": by_httpcore,
    "httpcore2": by_httpcore2,
    "aiohttp": by_aiohttp,
    "urllib3": by_urllib3,
    "urllib3_future": by_urllib3_future,
    "lm15.transports": by_lm15,
    "http.client": by_http_client,
    "urllib.request": by_urllib_request,
    "requests": by_requests,
    "requests_futures": by_requests_futures,
    "niquests": by_niquests,
    "httpx_aiohttp": by_httpx_aiohttp,
    "tornado.httpclient": by_tornado,
    "aiosonic": by_aiosonic,
    "curl_cffi": by_curl_cffi,
    "pycurl": by_pycurl,
    "primp": by_primp,
    "rnet": by_rnet,
    "impit": by_impit,
    "httpr": by_httpr,
    "pyreqwest": by_pyreqwest,
}
ELSEWHERE = {
    "botocore": "tests/clients/test_boto3.py",
    "aiobotocore": "tests/clients/test_aiobotocore.py",
    "litellm": "tests/support/matrix/sdks/litellm.py",
    "dspy._vendor.lm15.transports": "tests/frameworks/dspy",
    "grpc": "speaks no HTTP that a program writes",
    "h2": "is no client",
    "treq": "has a reactor, which runs once in a process",
}


@pytest.fixture(scope="module")
def provider() -> Generator[Rehearsal]:
    with Rehearsal(seed=0) as provider:
        yield provider


def test_every_client_of_the_table_is_tried() -> None:
    named = {name for client in CLIENTS for name in client.imports}

    assert named == WAYS.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("name", WAYS)
def test_a_client_is_reached_as_the_table_says(
    name: str, provider: Rehearsal, tmp_path: Path
) -> None:
    """Given a question asked twice in two namespaces, then what is reached is bought once."""
    pytest.importorskip(name)
    (client,) = (client for client in CLIENTS if name in client.imports)
    ask, url = WAYS[name], f"{provider.url}/v1/chat/completions"
    before = provider.calls().calls

    def asked(namespace: str) -> bytes:
        with cachesaver.install(namespace, store=str(tmp_path / "pool"), strict=True, quiet=True):
            found = ask(url)
            told: bytes = asyncio.run(found) if asyncio.iscoroutine(found) else found
            return told

    first, second = asked("a"), asked("b")

    is_reached = client.reach is not Reach.GATEWAY
    assert b"choices" in first
    assert provider.calls().calls - before == (1 if is_reached else 2)
    assert (first == second) == is_reached
