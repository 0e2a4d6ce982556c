"""What is peculiar to httpx: views, extensions, bodies, explicit transports, cancellation."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import logging
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx
import httpx2
import pytest
import trio

from cachesaver.exchange import AsyncReply, Reply, Request, Response
from cachesaver.ports import AsyncSend, Send
from cachesaver.transports import httpx as adapter
from cachesaver.transports import httpx_messages
from cachesaver.transports.testing import (
    FakeGate,
    HitGate,
    LoopbackServer,
    RecordingGate,
    RefusingGate,
    Script,
    TeeGate,
)

KEPT = Response(
    status=200, headers=(("content-type", "application/json"),), chunks=(b'{"a":1}',), reason="Fine"
)
EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
URL = "http://provider.test/v1/x"


@pytest.fixture(params=[httpx, httpx2])
def lib(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@contextmanager
def hooked(lib: Any, gate: FakeGate) -> Generator[None, None, None]:
    undo = adapter.hook(lib, gate)
    try:
        yield
    finally:
        undo()


# --- the response is the client's own work


def test_a_hit_has_the_extensions_that_a_response_has(lib: Any) -> None:
    with hooked(lib, HitGate(KEPT)), lib.Client() as client:
        response = client.post(URL)

    assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "Fine")
    assert response.extensions["network_stream"].get_extra_info("server_addr") is None


def test_a_hit_without_a_reason_has_the_usual_one(lib: Any) -> None:
    with hooked(lib, HitGate(Response(status=404))), lib.Client() as client:
        assert client.post(URL).reason_phrase == "Not Found"


def test_a_miss_keeps_the_extensions_that_came(lib: Any, server: LoopbackServer) -> None:
    with (
        hooked(lib, TeeGate()),
        lib.Client() as client,
        client.stream("POST", server.url) as response,
    ):
        stream = response.extensions["network_stream"]

        assert stream.get_extra_info("server_addr") == (server.host, server.port)
        assert response.reason_phrase == "OK"


def test_elapsed_encoding_request_and_log_are_there(
    lib: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate = HitGate(Response(status=200, chunks=("é".encode("latin-1"),)))
    with hooked(lib, gate), lib.Client(default_encoding="latin-1") as client:
        request = client.build_request("POST", URL, content=b"{}")
        with caplog.at_level(logging.INFO):
            response = client.send(request)

    assert response.elapsed.total_seconds() >= 0
    assert response.text == "é"
    assert response.request is request
    assert f'HTTP Request: POST {URL} "HTTP/1.1 200 OK"' in caplog.messages


def test_event_hooks_and_auth_flows_go_on_above(lib: Any) -> None:
    """Given an auth flow that asks twice and event hooks, then every request comes by."""

    def twice(self: Any, request: Any) -> Generator[Any, Any, None]:
        yield request
        request.headers["x-second"] = "1"
        yield request

    auth = type("Twice", (lib.Auth,), {"auth_flow": twice})()
    seen: list[str] = []

    def on_request(request: Any) -> None:
        seen.append("request")

    def on_response(response: Any) -> None:
        seen.append("response")

    hooks = {"request": [on_request], "response": [on_response]}
    gate = HitGate(KEPT)
    with hooked(lib, gate), lib.Client(auth=auth, event_hooks=hooks) as client:
        client.post(URL, content=b"{}")

    assert seen == ["request", "response"] * 2
    assert [asked.header("x-second") for asked in gate.asked] == [None, "1"]


def test_no_content_length_is_claimed_for_a_stream(lib: Any) -> None:
    headers = (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
    gate = HitGate(Response(status=200, headers=headers, chunks=EVENTS))
    with hooked(lib, gate), lib.Client() as client:
        response = client.post(URL)

    assert dict(response.headers) == {"content-type": "text/event-stream"}


@pytest.mark.parametrize("status", [204, 304])
def test_a_hit_that_can_have_no_body_has_none(lib: Any, status: int) -> None:
    gate = HitGate(Response(status=status, chunks=(b"stray",)))
    with hooked(lib, gate), lib.Client() as client:
        response = client.post(URL)

    assert (response.content, dict(response.headers)) == (b"", {})


def test_a_switch_of_protocols_is_left_alone(lib: Any) -> None:
    native = lib.Response(101, stream=lib.ByteStream(b""))

    def switch(request: Any) -> Any:
        return native

    inner = lib.MockTransport(switch)
    with lib.Client(transport=adapter.transport(lib, TeeGate(), inner)) as client:
        assert client.send(client.build_request("POST", URL), stream=True) is native


def test_a_reply_of_neither_kind_has_no_stale_framing(lib: Any) -> None:
    """Given chunks of another's flight (no native, not whole), then framing headers are gone."""

    class Sharing(FakeGate):
        def answer(self, request: Request, send: Send) -> Reply:
            headers = (("Content-Length", "1"), ("x-a", "1"))
            return Reply(status=200, headers=headers, chunks=iter(EVENTS), close=lambda: None)

    with hooked(lib, Sharing()), lib.Client() as client:
        response = client.post(URL)

    assert (response.content, dict(response.headers)) == (b"".join(EVENTS), {"x-a": "1"})


# --- clients of all kinds


def test_subclasses_are_seen(lib: Any) -> None:
    def send(self: Any, request: Any) -> Any:
        response: Any = cast("Any", super(sub, self))._send_single_request(request)
        response.headers["x-sub"] = "1"
        return response

    sub: Any = type("Sub", (lib.Client,), {"_send_single_request": send})
    with hooked(lib, HitGate(KEPT)), sub() as client:
        response = client.post(URL)

    assert (response.headers["x-sub"], response.content) == ("1", b'{"a":1}')


def test_the_original_can_use_its_client(lib: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a client method that reads and writes its client, then that is the caller's client."""
    original = cast("Callable[..., Any]", lib.Client._send_single_request)

    def send(self: Any, request: Any) -> Any:
        assert isinstance(self, lib.Client)
        assert type(copy.copy(self)) is lib.Client
        self.count = getattr(self, "count", 0) + 1
        return original(self, request)

    send.__wrapped__ = original  # type: ignore[attr-defined] # how wrappers say so
    monkeypatch.setattr(lib.Client, "_send_single_request", send)
    with hooked(lib, HitGate(KEPT)), lib.Client() as client:
        for _ in range(2):
            client.post(URL)

        assert client.count == 2


def test_a_miss_goes_through_the_proxy(lib: Any, server: LoopbackServer) -> None:
    gate = RecordingGate()
    with hooked(lib, gate), lib.Client(proxy=server.url) as client:
        assert client.post(URL, content=b"via").content == b"via"

    assert [received.target for received in server.received] == [URL]
    assert [asked.url for asked in gate.asked] == [URL]


def test_neither_userinfo_nor_fragment_is_in_the_url(lib: Any) -> None:
    gate = HitGate(KEPT)
    with hooked(lib, gate), lib.Client() as client:
        client.post("http://me:secret@Provider.test:8080/v1/x?q=1#here")

    assert [asked.url for asked in gate.asked] == ["http://provider.test:8080/v1/x?q=1"]


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://Provider.test:8080/v1/x%20y?q=/z#f", "provider.test", "/v1/x%20y"),
        ("http://[::1]:80/v1/x y", "::1", "/v1/x%20y"),
        ("http://b\u00fccher.test", "xn--bcher-kva.test", "/"),
    ],
)
def test_the_gate_is_asked_about_host_and_path_as_they_go_out(
    lib: Any, url: str, host: str, path: str
) -> None:
    gate = HitGate(KEPT)
    with hooked(lib, gate), lib.Client() as client:
        client.post(url)

    assert gate.looked[0] == ("POST", host, path)
    assert lib.URL(url).raw_host.decode() == host
    assert lib.URL(url).raw_path.decode().partition("?")[0] == path


def test_a_url_that_is_made_otherwise_is_read_by_its_properties(lib: Any) -> None:
    """Given a release whose URLs have other parts, then what it makes of them is taken."""

    class Url(lib.URL):  # type: ignore[misc]  # of whichever it is
        def __getattribute__(self, name: str) -> Any:
            if name == "_uri_reference":
                raise AttributeError(name)
            return object.__getattribute__(self, name)

        raw_host, raw_path = b"provider.test", b"/v1/x?y"

    def answer(_: Any) -> Any:
        return lib.Response(200)

    gate = RefusingGate()
    request = lib.Request("POST", "http://provider.test/v1/x?y")
    request.url = Url("http://provider.test")
    inner = lib.MockTransport(answer)

    adapter.transport(lib, gate, inner).handle_request(request)

    assert gate.looked == [("POST", "provider.test", "/v1/x?y")]


def test_a_url_of_httpx_before_0_24_is_read_by_its_properties() -> None:
    """Given parts without `netloc`, and no path where none was given, then they are left alone."""

    class Url:
        _uri_reference = SimpleNamespace(
            scheme="http", host="provider.test", path=None, query="q=1"
        )
        raw_scheme, netloc, raw_path = b"http", b"provider.test", b"/?q=1"

        def __init__(self, _: str) -> None: ...

    def call(_: Any, request: httpx.Request) -> httpx.Request:
        return request

    class Older:
        URL = Url

        class Client:
            _send_single_request = call

        class AsyncClient(Client):
            _send_single_request = call

    class Ignoring(FakeGate):
        def ignores(self, path: str) -> bool:
            looked.append(path)
            return True

    looked = list[str]()
    request = httpx.Request("POST", "http://provider.test")
    request.url = cast("Any", Url("http://provider.test"))
    with hooked(Older, Ignoring()):
        sent = cast("Any", Older.Client())._send_single_request(request)

    assert (sent, looked) == (request, ["/?q=1"])
    assert httpx_messages.ours(request, b"").url == "http://provider.test/?q=1"


def test_what_somebodys_own_kind_of_url_sends_is_what_is_asked(lib: Any) -> None:
    class Raw(lib.URL):  # type: ignore[misc]  # of whichever it is
        raw_path = b"/v1/a%2Fb|c"

    gate = HitGate(KEPT)
    with hooked(lib, gate), lib.Client() as client:
        request = client.build_request("POST", URL)
        request.url = Raw(URL)
        client.send(request)

    assert [asked.url for asked in gate.asked] == ["http://provider.test/v1/a%2Fb|c"]


def test_one_module_is_hooked_at_a_time(server: LoopbackServer) -> None:
    gate = HitGate(KEPT)
    with hooked(httpx2, gate), httpx.Client() as client:
        assert client.post(server.url, content=b"live").content == b"live"

    assert gate.looked == []


# --- what is none of our business


@pytest.mark.parametrize(
    ("headers", "extensions"),
    [({"upgrade": "websocket", "connection": "upgrade"}, {}), ({}, {"target": b"/elsewhere"})],
)
def test_upgrades_and_other_targets_pass(
    lib: Any, server: LoopbackServer, headers: Any, extensions: Any
) -> None:
    gate = HitGate(KEPT)
    with hooked(lib, gate), lib.Client() as client:
        response = client.post(server.url, content=b"a", headers=headers, extensions=extensions)

    assert (response.content, gate.asked) == (b"a", [])


def test_the_request_the_gate_does_not_want_is_the_very_request(lib: Any) -> None:
    sent: list[Any] = []

    def send(request: Any) -> Any:
        sent.append(request)
        return lib.Response(200)

    with (
        hooked(lib, RefusingGate()),
        lib.Client(transport=lib.MockTransport(send)) as client,
    ):
        request = client.build_request("POST", URL, content=b"{}")
        client.send(request)

    assert sent[0] is request


# --- request bodies


def test_a_multipart_upload_is_read_and_sent_as_it_was(lib: Any, server: LoopbackServer) -> None:
    gate = RecordingGate()
    upload = io.BytesIO(b"some sound")
    with hooked(lib, gate), lib.Client() as client:
        client.post(server.url, data={"model": "m"}, files={"file": ("a.wav", upload)})

    (received,), (asked,) = server.received, gate.asked
    assert b"some sound" in asked.body
    assert (received.body, received.header("content-length")) == (asked.body, str(len(asked.body)))
    assert upload.read() == b""


def test_a_pipe_passes_unread_and_is_reported(lib: Any, server: LoopbackServer) -> None:
    gate = HitGate(KEPT)
    read_end, write_end = os.pipe()
    os.write(write_end, b"from a pipe")
    os.close(write_end)
    with (
        os.fdopen(read_end, "rb", buffering=0) as pipe,
        hooked(lib, gate),
        lib.Client() as client,
    ):
        # httpx takes a pipe's length to be 0 where it is not told
        chunked = {"transfer-encoding": "chunked"}
        response = client.post(server.url + "/v1/x?key=secret", content=pipe, headers=chunked)

    assert (response.content, gate.asked) == (b"from a pipe", [])
    assert gate.passes == [(f"POST {server.url}/v1/x", "its body is a file that cannot be rewound")]


@pytest.fixture
def small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (adapter, httpx_messages):
        monkeypatch.setattr(module, "LARGEST_BODY", 8)


@pytest.mark.usefixtures("small_bodies")
def test_a_body_that_does_not_end_passes_half_read(lib: Any, server: LoopbackServer) -> None:
    """Given an iterator longer than we would hold, then what was read goes first, the rest after."""
    gate = HitGate(KEPT)
    chunks = [b"1234", b"5678", b"9abc", b"defg"]

    async def endless() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def apost() -> bytes:
        async with lib.AsyncClient() as client:
            content: bytes = (await client.post(server.url, content=endless())).content
        return content

    with hooked(lib, gate), lib.Client() as client:
        answers = [client.post(server.url, content=iter(chunks)).content, asyncio.run(apost())]

    assert answers == [b"".join(chunks)] * 2
    assert gate.asked == []
    assert [reason for _, reason in gate.passes] == ["its body is too large to be read first"] * 2


@pytest.mark.usefixtures("small_bodies")
@pytest.mark.parametrize("chunks", [[b"123456789"], [b"1234", b"56789", b"abc"]])
def test_a_body_half_read_is_closed_where_it_cannot_be_sent(lib: Any, chunks: list[bytes]) -> None:
    """Given an async iterator that we began, then its end does not wait for the garbage collector."""
    closed = list[bool]()

    class Endless(lib.AsyncByteStream):  # type: ignore[misc]  # of a library handed in
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                for chunk in chunks:
                    yield chunk
            finally:
                closed.append(True)

    class Refusing(lib.AsyncBaseTransport):  # type: ignore[misc]  # of a library handed in
        async def handle_async_request(self, request: Any) -> Any:
            raise lib.ConnectError("refused")

    async def apost() -> None:
        transport = adapter.async_transport(lib, HitGate(KEPT), Refusing())
        async with lib.AsyncClient(transport=transport) as client:
            with pytest.raises(lib.ConnectError):
                await client.send(lib.Request("POST", URL, stream=Endless()))
            assert closed == [True]

    asyncio.run(apost())


@pytest.mark.usefixtures("small_bodies")
def test_bytes_too_large_pass_as_they_are(lib: Any) -> None:
    gate, seen = HitGate(KEPT), list[object]()

    def live(request: Any) -> Any:
        seen.append(request)
        return lib.Response(200)

    inner = lib.MockTransport(live)
    with lib.Client(transport=adapter.transport(lib, gate, inner)) as client:
        request = client.build_request("POST", URL, content=b"123456789")
        client.send(request)

    assert seen == [request]
    assert [reason for _, reason in gate.passes] == ["its body is too large to be read first"]


@pytest.mark.usefixtures("small_bodies")
@pytest.mark.parametrize("length", ["9", "x"])
def test_a_file_too_large_passes_unread(lib: Any, length: str) -> None:
    gate = HitGate(KEPT)
    file = io.BytesIO(b"123456789")

    def live(request: Any) -> Any:
        return lib.Response(200, content=b"live")

    inner = lib.MockTransport(live)
    with lib.Client(transport=adapter.transport(lib, gate, inner)) as client:
        response = client.post(URL, content=file, headers={"content-length": length})

    assert (response.content, len(gate.passes)) == (b"live", 1)


def test_a_multipart_of_unknown_length_passes_unread(lib: Any, server: LoopbackServer) -> None:
    class Unsized(io.BytesIO):
        def tell(self) -> int:
            raise OSError

    gate = HitGate(KEPT)
    with hooked(lib, gate), lib.Client() as client:
        client.post(server.url, files={"file": ("a.wav", Unsized(b"some sound"))})

    assert gate.asked == []
    assert [reason for _, reason in gate.passes] == ["its body is a file of unknown length"]
    assert b"some sound" in server.received[0].body


def test_an_async_file_of_unknown_length_passes_unread(lib: Any, server: LoopbackServer) -> None:
    class File:
        def __init__(self) -> None:
            self.parts = [b"from ", b"a file", b""]

        async def aread(self, size: int) -> bytes:
            return self.parts.pop(0)

        def __aiter__(self) -> AsyncIterator[bytes]:
            raise AssertionError("files are read")

    gate = HitGate(KEPT)

    async def run() -> bytes:
        async with lib.AsyncClient() as client:
            content: bytes = (await client.post(server.url, content=File())).content
        return content

    with hooked(lib, gate):
        assert asyncio.run(run()) == b"from a file"

    assert (gate.asked, len(gate.passes)) == ([], 1)


def test_an_iterator_is_consumed_as_by_a_real_send(lib: Any) -> None:
    consumed = iter([b"a", b"b"])

    def body() -> Iterator[bytes]:
        yield from consumed

    with hooked(lib, HitGate(KEPT)), lib.Client() as client:
        request = client.build_request("POST", URL, content=body())
        client.send(request)
        with pytest.raises(lib.StreamConsumed):
            client.send(request)

    assert next(consumed, None) is None
    with pytest.raises(lib.RequestNotRead):
        request.content  # noqa: B018 - reading it is the point


def test_what_a_body_raises_is_seen(lib: Any) -> None:
    def body() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("the caller's own")

    with (
        hooked(lib, HitGate(KEPT)),
        lib.Client() as client,
        pytest.raises(LookupError, match="own"),
    ):
        client.post(URL, content=body())


def test_an_async_body_in_a_blocking_client_fails_as_ever(lib: Any) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"

    gate = HitGate(KEPT)
    with (
        hooked(lib, gate),
        lib.Client() as client,
        pytest.raises(RuntimeError, match="async request with a sync Client"),
    ):
        client.post(URL, content=body())

    assert gate.asked == []


def test_a_twin_carries_the_extensions(lib: Any, server: LoopbackServer) -> None:
    events: list[str] = []

    def trace(name: str, info: object) -> None:
        events.append(name)

    extensions = {"trace": trace}
    with hooked(lib, RecordingGate()), lib.Client() as client:
        client.post(server.url, content=b"{}", extensions=extensions)

    assert "connection.connect_tcp.started" in events


def test_a_custom_transport_can_read_what_it_sends(lib: Any) -> None:
    """Given a transport that looks at `request.content`, then a miss has one."""

    def handle(self: Any, request: Any) -> Any:
        return lib.Response(200, content=request.content)

    inner = type("Looking", (lib.BaseTransport,), {"handle_request": handle})()
    with hooked(lib, RecordingGate()), lib.Client(transport=inner) as client:
        assert client.post(URL, content=iter([b"a", b"b"])).content == b"ab"


def test_a_request_the_gate_sends_elsewhere_goes_there(lib: Any, server: LoopbackServer) -> None:
    def elsewhere(request: Request) -> Request:
        return Request(method="PUT", url=server.url + "/other?a=b", headers=request.headers)

    with hooked(lib, RecordingGate(elsewhere)), lib.Client() as client:
        client.post(URL)

    assert [(r.method, r.target) for r in server.received] == [("PUT", "/other?a=b")]


# --- explicit transports


def test_an_explicit_transport_needs_no_hook(lib: Any, server: LoopbackServer) -> None:
    gate = RecordingGate()
    with lib.Client(transport=adapter.transport(lib, gate)) as client:
        assert client.post(server.url, content=b"live").content == b"live"
        assert client.head(server.url).status_code == 200

    assert len(gate.asked) == 1
    assert server.wait_closed(1)


def test_an_explicit_async_transport_needs_no_hook(lib: Any, server: LoopbackServer) -> None:
    gate = RecordingGate()

    async def run() -> bytes:
        async with lib.AsyncClient(transport=adapter.async_transport(lib, gate)) as client:
            await client.head(server.url)
            content: bytes = (await client.post(server.url, content=b"live")).content
        return content

    assert (asyncio.run(run()), len(gate.asked)) == (b"live", 1)
    assert server.wait_closed(1)


def test_an_explicit_transport_is_what_its_library_takes_for_one(lib: Any) -> None:
    assert isinstance(adapter.transport(lib, FakeGate()), lib.BaseTransport)
    assert isinstance(adapter.async_transport(lib, FakeGate()), lib.AsyncBaseTransport)


def test_an_explicit_transport_has_the_first_say(lib: Any) -> None:
    """Given a hook and a client with a transport of ours, then the transport's gate answers."""
    outer, inner = FakeGate(), HitGate(KEPT)

    async def apost() -> None:
        async with lib.AsyncClient(transport=adapter.async_transport(lib, inner)) as client:
            await client.post(URL)

    with hooked(lib, outer):
        with lib.Client(transport=adapter.transport(lib, inner)) as client:
            client.post(URL)
        asyncio.run(apost())

    assert (len(outer.asked), len(inner.asked)) == (0, 2)


def test_one_gate_at_both_places_sees_a_call_once(lib: Any, server: LoopbackServer) -> None:
    gate = RecordingGate()
    nested = adapter.transport(lib, gate, adapter.transport(lib, gate))
    with hooked(lib, gate), lib.Client(transport=nested) as client:
        client.post(server.url, content=b"{}")

    assert (len(gate.asked), len(server.received)) == (1, 1)


def test_an_explicit_transport_opens_and_closes_what_it_sends_through(lib: Any) -> None:
    steps: list[str] = []

    def note(step: str) -> Callable[..., None]:
        return lambda *_: steps.append(step)

    def anote(step: str) -> Callable[..., Any]:
        async def run(*_: object) -> None:
            steps.append(step)

        return run

    blocking: Any = {"__enter__": note("enter"), "__exit__": note("exit"), "close": note("close")}
    inner = type("Inner", (lib.BaseTransport,), blocking)()
    with lib.Client(transport=adapter.transport(lib, FakeGate(), inner)):
        pass
    lib.Client(transport=adapter.transport(lib, FakeGate(), inner)).close()

    awaited: Any = {
        "__aenter__": anote("aenter"),
        "__aexit__": anote("aexit"),
        "aclose": anote("aclose"),
    }
    ainner = type("AsyncInner", (lib.AsyncBaseTransport,), awaited)()

    async def run() -> None:
        async with lib.AsyncClient(transport=adapter.async_transport(lib, FakeGate(), ainner)):
            pass
        await lib.AsyncClient(transport=adapter.async_transport(lib, FakeGate(), ainner)).aclose()

    asyncio.run(run())

    assert steps == ["enter", "exit", "close", "aenter", "aexit", "aclose"]


# --- cancellation


async def _first_chunk_then(lib: Any, url: str, wait: Callable[[], Any]) -> None:
    async with lib.AsyncClient() as client, client.stream("POST", url) as response:
        async for _ in response.aiter_raw():
            await wait()


def test_cancelling_an_asyncio_reader_closes_the_reply(lib: Any, server: LoopbackServer) -> None:
    gate = TeeGate()
    url = server.script("/v1/x", Script(chunks=EVENTS, holds_chunks=True))

    async def run() -> None:
        arrived = asyncio.Event()

        async def wait() -> None:
            arrived.set()

        reader = asyncio.create_task(_first_chunk_then(lib, url, wait))
        await arrived.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader

    with hooked(lib, gate):
        asyncio.run(run())
    gc.collect()

    assert server.wait_closed(1)
    assert (gate.tees[0].closed, gate.tees[0].finished) == (True, False)


@pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning")
def test_cancelling_a_trio_reader_closes_the_reply(lib: Any, server: LoopbackServer) -> None:
    """Given a gate whose close takes a turn of the loop, when cancelled, then it gets that turn."""
    closed: list[str] = []

    class Slow(TeeGate):
        async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
            reply = await super().aanswer(request, send)
            close = reply.close

            async def slow() -> None:
                await trio.lowlevel.checkpoint()
                closed.append("gate")
                await close()

            reply.close = slow
            return reply

    url = server.script("/v1/x", Script(chunks=EVENTS, holds_chunks=True))

    async def run() -> None:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                nursery.cancel_scope.cancel()

            nursery.start_soon(_first_chunk_then, lib, url, wait)

    with hooked(lib, Slow()):
        trio.run(run)
    gc.collect()

    assert server.wait_closed(1)
    assert closed[:1] == ["gate"]


def test_cancelling_while_the_gate_thinks_is_a_cancellation(lib: Any) -> None:
    class Thinking(FakeGate):
        async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError("it is cancelled")

    asked = asyncio.Event()

    async def run() -> None:
        async with lib.AsyncClient() as client:
            call = asyncio.create_task(client.post(URL))
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with hooked(lib, Thinking()):
        asyncio.run(run())


def test_leaving_an_async_stream_early_leaves_no_generator(lib: Any) -> None:
    """Given a hit whose chunks are a generator, when the reader stops, then it was finished."""
    ended: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            for event in EVENTS:
                yield event
        finally:
            ended.append("chunks")

    class Generating(FakeGate):
        async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
            async def close() -> None:
                ended.append("close")

            return AsyncReply(status=200, headers=(), chunks=chunks(), close=close)

    async def run() -> None:
        async with lib.AsyncClient() as client, client.stream("POST", URL) as response:
            generator = response.aiter_raw()
            await anext(generator)
            await response.aclose()
            assert ended == ["chunks", "close"]
            await generator.aclose()

    with hooked(lib, Generating()):
        asyncio.run(run())
