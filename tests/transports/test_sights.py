"""One call of clients that stand on each other is seen once, and what is let through stays so."""

from __future__ import annotations

import asyncio
import http.client
import io
import threading
import urllib.request
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2
import pytest
import requests
import urllib3

from cachesaver.exchange import Response
from cachesaver.ports import Gate
from cachesaver.transports import http_client as http_client_adapter
from cachesaver.transports import httpcore as httpcore_adapter
from cachesaver.transports import httpx as httpx_adapter
from cachesaver.transports import urllib3 as urllib3_adapter
from cachesaver.transports.sights import is_let_through, is_unseen, let_through
from cachesaver.transports.testing import (
    FakeGate,
    HitGate,
    LoopbackServer,
    RefusingGate,
    TeeGate,
)

KEPT = Response(status=200, chunks=(b"kept",))
HOOKS: Any = (
    (httpx_adapter, httpx),
    (httpx_adapter, httpx2),
    (httpcore_adapter, httpcore),
    (httpcore_adapter, httpcore2),
    (urllib3_adapter, urllib3),
    (http_client_adapter, http.client),
)


@contextmanager
def hooked(gate: Gate) -> Generator[None]:
    """Hook all clients, from top to bottom."""
    with ExitStack() as undoings:
        for adapter, module in HOOKS:
            undoings.callback(adapter.hook(module, gate))
        yield


def url(text: str = "http://a.test/v1/x") -> Callable[[], str]:
    return lambda: text


@pytest.mark.parametrize(
    "other",
    [
        "http://a.test/v1/x",
        "http://A.test:80/v1/x?q=1",
        "http://a.test./v1/%78",
        "HTTP://a.test/v1/x",
    ],
)
def test_a_call_is_told_by_its_method_and_url(other: str) -> None:
    with let_through("post", "http://a.test/v1/x"):
        assert is_let_through("POST", url(other))

    assert not is_let_through("POST", url(other))


@pytest.mark.parametrize(
    ("method", "other"),
    [
        ("GET", "http://a.test/v1/x"),
        ("POST", "http://b.test/v1/x"),
        ("POST", "http://a.test:81/v1/x"),
        ("POST", "https://a.test/v1/x"),
        ("POST", "http://a.test/v1/y"),
        ("POST", "http://a.test:what/v1/x"),
    ],
)
def test_another_call_is_another(method: str, other: str) -> None:
    with let_through("POST", "http://a.test/v1/x"):
        assert not is_let_through(method, url(other))


def test_nobody_asks_for_a_url_where_nothing_is_let_through() -> None:
    def unasked() -> str:
        raise AssertionError

    assert not is_let_through("POST", unasked)


def test_what_was_let_through_before_still_is() -> None:
    with let_through("POST", "http://a.test/1"):
        with let_through("POST", "http://a.test/2"):
            assert is_let_through("POST", url("http://a.test/1"))
        assert not is_let_through("POST", url("http://a.test/2"))


def test_a_coroutine_that_is_closed_from_elsewhere_ends_quietly() -> None:
    async def call() -> None:
        with let_through("POST", "http://a.test/v1/x"):
            await asyncio.sleep(10)

    async def main() -> None:
        coroutine = call()
        await asyncio.create_task(_begun(coroutine))
        coroutine.close()

    asyncio.run(main())


async def _begun(coroutine: Any) -> None:
    coroutine.send(None)


# --- clients on clients


def by_httpx(target: str, body: Any) -> bytes:
    return httpx.post(target, content=body).content


def by_async_httpx(target: str, body: Any) -> bytes:
    async def ask() -> bytes:
        content = _async(body) if isinstance(body, io.IOBase) else body
        async with httpx.AsyncClient() as client:
            return (await client.post(target, content=content)).content

    return asyncio.run(ask())


def by_httpx2(target: str, body: Any) -> bytes:
    return httpx2.post(target, content=body).content


def by_requests(target: str, body: Any) -> bytes:
    return requests.post(target, data=body, timeout=9).content


def by_urllib3(target: str, body: Any) -> bytes:
    return urllib3.request("POST", target, body=body).data


def by_urllib(target: str, body: Any) -> bytes:
    request = urllib.request.Request(target, data=body, method="POST")  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as response:  # noqa: S310 - as above
        found: bytes = response.read()
        return found


def by_httpcore(target: str, body: Any) -> bytes:
    return httpcore.request("POST", target, content=body).content


def by_async_httpcore(target: str, body: Any) -> bytes:
    async def ask() -> bytes:
        async with httpcore.AsyncConnectionPool() as pool:
            return (await pool.request("POST", target, content=body)).content

    return asyncio.run(ask())


class Ignoring(RefusingGate):
    """Ignores all; would say so if it were asked more."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def ignores(self, path: str, /) -> bool:
        self.paths.append(path)
        return True


@pytest.mark.parametrize(
    ("ask", "depth"),
    [
        (by_httpx, 2),
        (by_async_httpx, 2),
        (by_httpx2, 2),
        (by_requests, 2),
        (by_urllib3, 2),
        (by_urllib, 1),
        (by_httpcore, 1),
        (by_async_httpcore, 1),
    ],
)
def test_a_gate_that_ignores_a_path_is_asked_no_more(
    ask: Callable[[str, Any], bytes], depth: int
) -> None:
    """Given a path that is ignored, then each hook on the way asks that, and nothing else."""
    gate = Ignoring()
    with LoopbackServer() as server, hooked(gate):
        assert ask(server.url + "/v1/x", b"body") == b"body"

    assert (gate.paths, gate.looked) == (["/v1/x"] * depth, [])


class Pipe(io.RawIOBase):
    """Cannot be rewound, and does not tell its length."""

    def __init__(self) -> None:
        super().__init__()
        self._content = io.BytesIO(b"piped")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(buffer)


class _Unmeasured:
    """An async file that does not tell its length."""

    def __init__(self, file: Any) -> None:
        self._file = file

    async def aread(self, size: int) -> bytes:
        return bytes(self._file.read(size))

    async def __aiter__(self) -> Any:
        raise AssertionError
        yield b""


def _async(file: Any) -> Any:
    return _Unmeasured(file)


CLIENTS = (by_httpx, by_async_httpx, by_httpx2, by_requests, by_urllib3, by_urllib, by_httpcore)


@pytest.mark.parametrize("ask", CLIENTS)
def test_one_call_is_seen_once(ask: Callable[[str, Any], bytes]) -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert ask(server.url + "/v1/x", b"body") == b"body"

        assert (len(gate.asked), len(server.received)) == (1, 1)


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_hit_connects_to_nobody(ask: Callable[[str, Any], bytes]) -> None:
    with LoopbackServer() as server, hooked(HitGate(KEPT)):
        assert ask(server.url + "/v1/x", b"body") == b"kept"

        assert server.connections == 0


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_body_that_cannot_be_read_is_reported_once_and_sent_once(
    ask: Callable[[str, Any], bytes],
) -> None:
    """Given a pipe, then the hook at the top lets it through, and those beneath do not read it."""
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert ask(server.url + "/v1/x", io.BufferedReader(Pipe())) == b"piped"

        assert [received.body for received in server.received] == [b"piped"]
    assert (gate.asked, len(gate.passes)) == ([], 1)


@pytest.mark.parametrize("lib", [httpx, httpx2])
def test_an_explicit_transport_is_asked_and_nobody_else(lib: Any) -> None:
    own, everybodys = TeeGate(), TeeGate()
    with (
        LoopbackServer() as server,
        hooked(everybodys),
        lib.Client(transport=httpx_adapter.transport(lib, own)) as client,
    ):
        assert client.post(server.url + "/v1/x", content=b"body").content == b"body"

    assert (len(own.asked), everybodys.asked) == (1, [])


class Picky(FakeGate):
    def wants(self, method: str, host: str, path: str) -> bool:
        return False


def test_what_an_explicit_transport_does_not_want_nobody_gets() -> None:
    everybodys = TeeGate()
    with (
        LoopbackServer() as server,
        hooked(everybodys),
        httpx.Client(transport=httpx_adapter.transport(httpx, Picky())) as client,
    ):
        assert client.post(server.url + "/v1/x", content=b"body").content == b"body"

    assert everybodys.asked == []


def test_a_call_that_an_application_makes_for_one_that_is_mocked_is_seen() -> None:
    """Given an application behind a mock transport that asks a provider, then that call is seen."""
    gate = TeeGate()

    def application(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=by_urllib(provider, request.read()))

    with LoopbackServer() as server, hooked(gate):
        provider = server.url + "/v1/x"
        with httpx.Client(transport=httpx.MockTransport(application)) as client:
            assert client.post("http://app.test/v1/x", content=b"body").content == b"body"

    assert [asked.url for asked in gate.asked] == [provider]


def test_calls_of_threads_are_seen_whatever_is_let_through_here() -> None:
    gate = HitGate(KEPT)
    answers: list[bytes] = []
    with hooked(gate), let_through("POST", "http://127.0.0.1:9/v1/x"):
        thread = threading.Thread(
            target=lambda: answers.append(by_urllib("http://127.0.0.1:9/v1/x", b"{}"))
        )
        thread.start()
        thread.join()

    assert answers == [b"kept"]


def test_a_gate_is_asked_about_heads_only_where_it_says_so() -> None:
    class Counting(FakeGate):
        @property
        def heads(self) -> bool:
            return True

    methods = ("GET", "head", "CONNECT", "trace")
    assert [is_unseen(each, FakeGate()) for each in methods] == [False, True, True, True]
    assert [is_unseen(each, Counting()) for each in methods] == [False, False, True, True]
