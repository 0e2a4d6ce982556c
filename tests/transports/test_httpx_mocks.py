"""Whoever owns the network below httpx keeps it; who only watches does not own it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from unittest import mock

import httpx
import httpx2
import pytest
import respx
import vcr  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock
from starlette.applications import Starlette
from starlette.requests import Request as AppRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cachesaver.exchange import Response
from cachesaver.transports import httpx as adapter
from cachesaver.transports.testing import HitGate, LoopbackServer

URL = "http://provider.test/v1/x"
KEPT = Response(status=200, chunks=(b"kept",))


async def _app(request: AppRequest) -> PlainTextResponse:
    return PlainTextResponse("mocked")


APP = Starlette(routes=[Route("/v1/x", _app, methods=["POST"])])


def _wsgi(environ: Any, start: Any) -> list[bytes]:
    start("200 OK", [("content-type", "text/plain")])
    return [b"mocked"]


def _mocked(lib: Any) -> Any:
    def handle(request: Any) -> Any:
        return lib.Response(200, content=b"mocked")

    return lib.MockTransport(handle)


@pytest.fixture(params=[httpx, httpx2])
def lib(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def gate() -> HitGate:
    return HitGate(KEPT)


@pytest.fixture(autouse=True)
def _hooked(gate: HitGate) -> Iterator[None]:
    undo = [adapter.hook(httpx, gate), adapter.hook(httpx2, gate)]
    yield
    for unhook in undo:
        unhook()


def ask(lib: Any, url: str = URL, **options: Any) -> bytes:
    with lib.Client(**options) as client:
        content: bytes = client.post(url, content=b"{}").content
    return content


def aask(lib: Any, url: str = URL, **options: Any) -> bytes:
    async def run() -> bytes:
        async with lib.AsyncClient(**options) as client:
            content: bytes = (await client.post(url, content=b"{}")).content
        return content

    return asyncio.run(run())


def test_nothing_is_mocked(lib: Any, gate: HitGate) -> None:
    assert (ask(lib), aask(lib), len(gate.asked)) == (b"kept", b"kept", 2)


def test_a_mock_that_comes_and_goes_is_seen_each_time(
    lib: Any, gate: HitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(*_: object) -> Any:
        return lib.Response(200, content=b"mocked")

    before = ask(lib)
    with monkeypatch.context() as patched:
        patched.setattr(lib.HTTPTransport, "handle_request", handle)
        during = ask(lib)

    assert (before, during, ask(lib), len(gate.asked)) == (b"kept", b"mocked", b"kept", 2)


def test_a_mock_that_is_gone_is_held_by_nobody(lib: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def mocked(recorded: set[object], *, by_default: bool) -> Any:
        def handle(*_: object, kept: object = recorded if by_default else None) -> Any:
            return lib.Response(200, content=b"mocked")

        def closed(*_: object) -> Any:
            recorded.add("a call")
            return lib.Response(200, content=b"mocked")

        return handle if by_default else closed

    class Recorded(set[object]): ...

    left = list[weakref.ref[Recorded]]()
    for by_default in (False, True):
        recorded = Recorded()
        left.append(weakref.ref(recorded))
        with monkeypatch.context() as patched:
            handle = mocked(recorded, by_default=by_default)
            patched.setattr(lib.HTTPTransport, "handle_request", handle)
            assert ask(lib) == b"mocked"
        del recorded, handle, patched
    gc.collect()

    assert [each() for each in left] == [None, None]


def test_somebodys_own_transport_that_is_gone_is_held_by_nobody(lib: Any) -> None:
    class Own(lib.BaseTransport):  # type: ignore[misc]  # of whichever it is
        def handle_request(self, request: Any) -> Any:
            raise NotImplementedError

    assert ask(lib, transport=Own()) == b"kept"
    left = weakref.ref(Own)
    del Own
    gc.collect()

    assert left() is None


def test_one_function_is_a_mock_by_where_it_was_put(
    lib: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a transport of one's own, then it may do as it likes, but what it inherits may not."""
    own: Any = type("Own", (lib.HTTPTransport,), {})
    answers = list[bytes]()
    for owner in (own, lib.HTTPTransport):
        with monkeypatch.context() as patched:
            patched.setattr(owner, "handle_request", _plain_mock(lib), raising=False)
            answers.append(ask(lib, transport=own()))

    assert answers == [b"kept", b"mocked"]


def _plain_mock(lib: Any) -> Any:
    return _mock_of_httpx if lib is httpx else _mock_of_httpx2


def _mock_of_httpx(*_: object) -> httpx.Response:
    return httpx.Response(200, content=b"mocked")


def _mock_of_httpx2(*_: object) -> httpx2.Response:
    return httpx2.Response(200, content=b"mocked")


def test_a_transport_need_not_be_of_a_class_that_can_be_a_key(lib: Any) -> None:
    class Equal(type):
        def __eq__(cls, other: object) -> bool:
            return cls is other

        __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # so it is

    own: Any = Equal("Own", (lib.BaseTransport,), {"handle_request": _plain_mock(lib)})

    assert ask(lib, transport=own()) == b"kept"


def test_the_clients_own_mock_transports_answer(lib: Any, gate: HitGate) -> None:
    answers = [
        ask(lib, transport=_mocked(lib)),
        aask(lib, transport=_mocked(lib)),
        ask(lib, transport=lib.WSGITransport(_wsgi)),
        aask(lib, transport=lib.ASGITransport(APP)),
        ask(lib, mounts={"http://provider.test": _mocked(lib)}),
    ]

    assert (answers, gate.asked) == ([b"mocked"] * 5, [])


def test_a_mock_transport_inside_anothers_transport_answers(lib: Any, gate: HitGate) -> None:
    def handle(self: Any, request: Any) -> Any:
        return self.inner.handle_request(request)

    retrying = type("Retrying", (lib.BaseTransport,), {"handle_request": handle})()
    retrying.inner = _mocked(lib)

    assert (ask(lib, transport=retrying), gate.asked) == (b"mocked", [])


def test_a_users_own_transport_is_no_mock(lib: Any, gate: HitGate) -> None:
    def handle(self: Any, request: Any) -> Any:
        raise AssertionError("a hit sends nothing")

    own = type("Own", (lib.BaseTransport,), {"handle_request": handle})()

    assert (ask(lib, transport=own), len(gate.asked)) == (b"kept", 1)


def test_through_mocks_goes_through(lib: Any) -> None:
    gate = HitGate(KEPT, through_mocks=True)
    undo = adapter.hook(lib, gate)
    try:
        assert ask(lib, transport=_mocked(lib)) == b"kept"
    finally:
        undo()


def test_respx_answers(gate: HitGate) -> None:
    with respx.mock:
        respx.post(URL).respond(content=b"mocked")
        mocked = [ask(httpx), aask(httpx)]

    assert (mocked, gate.asked) == ([b"mocked"] * 2, [])
    assert ask(httpx) == b"kept"


def test_respx_in_a_clients_transport_answers(gate: HitGate) -> None:
    router = respx.Router()
    router.post(URL).respond(content=b"mocked")

    assert ask(httpx, transport=httpx.MockTransport(router.handler)) == b"mocked"
    assert gate.asked == []


def test_pytest_httpx_answers(httpx_mock: HTTPXMock, gate: HitGate) -> None:
    httpx_mock.add_response(content=b"mocked", is_reusable=True)

    assert ([ask(httpx), aask(httpx)], gate.asked) == ([b"mocked"] * 2, [])
    assert ask(httpx2) == b"kept"


def test_vcrpy_answers(lib: Any, tmp_path: Path, gate: HitGate) -> None:
    """Given a cassette being played, then the cassette answers, though it wraps what it replaces."""
    path = str(tmp_path / "c.yaml")
    with LoopbackServer() as server:
        for mode in ("once", "none"):
            with cast("Any", vcr).use_cassette(path, record_mode=mode):
                answers = [ask(lib, server.url + "/v1/x"), aask(lib, server.url + "/v1/y")]

            assert (answers, gate.asked) == ([b"{}"] * 2, [])
        assert len(server.received) == 2


@pytest.mark.parametrize("how", [{"autospec": True}, {}])
def test_a_mock_object_answers(lib: Any, gate: HitGate, how: dict[str, Any]) -> None:
    with mock.patch.object(lib.HTTPTransport, "handle_request", **how) as handle:
        handle.return_value = lib.Response(200, content=b"mocked")

        assert (ask(lib), gate.asked) == (b"mocked", [])


def test_a_function_that_replaces_the_clients_answers(
    lib: Any, gate: HitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(transport: Any, request: Any) -> Any:
        return lib.Response(200, content=b"mocked")

    monkeypatch.setattr(lib.AsyncHTTPTransport, "handle_async_request", handle)

    assert (aask(lib), gate.asked) == (b"mocked", [])


def test_a_function_that_replaces_what_we_wrap_answers_by_itself(
    lib: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a mock in the very place of the hook, when we hook over it, then it still answers."""

    def send(client: Any, request: Any) -> Any:
        return lib.Response(200, content=b"mocked", request=request)

    monkeypatch.setattr(lib.Client, "_send_single_request", send)
    gate = HitGate(KEPT)
    undo = adapter.hook(lib, gate)
    try:
        assert (ask(lib), gate.asked) == (b"mocked", [])
    finally:
        undo()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


def test_a_tracer_is_no_mock(spans: InMemorySpanExporter, gate: HitGate) -> None:
    assert [ask(httpx), aask(httpx), len(gate.asked)] == [b"kept", b"kept", 2]


def test_a_tracer_over_a_mock_is_looked_through(
    httpx_mock: HTTPXMock, spans: InMemorySpanExporter, gate: HitGate
) -> None:
    httpx_mock.add_response(content=b"mocked")

    assert (ask(httpx), gate.asked) == (b"mocked", [])
    assert len(spans.get_finished_spans()) == 1


def test_a_tracer_over_our_hook_sees_the_call(gate: HitGate) -> None:
    """Given a tracer that wraps what we have hooked, then call and answer pass through it."""
    import wrapt

    seen: list[Any] = []

    def trace(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(args[0].url)
        return wrapped(*args, **kwargs)

    ours = vars(httpx.Client)["_send_single_request"]
    wrapt.wrap_function_wrapper(httpx.Client, "_send_single_request", trace)
    try:
        assert (ask(httpx), seen, len(gate.asked)) == (b"kept", [httpx.URL(URL)], 1)
    finally:
        setattr(httpx.Client, "_send_single_request", ours)  # noqa: B010 - typed as a method


def test_respx_below_an_explicit_transport_answers(gate: HitGate) -> None:
    with respx.mock:
        respx.post(URL).respond(content=b"mocked")

        assert ask(httpx, transport=adapter.transport(httpx, gate)) == b"mocked"
        assert aask(httpx, transport=adapter.async_transport(httpx, gate)) == b"mocked"
        assert gate.asked == []


def test_a_mock_given_to_an_explicit_transport_is_what_it_sends_through(gate: HitGate) -> None:
    def inner(request: httpx.Request) -> httpx.Response:
        raise AssertionError("a hit sends nothing")

    made = adapter.transport(httpx, gate, httpx.MockTransport(inner))

    assert (ask(httpx, transport=made), len(gate.asked)) == (b"kept", 1)
