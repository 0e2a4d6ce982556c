"""Mocks of httpcore keep it, tracers see what they saw, and what is no plain exchange passes."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any, cast
from unittest import mock

import httpcore
import httpcore2
import httpx
import mocket  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import mocket.mocks.mockhttp  # type: ignore[import-untyped] # as above
import pytest
import respx
import wrapt

from cachesaver.exchange import Response
from cachesaver.transports import httpcore as adapter
from cachesaver.transports.testing import (
    FakeGate,
    HitGate,
    LoopbackServer,
    RefusingGate,
    TeeGate,
)

URL = "http://provider.test/v1/x"
KEPT = Response(status=200, chunks=(b"kept",))
LIBS = pytest.mark.parametrize("lib", [httpcore, httpcore2])


@contextmanager
def hooked(gate: FakeGate, lib: Any = httpcore) -> Generator[None]:
    unhook = adapter.hook(lib, gate)
    try:
        yield
    finally:
        unhook()


def asked(url: str = URL, pool: Any = None, **options: Any) -> bytes:
    with pool or httpcore.ConnectionPool() as opened:
        response = opened.request("POST", url, content=options.pop("content", b"{}"), **options)
        return bytes(response.content)


def asked_async(url: str = URL, pool: Any = None, **options: Any) -> bytes:
    async def ask() -> bytes:
        async with pool or httpcore.AsyncConnectionPool() as opened:
            content = options.pop("content", b"{}")
            response = await opened.request("POST", url, content=content, **options)
            return bytes(response.content)

    return asyncio.run(ask())


ASKS = pytest.mark.parametrize("ask", [asked, asked_async])


# --- mocks


def _respx() -> AbstractContextManager[object]:
    router = respx.mock(assert_all_called=False)
    router.post(URL).mock(return_value=httpx.Response(200, content=b"mocked"))
    return router


def _mocket() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.enter_context(mocket.Mocketizer(strict_mode=True))
    for _ in range(2):
        cast("Any", mocket).mocks.mockhttp.Entry.single_register("POST", URL, body="mocked")
    return stack


@contextmanager
def _mock() -> Generator[None]:
    made = httpcore.Response(200, content=b"mocked")
    with (
        mock.patch.object(httpcore.ConnectionPool, "handle_request", return_value=made),
        mock.patch.object(httpcore.AsyncConnectionPool, "handle_async_request", return_value=made),
    ):
        yield


MOCKS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "respx": _respx,
    "mocket": _mocket,
    "a Mock": _mock,
}


@ASKS
@pytest.mark.parametrize("name", MOCKS)
@pytest.mark.parametrize("first", ["mock", "hook"])
def test_a_mock_answers(name: str, first: str, ask: Callable[[], bytes]) -> None:
    gate = HitGate(KEPT)
    blocks = [MOCKS[name](), hooked(gate)] if first == "mock" else [hooked(gate), MOCKS[name]()]

    with blocks[0], blocks[1]:
        assert ask() == b"mocked"

    assert not gate.asked


@LIBS
def test_the_librarys_own_mock_answers(lib: Any) -> None:
    wire = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 6\r\n", b"\r\n", b"mocked"]
    gate = HitGate(KEPT)
    with hooked(gate, lib):
        pool = lib.ConnectionPool(network_backend=lib.MockBackend(wire))
        apool = lib.AsyncConnectionPool(network_backend=lib.AsyncMockBackend(wire))
        assert asked(pool=pool) == asked_async(pool=apool) == b"mocked"

    assert not gate.asked


@ASKS
def test_without_mocks_among_its_names_as_before_1_0_it_is_answered(
    ask: Callable[..., bytes],
) -> None:
    older = ModuleType(httpcore.__name__)
    vars(older).update({name: each for name, each in vars(httpcore).items() if "Mock" not in name})
    gate = HitGate(KEPT)

    with hooked(gate, older):
        assert ask() == b"kept"

    assert len(gate.asked) == 1


@ASKS
def test_a_gate_that_wants_to_be_asked_before_mocks_is_asked(ask: Callable[[], bytes]) -> None:
    with _respx():
        with hooked(HitGate(KEPT, through_mocks=True)):
            hit = ask()
        with hooked(FakeGate(through_mocks=True)):
            miss = ask()

    assert (hit, miss) == (b"kept", b"mocked")


def test_a_tracer_sees_what_it_saw() -> None:
    seen: list[str] = []

    def traced(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(type(instance).__name__)
        return wrapped(*args, **kwargs)

    original = httpcore.ConnectionPool.handle_request
    gate = TeeGate()
    with LoopbackServer() as server:
        wrapt.wrap_function_wrapper(httpcore, "ConnectionPool.handle_request", traced)
        try:
            with hooked(gate):
                assert asked(server.url + "/v1/x") == b"{}"
        finally:
            cast("Any", httpcore.ConnectionPool).handle_request = original

    assert (seen, len(gate.asked)) == (["ConnectionPool"], 1)


def test_somebodys_own_pool_is_no_mock() -> None:
    class Pool(httpcore.ConnectionPool):
        def handle_request(self, request: httpcore.Request) -> httpcore.Response:
            return super().handle_request(request)

    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert asked(server.url + "/v1/x", pool=Pool()) == b"{}"

    assert len(gate.asked) == 1


@LIBS
def test_what_is_taken_apart_half_way_is_whole_again(lib: Any, monkeypatch: Any) -> None:
    """Given a library without the second of our places, then the first is as it was."""
    before = lib.ConnectionPool.handle_request
    monkeypatch.delattr(lib, "AsyncConnectionPool")

    with pytest.raises(AttributeError):
        adapter.hook(lib, FakeGate())

    assert lib.ConnectionPool.handle_request is before


# --- what goes where


def test_what_goes_through_a_proxy_is_seen_as_what_it_is() -> None:
    gate = TeeGate()
    with LoopbackServer() as proxy, hooked(gate):
        answer = asked("http://A.test:81/v1/x?y=1", pool=httpcore.HTTPProxy(proxy.url))

        assert proxy.received[0].target == "http://a.test:81/v1/x?y=1"
    assert answer == b"{}"
    assert gate.looked[0] == ("POST", "a.test", "/v1/x?y=1")
    assert gate.asked[0].url == "http://a.test:81/v1/x?y=1"


@ASKS
def test_a_target_of_its_own_is_where_it_goes(ask: Callable[..., bytes]) -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert ask(server.url, extensions={"target": b"/v1/y"}) == b"{}"

        assert server.received[0].target == "/v1/y"
    assert gate.asked[0].url == server.url + "/v1/y"


@ASKS
def test_a_target_that_tells_the_whole_url_is_asked_for_by_its_path(
    ask: Callable[..., bytes],
) -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        target = server.url + "/v1/y?z=1"
        assert ask(server.url, extensions={"target": target.encode()}) == b"{}"

        assert server.received[0].target == target
    assert gate.looked[0][2] == "/v1/y?z=1"
    assert gate.asked[0].url == target


@ASKS
def test_a_switch_of_protocols_is_left_alone(ask: Callable[..., bytes]) -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert ask(server.url + "/v1/x", headers=[("Upgrade", "websocket")]) == b"{}"

    assert (len(gate.looked), gate.asked) == (1, [])


@LIBS
def test_what_is_no_call_fails_as_it_does_live(lib: Any) -> None:
    def raised(ask: Callable[..., bytes], pool: Any, url: str, content: Any) -> type[BaseException]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises
            ask(url, pool=pool, content=content)
        return type(caught.value)

    def failures() -> list[type[BaseException]]:
        blocking, later = lib.ConnectionPool, lib.AsyncConnectionPool
        return [
            raised(asked, blocking(), "ftp://a.test/", b""),
            raised(asked_async, later(), "ftp://a.test/", b""),
            raised(asked, blocking(), server.url, _parts(1)),
            raised(asked_async, later(), server.url, iter([b"one"])),
        ]

    with LoopbackServer() as server:
        live = failures()
        with hooked(TeeGate(), lib):
            assert failures() == live


async def _parts(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"part"


def test_a_large_body_passes_and_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    from cachesaver.transports import bodies, httpcore_messages

    monkeypatch.setattr(bodies, "LARGEST_BODY", 10)
    monkeypatch.setattr(httpcore_messages, "LARGEST_BODY", 10)
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        url = server.url + "/v1/x"
        assert asked(url, content=iter([b"part"] * 5)) == b"part" * 5
        assert asked_async(url, content=_parts(5)) == b"part" * 5

    assert gate.asked == []
    assert [reason for _, reason in gate.passes] == ["its body is too large to be read first"] * 2


class Endless:
    """An async file of unknown length."""

    def read(self) -> bytes:
        raise AssertionError

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"piped"


def test_an_async_file_of_unknown_length_is_not_waited_for() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        assert asked_async(server.url + "/v1/x", content=Endless()) == b"piped"

    assert [reason for _, reason in gate.passes] == ["its body is a file of unknown length"]


def test_what_an_answer_tells_of_its_connection() -> None:
    def told() -> dict[str, object]:
        with httpcore.ConnectionPool() as pool, pool.stream("POST", url, content=b"{}") as response:
            response.read()
            shown = dict(cast("Any", response).extensions)
            shown.pop("network_stream").get_extra_info("server_addr")
            return shown

    with LoopbackServer() as server:
        url = server.url + "/v1/x"
        live = told()
        with hooked(TeeGate()):
            missed = told()
        with hooked(HitGate(Response(status=200, reason="OK"))):
            kept = told()

    assert live == missed == kept


@LIBS
def test_what_is_hooked_looks_as_it_did(lib: Any) -> None:
    with hooked(RefusingGate(), lib):
        assert lib.ConnectionPool.handle_request.__name__ == "handle_request"
        assert inspect.iscoroutinefunction(lib.AsyncConnectionPool.handle_async_request)


def test_layers_of_mocks_and_tracers_are_looked_through() -> None:
    """Given our layer on a pool, then httpx's hook takes neither it nor a wrapper for a mock."""
    from cachesaver.transports.patches import is_mock

    with hooked(FakeGate()):
        ours = httpcore.ConnectionPool.handle_request

        @functools.wraps(ours)
        def top(*args: Any) -> Any:
            return ours(*args)

        assert not is_mock(ours, frozenset({"httpcore"}))
        assert not is_mock(top, frozenset({"httpcore"}))
