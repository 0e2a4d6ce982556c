"""Whoever owns the network below urllib3 keeps it; who only watches does not own it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from unittest import mock

import mocket  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import mocket.mocks.mockhttp  # type: ignore[import-untyped] # as above
import pook  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import pytest
import requests
import requests_mock
import responses
import urllib3
import vcr  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import wrapt
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from cachesaver.exchange import Response
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import FakeGate, HitGate, LoopbackServer, TeeGate

URL = "http://provider.test/v1/x"
KEPT = Response(status=200, chunks=(b"kept",))


@contextmanager
def hooked(gate: FakeGate) -> Generator[None]:
    unhook = adapter.hook(urllib3, gate)
    try:
        yield
    finally:
        unhook()


def asked() -> bytes:
    return urllib3.request("POST", URL, body=b"{}", retries=False).data


def asked_by_requests() -> bytes:
    return requests.post(URL, data=b"{}", timeout=5).content


def _pook() -> AbstractContextManager[object]:
    engine = ExitStack()
    engine.enter_context(pook.use())
    cast("Any", pook).post(URL).times(2).reply(200).body("mocked")
    return engine


def _mocket() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.enter_context(mocket.Mocketizer(strict_mode=True))
    cast("Any", mocket).mocks.mockhttp.Entry.single_register("POST", URL, body="mocked")
    return stack


@contextmanager
def _responses() -> Generator[None]:
    with responses.RequestsMock() as network:
        network.post(URL, body=b"mocked")
        yield


@contextmanager
def _requests_mock() -> Generator[None]:
    with requests_mock.Mocker() as network:
        network.post(URL, content=b"mocked")
        yield


def _mocked_pool() -> AbstractContextManager[object]:
    def made(self: HTTPConnectionPool, *_: object, **__: object) -> object:
        return urllib3.HTTPResponse(body=b"mocked", status=200, preload_content=False)

    return mock.patch.object(HTTPConnectionPool, "_make_request", made)


def _mock_of_pool() -> AbstractContextManager[object]:
    made = urllib3.HTTPResponse(body=b"mocked", status=200, preload_content=False)
    return mock.patch.object(HTTPConnectionPool, "_make_request", return_value=made)


MOCKS: dict[str, tuple[Callable[[], AbstractContextManager[object]], Callable[[], bytes]]] = {
    "pook": (_pook, asked),
    "mocket": (_mocket, asked),
    "responses": (_responses, asked_by_requests),
    "requests-mock": (_requests_mock, asked_by_requests),
    "a function": (_mocked_pool, asked),
    "a Mock": (_mock_of_pool, asked),
}


@pytest.mark.parametrize("name", MOCKS)
def test_a_mock_put_there_later_answers(name: str) -> None:
    mocking, ask = MOCKS[name]
    gate = HitGate(KEPT)

    with hooked(gate), mocking():
        assert ask() == b"mocked"

    assert not gate.asked


@pytest.mark.parametrize("name", MOCKS)
def test_a_mock_that_was_there_answers(name: str) -> None:
    mocking, ask = MOCKS[name]
    gate = HitGate(KEPT)

    with mocking(), hooked(gate):
        assert ask() == b"mocked"

    assert not gate.asked


def test_a_cassette_of_vcrpy_answers(tmp_path: Path) -> None:
    gate = HitGate(KEPT)
    tape = str(tmp_path / "tape.yaml")
    with LoopbackServer() as server:
        url = server.url + "/v1/x"
        with cast("Any", vcr).use_cassette(tape):
            live = urllib3.request("POST", url, body=b"recorded").data

    with hooked(gate), cast("Any", vcr).use_cassette(tape, record_mode="none"):
        replayed = urllib3.request("POST", url, body=b"recorded").data

    assert (live, replayed, gate.asked) == (b"recorded", b"recorded", [])


@pytest.mark.parametrize("name", ["pook", "mocket", "a function", "a Mock"])
def test_a_gate_that_wants_to_be_asked_before_mocks_is_asked(name: str) -> None:
    mocking, ask = MOCKS[name]

    with mocking(), hooked(HitGate(KEPT, through_mocks=True)):
        hit = ask()
    with mocking(), hooked(FakeGate(through_mocks=True)):
        miss = ask()

    assert (hit, miss) == (b"kept", b"mocked")


def test_somebodys_own_pool_is_no_mock() -> None:
    class Connection(HTTPConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = cast("Any", Connection)

        def _get_conn(self, timeout: float | None = None) -> Any:
            return super()._get_conn(timeout)

        def _make_request(self, *args: Any, **kwargs: Any) -> Any:
            return super()._make_request(*args, **kwargs)

    with LoopbackServer() as server, Pool(server.host, server.port) as pool:
        pool._new_conn = pool._new_conn  # type: ignore[method-assign] # even one of its own
        gate = TeeGate()
        with hooked(gate):
            answer = pool.request("POST", "/v1/x", body=b"live").data

    assert (answer, len(gate.asked)) == (b"live", 1)


class Tracer:
    """Counts calls of `urlopen`, by the means of *put*, as tracers do."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def traced(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        self.seen.append((instance.scheme, kwargs.get("method") or args[0]))
        return wrapped(*args, **kwargs)

    @contextmanager
    def tracing(self) -> Generator[None]:
        original = vars(HTTPConnectionPool)["urlopen"]
        wrapt.wrap_function_wrapper(
            urllib3.connectionpool, "HTTPConnectionPool.urlopen", self.traced
        )
        try:
            yield
        finally:
            cast("Any", HTTPConnectionPool).urlopen = original


def test_a_tracer_that_was_there_sees_what_is_asked() -> None:
    """Given a tracer's proxy, when we come, then we lie beneath it, as if we had been first."""
    tracer, gate = Tracer(), TeeGate()
    with LoopbackServer() as server, tracer.tracing():
        with hooked(gate):
            live = urllib3.request("POST", server.url + "/v1/x", body=b"live").data
        with hooked(HitGate(KEPT)):
            kept = urllib3.request("POST", server.url + "/v1/x", body=b"live").data

    assert (live, kept, len(gate.asked)) == (b"live", b"kept", 1)
    assert tracer.seen == [("http", "POST")] * 2


def test_a_tracer_put_there_later_sees_what_is_asked() -> None:
    tracer, gate = Tracer(), HitGate(KEPT)
    with hooked(gate), tracer.tracing():
        kept = asked()

    assert (kept, len(gate.asked), tracer.seen) == (b"kept", 1, [("http", "POST")])
