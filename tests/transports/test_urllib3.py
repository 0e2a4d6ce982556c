"""Bare urllib3, by the contract, and who of its users is hooked."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import pytest
import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from cachesaver.exchange import Headers, Response
from cachesaver.ports import Gate, Transport
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import (
    PATIENCE,
    Answer,
    Body,
    Caller,
    FakeGate,
    HitGate,
    LoopbackServer,
    TeeGate,
    TransportContract,
)

KEPT = Response(status=200, chunks=(b"kept",))
EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
SSE = (("Content-Type", "text/event-stream"),)


@contextmanager
def hooked(gate: Gate) -> Generator[None]:
    unhook = adapter.hook(urllib3, gate)
    try:
        yield
    finally:
        unhook()


def free(pool: HTTPConnectionPool) -> int:
    """Return how many of its slots *pool* has free, with a connection in them or without."""
    assert pool.pool is not None
    return pool.pool.qsize()


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


# --- who is hooked


def test_a_pool_that_opens_in_its_own_way_and_then_as_usual_is_seen_once() -> None:
    class Pool(HTTPConnectionPool):
        def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            return super().urlopen(method, url, *args, **kwargs)

    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate), Pool(server.host, server.port) as pool:
        assert pool.request("POST", "/v1/x", body=b"body").data == b"body"

    assert len(gate.asked) == 1


def test_what_goes_through_a_proxy_is_seen_as_what_it_is() -> None:
    gate = TeeGate()
    with LoopbackServer() as proxy, hooked(gate):
        manager = urllib3.ProxyManager(proxy.url, proxy_headers={"Proxy-Authorization": "secret"})
        answer = manager.request("POST", "http://a.test:81/v1/x?y=1", body=b"body").data
        manager.clear()

        (received,) = proxy.received
    assert (answer, received.target) == (b"body", "http://a.test:81/v1/x?y=1")
    assert received.header("proxy-authorization") == "secret"
    assert gate.looked[0] == ("POST", "a.test", "/v1/x")
    assert (gate.asked[0].url, gate.asked[0].header("proxy-authorization")) == (
        "http://a.test:81/v1/x?y=1",
        None,
    )


def test_a_hit_needs_no_proxy() -> None:
    with hooked(HitGate(KEPT)):
        manager = urllib3.ProxyManager("http://127.0.0.1:9")
        answers = [manager.request("POST", f"{s}://a.test/v1/x").data for s in ("http", "https")]

    assert answers == [b"kept"] * 2


def test_a_switch_of_protocols_is_left_alone() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        url = server.url + "/v1/x"
        urllib3.request("POST", url, headers={"Upgrade": "websocket"}, body=b"{}")

    assert (len(gate.looked), gate.asked) == (1, [])


@pytest.fixture
def vendored() -> Iterator[Any]:
    """A second copy of urllib3, under the name that a package which brings its own gives it."""
    home = list(urllib3.__path__)
    spec = spec_from_file_location(
        "vendored_urllib3", urllib3.__file__, submodule_search_locations=home
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = copy = module_from_spec(spec)
    try:
        spec.loader.exec_module(copy)
        yield copy
    finally:
        for name in [name for name in sys.modules if name.startswith(spec.name)]:
            del sys.modules[name]


def test_copies_of_urllib3_in_other_packages_are_not_touched(vendored: Any) -> None:
    before = vendored.HTTPConnectionPool.urlopen

    with hooked(FakeGate()):
        assert vendored.HTTPConnectionPool is not HTTPConnectionPool
        assert vendored.HTTPConnectionPool.urlopen is before


def test_two_gates_are_asked_one_after_the_other() -> None:
    below, above = TeeGate(), TeeGate()
    with LoopbackServer() as server, hooked(below), hooked(above):
        answer = urllib3.request("POST", server.url + "/v1/x", body=b"body").data

    assert (answer, len(above.asked), len(below.asked)) == (b"body", 1, 1)


def test_what_is_hooked_looks_as_it_did() -> None:
    with hooked(FakeGate()):
        assert HTTPConnectionPool.urlopen.__name__ == "urlopen"
        assert "pool_timeout" in (HTTPConnectionPool.urlopen.__doc__ or "")
