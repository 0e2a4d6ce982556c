"""aiohttp's other features and other people's libraries, with the hook in place."""

# ruff: noqa: SIM117 - the session, and apart from it what is asked of it

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import aioresponses
import pytest
from aiohttp import test_utils, web

import cachesaver.transports.aiohttp as transport
from cachesaver.errors import CachesaverError
from cachesaver.exchange import AsyncReply, Request, Response
from cachesaver.ports import AsyncSend
from cachesaver.transports.testing import (
    FakeGate,
    HitGate,
    LoopbackServer,
    RaisingGate,
    RecordingGate,
    RefusingGate,
    Script,
    TeeGate,
)

URL = "http://api.example.test/v1/x"
HIT = Response(status=200, headers=(("Content-Type", "text/plain"),), chunks=(b"kept",))


@contextlib.contextmanager
def hooked(gate: FakeGate) -> Generator[None, None, None]:
    unhook = transport.hook(aiohttp, gate)
    try:
        yield
    finally:
        unhook()


def run(gate: FakeGate, main: Coroutine[Any, Any, Any]) -> None:
    with hooked(gate):
        asyncio.run(main)


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]],
) -> AsyncGenerator[test_utils.BaseTestServer, None]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    async with test_utils.TestServer(app) as server:
        yield server


# --- what passes


def test_a_gate_that_ignores_a_path_is_asked_no_more() -> None:
    class Ignoring(RefusingGate):
        def ignores(self, path: str, /) -> bool:
            return path == "/v1/x?q=%20"

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.post(server.url + "/v1/x?q=%20", data=b"body") as response:
                assert await response.read() == b"body"

    gate = Ignoring()
    with LoopbackServer() as server:
        run(gate, main())

    assert gate.looked == []


def test_a_websocket_passes_unharmed() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data + "!")
        return socket

    gate = FakeGate()

    async def main() -> None:
        async with serving(echo) as server, aiohttp.ClientSession() as session:
            async with session.ws_connect(server.make_url("/v1/realtime")) as socket:
                await socket.send_str("hello")
                assert await socket.receive_str() == "hello!"

    run(gate, main())

    assert (gate.asked, gate.passes) == ([], [])


async def in_pieces() -> AsyncIterator[bytes]:
    yield b"one "
    yield b"two"


PASSING: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "100-continue": (
        lambda: {"data": b"one two", "expect100": True},
        "it waits for 100-continue before it sends its body",
    ),
    "a generator": (
        lambda: {"data": in_pieces()},
        "its body (AsyncIterablePayload) can be read only once",
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_cannot_be_read_passes_unharmed_and_is_reported(name: str) -> None:
    options, reason = PASSING[name]
    gate = FakeGate()

    async def main() -> None:
        async with serving(echo) as server, aiohttp.ClientSession() as session:
            url = server.make_url("/v1/x?key=secret")
            async with session.post(url, **options()) as response:
                assert await response.read() == b"one two"
            assert gate.passes == [(f"POST {server.make_url('/v1/x')}", reason)]

    run(gate, main())

    assert gate.asked == []


async def echo(request: web.Request) -> web.StreamResponse:
    return web.Response(body=await request.read(), headers={"X-Path": request.path_qs})


@pytest.mark.parametrize("method", ["HEAD", "TRACE"])
def test_a_method_that_asks_nothing_is_not_even_looked_at(method: str) -> None:
    gate = FakeGate()

    async def main() -> None:
        async with serving(echo) as server, aiohttp.ClientSession() as session:
            async with session.request(method, server.make_url("/")) as response:
                assert response.status == 200

    run(gate, main())

    assert gate.looked == []


# --- ways to the provider


def test_a_miss_goes_through_the_callers_proxy() -> None:
    gate = RecordingGate()
    with LoopbackServer() as proxy:

        async def main() -> None:
            async with aiohttp.ClientSession() as session:
                headers = {"Proxy-Authorization": "Basic bWU6cGFzcw=="}
                async with session.post(
                    URL, data=b"{}", proxy=proxy.url, proxy_headers=headers
                ) as response:
                    assert await response.read() == b"{}"

        run(gate, main())

        assert [r.target for r in proxy.received] == [URL]
    assert [r.url for r in gate.asked] == [URL]


def test_a_hit_asks_no_proxy() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.post(URL, data=b"{}", proxy="http://nobody.example.test") as got:
                assert await got.read() == b"kept"

    run(HitGate(HIT), main())


def test_a_miss_goes_through_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    gate = TeeGate()

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/x", echo)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, path).start()
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
            async with session.post(URL, data=b"{}") as response:
                assert await response.read() == b"{}"
        await runner.cleanup()

    run(gate, main())

    assert gate.tees[0].finished


def test_a_connector_of_ones_own_is_seen() -> None:
    class Own(aiohttp.TCPConnector):
        async def connect(self, *args: Any, **kwargs: Any) -> Any:
            return await super().connect(*args, **kwargs)

    async def main() -> None:
        async with aiohttp.ClientSession(connector=Own()) as session, session.post(URL) as response:
            assert await response.read() == b"kept"

    run(HitGate(HIT), main())


# --- what lies above the connection


def test_a_response_class_of_ones_own_is_what_the_caller_gets() -> None:
    starts = list[str]()

    class Own(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            starts.append(self.method)
            return await super().start(connection)

    async def main() -> None:
        async with aiohttp.ClientSession(response_class=Own) as session:
            for method in ("POST", "GET"):
                async with session.request(method, server.url) as response:
                    assert type(response) is Own

    with LoopbackServer() as server:
        run(TeeGate(), main())

    assert starts == ["POST", "GET"]


def test_a_request_class_of_ones_own_writes_as_it_likes() -> None:
    """Given a request that does not write as aiohttp does, then it still gets its answer."""

    class Own(aiohttp.ClientRequest):
        async def write_bytes(self, writer: Any, conn: Any, content_length: Any = None) -> None:
            await asyncio.sleep(0)
            await writer.write(b"mine")
            await writer.write_eof()

    async def main() -> None:
        async with aiohttp.ClientSession(request_class=Own) as session:
            async with session.post(URL, data=b"{}") as response:
                assert await response.read() == b"kept"

    run(HitGate(HIT), main())


def test_a_middleware_may_ask_twice() -> None:
    async def again(request: Any, handler: Any) -> aiohttp.ClientResponse:
        first = await handler(request)
        assert first.status == 429
        await first.read()
        answer = await handler(request)
        assert isinstance(answer, aiohttp.ClientResponse)
        return answer

    gate = TeeGate()
    with LoopbackServer() as server:
        url = server.script("/v1/x", Script(status=429, chunks=(b"slow down",)))

        async def main() -> None:
            async with aiohttp.ClientSession(middlewares=[again]) as session:
                async with session.post(url, data=b"{}") as response:
                    assert await response.read() == b"slow down"

        run(gate, main())

        assert [r.body for r in server.received] == [b"{}", b"{}"]


def test_traces_tell_the_same_on_a_miss_and_of_no_connection_on_a_hit() -> None:
    told = list[str]()

    def trace() -> aiohttp.TraceConfig:
        config = aiohttp.TraceConfig()

        async def tell(name: str, *_: object) -> None:
            told.append(name)

        for name in [name for name in dir(config) if name.startswith("on_")]:
            getattr(config, name).append(functools.partial(tell, name))
        return config

    with LoopbackServer() as server:

        async def main() -> None:
            async with aiohttp.ClientSession(trace_configs=[trace()]) as session:
                for _ in range(2):
                    async with session.post(server.url, data=b"{}") as response:
                        await response.read()

        def telling(gate: FakeGate) -> list[str]:
            told.clear()
            run(gate, main())
            return told[:]

        plain = telling(RefusingGate())

        assert telling(FakeGate()) == telling(TeeGate()) == plain
        assert telling(HitGate(HIT)) == [name for name in plain if "connection" not in name]


def test_upload_is_tracked_once() -> None:
    with LoopbackServer() as server:

        async def main() -> None:
            tracker = aiohttp.UploadTracker()
            body = io.BytesIO(bytes(100_000))
            async with aiohttp.ClientSession() as session:
                async with session.post(server.url, data=body, upload_tracker=tracker) as response:
                    await response.read()
            await tracker.upload_complete
            assert (tracker.bytes_written, tracker.attempts) == (100_000, 1)

        run(FakeGate(), main())


def test_a_stale_connection_is_retried_as_aiohttp_does() -> None:
    """Given a kept connection that the server has closed, then GET goes out again, POST fails."""
    answers = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        answers += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    assert await response.read() == b"ok"
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.post(f"http://127.0.0.1:{port}/")

    run(FakeGate(), main())

    assert answers == 2


def test_what_the_gate_raises_comes_out_of_the_call_itself() -> None:
    error = CachesaverError("not recorded")

    async def main() -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            with pytest.raises(CachesaverError) as caught:
                await session.post(URL, json={})
            assert caught.value is error

    run(RaisingGate(error), main())


def test_a_timeout_of_the_gates_own_is_not_taken_for_one_of_connecting() -> None:
    error = TimeoutError("the store is slow")

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TimeoutError) as caught:
                await session.post(URL, json={})
            assert caught.value is error

    run(RaisingGate(error), main())


def test_a_hit_may_take_longer_than_connecting_may() -> None:
    """Given limits on connecting and on the socket, then they do not cut what needs neither."""

    class Slow(HitGate):
        async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
            await asyncio.sleep(0.1)  # longer than the limits below: this is what is tested
            return await super().aanswer(request, send)

    async def main() -> None:
        limits = aiohttp.ClientTimeout(connect=0.02, sock_connect=0.02, sock_read=0.05)
        async with aiohttp.ClientSession(timeout=limits) as session:
            async with session.post(URL, json={}) as response:
                assert await response.read() == b"kept"

    run(Slow(HIT), main())


# --- others who answer


def test_aioresponses_answers_first() -> None:
    gate = HitGate(HIT, through_mocks=True)
    answer = ZeroDivisionError("mocked")  # its responses do not fit every aiohttp; errors do

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with aioresponses.aioresponses() as mocked:
                mocked.add(URL, "POST", exception=answer)  # pyright: ignore[reportUnknownMemberType]  # untyped
                with pytest.raises(ZeroDivisionError) as caught:
                    await session.post(URL)
                assert caught.value is answer

    run(gate, main())

    assert gate.looked == []


@pytest.mark.parametrize("name", ["_create_connection", "_resolve_host"])
@pytest.mark.parametrize("through", [True, False])
def test_a_mock_below_us_answers_unless_asked_not_to(name: str, *, through: bool) -> None:
    gate = HitGate(HIT, through_mocks=through)

    async def main() -> None:
        reached = mock.patch.object(aiohttp.TCPConnector, name, side_effect=OSError(1, "mocked"))
        async with aiohttp.ClientSession() as session:
            with reached, contextlib.suppress(aiohttp.ClientOSError):
                async with session.post(URL) as response:
                    assert await response.read() == b"kept"

    run(gate, main())

    assert bool(gate.asked) is through


def test_a_mock_in_our_own_place_answers_unless_asked_not_to() -> None:
    gate = HitGate(HIT)

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientOSError):
                await session.post(URL)

    with mock.patch.object(aiohttp.BaseConnector, "connect", side_effect=OSError(1, "mocked")):
        run(gate, main())

    assert gate.asked == []


def test_a_mocked_request_is_left_alone() -> None:
    """Given aiohttp's request as `mock.create_autospec` makes it, then the live connector has it.

    Reading its URL raises: aiohttp does not, its own tests of `ws_connect` rely on it.
    """
    request = mock.create_autospec(aiohttp.ClientRequest, spec_set=True)

    async def main() -> None:
        connector = aiohttp.BaseConnector()
        with (
            mock.patch.object(connector, "_create_connection", side_effect=LookupError("live")),
            pytest.raises(LookupError, match="live"),
        ):
            await connector.connect(request, [], aiohttp.ClientTimeout())
        await connector.close()

    run(gate := TeeGate(), main())

    assert (gate.looked, gate.asked) == ([], [])


def test_aiohttps_own_test_client_works() -> None:
    gate = TeeGate()

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/x", echo)
        async with test_utils.TestClient(test_utils.TestServer(app)) as client:
            response = await client.post("/v1/x?a=b", data=b"{}")
            assert (await response.read(), response.headers["X-Path"]) == (b"{}", "/v1/x?a=b")

    run(gate, main())

    assert gate.tees[0].finished


def test_the_hook_still_looks_like_the_method_it_is() -> None:
    """Given autospecs and signatures, then they see a coroutine of the same parameters."""
    with hooked(FakeGate()):
        spec = mock.create_autospec(aiohttp.BaseConnector)

        assert inspect.iscoroutinefunction(spec.connect)
        assert aiohttp.BaseConnector.connect.__qualname__ == "BaseConnector.connect"
