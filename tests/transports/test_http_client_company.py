"""urllib.request over http.client, and others who patch it: mocks keep it, tracers see what they saw."""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from unittest import mock

import mocket  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import mocket.mocks.mockhttp  # type: ignore[import-untyped] # as above
import pook  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import pytest
import vcr  # type: ignore[import-untyped] # it has none # pyright: ignore[reportMissingTypeStubs]
import wrapt

from cachesaver.errors import CachesaverError
from cachesaver.exchange import Response
from cachesaver.transports import http_client as adapter
from cachesaver.transports.testing import (
    FakeGate,
    HitGate,
    LoopbackServer,
    RaisingGate,
    Script,
    TeeGate,
)

URL = "http://provider.test/v1/x"
KEPT = Response(status=200, chunks=(b"kept",))


@contextmanager
def hooked(gate: FakeGate) -> Generator[None]:
    unhook = adapter.hook(http.client, gate)
    try:
        yield
    finally:
        unhook()


def opened(url: str = URL, body: Any = b"{}", **options: Any) -> Any:
    request = urllib.request.Request(url, body, method="POST", **options)  # noqa: S310 - loopback
    return urllib.request.urlopen(request, timeout=9)  # noqa: S310 - as above


def asked(url: str = URL) -> bytes:
    with opened(url) as response:
        found: bytes = response.read()
        return found


# --- urllib.request


def test_a_hit_is_what_urlopen_returns() -> None:
    headers = (("Content-Type", "text/plain; charset=utf-8"),)
    kept = Response(status=201, headers=headers, chunks=(b"one\n", b"two\n"))
    with hooked(HitGate(kept)), opened() as response:
        assert (response.status, response.url, response.reason) == (201, URL, "Created")
        assert response.headers.get_content_type() == "text/plain"
        assert list(io.TextIOWrapper(response, "utf-8")) == ["one\n", "two\n"]


@pytest.mark.parametrize("gate", [TeeGate(), HitGate(Response(status=429, chunks=(b"busy",)))])
def test_a_status_of_failure_is_raised_by_urllib(gate: FakeGate) -> None:
    with LoopbackServer() as server, hooked(gate):
        url = server.script("/v1/x", Script(status=429, chunks=(b"busy",)))
        with pytest.raises(urllib.error.HTTPError) as caught:
            opened(url)

        with caught.value as error:
            assert (error.code, error.read()) == (429, b"busy")


def test_who_cannot_be_reached_is_told_by_urllib() -> None:
    with LoopbackServer() as server:
        url = server.url

    with hooked(TeeGate()), pytest.raises(urllib.error.URLError) as caught:
        opened(url + "/v1/x")

    assert isinstance(caught.value.reason, ConnectionRefusedError)


def test_what_the_gate_raises_goes_through_urllib() -> None:
    error = CachesaverError("not recorded")
    with hooked(RaisingGate(error)), pytest.raises(CachesaverError) as caught:
        opened()

    assert caught.value is error


def test_a_redirect_is_followed_by_urllib() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        url = server.script("/old", Script(status=302, headers=(("Location", "/new"),)))
        server.script("/new", Script(chunks=(b"new",)))
        assert asked(url) == b"new"

    assert [(each.method, each.url) for each in gate.asked] == [
        ("POST", server.url + "/old"),
        ("GET", server.url + "/new"),
    ]


def test_a_proxy_of_urllibs_is_no_part_of_the_question() -> None:
    gate = TeeGate()
    with LoopbackServer() as proxy, hooked(gate):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.url}))
        request = urllib.request.Request(URL, b"{}", {"Authorization": "Bearer t"})
        with opener.open(request) as response:
            assert response.read() == b"{}"

    assert gate.asked[0].url == URL
    assert gate.asked[0].header("authorization") == "Bearer t"


# --- mocks


def _pook() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.enter_context(pook.use())
    cast("Any", pook).post(URL).times(2).reply(200).body(b"mocked")
    return stack


def _mocket() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.enter_context(mocket.Mocketizer(strict_mode=True))
    cast("Any", mocket).mocks.mockhttp.Entry.single_register("POST", URL, body="mocked")
    return stack


WIRE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmocked"


def _socket(*_: object, **__: object) -> Any:
    def makefile(*_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(WIRE)

    made = mock.MagicMock()
    made.makefile.side_effect = makefile
    return made


@contextmanager
def _create_connection() -> Generator[None]:
    with mock.patch("socket.create_connection", side_effect=_socket):
        yield


def _connect() -> AbstractContextManager[object]:
    def connect(self: Any) -> None:
        self.sock = _socket()

    return mock.patch.object(http.client.HTTPConnection, "connect", connect)


MOCKS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "pook": _pook,
    "mocket": _mocket,
    "a Mock": _create_connection,
    "a function": _connect,
}


@pytest.mark.parametrize("name", MOCKS)
def test_a_mock_put_there_later_answers(name: str) -> None:
    gate = HitGate(KEPT)

    with hooked(gate), MOCKS[name]():
        assert asked() == b"mocked"

    assert not gate.asked


@pytest.mark.parametrize("name", MOCKS)
def test_a_mock_that_was_there_answers(name: str) -> None:
    gate = HitGate(KEPT)

    with MOCKS[name](), hooked(gate):
        assert asked() == b"mocked"

    assert not gate.asked


@pytest.mark.parametrize("name", ["mocket", "a Mock", "a function"])
def test_a_gate_that_wants_to_be_asked_before_mocks_is_asked(name: str) -> None:
    with MOCKS[name](), hooked(HitGate(KEPT, through_mocks=True)):
        hit = asked()
    with MOCKS[name](), hooked(FakeGate(through_mocks=True)):
        miss = asked()

    assert (hit, miss) == (b"kept", b"mocked")


@pytest.mark.parametrize("first", ["cassette", "hook"])
def test_a_cassette_of_vcrpy_answers(tmp_path: Path, first: str) -> None:
    gate = HitGate(KEPT)
    tape = str(tmp_path / "tape.yaml")
    with LoopbackServer() as server:
        url = server.url + "/v1/x"
        with cast("Any", vcr).use_cassette(tape):
            live = asked(url)

    cassette = cast("Any", vcr).use_cassette(tape, record_mode="none")
    blocks = [cassette, hooked(gate)] if first == "cassette" else [hooked(gate), cassette]
    with blocks[0], blocks[1]:
        replayed = asked(url)

    assert (live, replayed, gate.asked) == (b"{}", b"{}", [])


def test_a_hook_made_under_a_cassette_is_on_the_real_connections(tmp_path: Path) -> None:
    before = http.client.HTTPConnection.endheaders
    with cast("Any", vcr).use_cassette(str(tmp_path / "tape.yaml")):
        unhook = adapter.hook(http.client, HitGate(KEPT))

    assert asked() == b"kept"
    unhook()
    assert http.client.HTTPConnection.endheaders is before


# --- tracers, and classes of one's own


def test_a_tracer_sees_what_it_saw() -> None:
    seen: list[str] = []

    def traced(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(instance.host)
        return wrapped(*args, **kwargs)

    original = http.client.HTTPConnection.endheaders
    gate = TeeGate()
    with LoopbackServer() as server:
        for first in (True, False):
            with ExitStack() as stack:
                if not first:
                    stack.enter_context(hooked(gate))
                wrapt.wrap_function_wrapper(http.client, "HTTPConnection.endheaders", traced)
                if first:
                    stack.enter_context(hooked(gate))
                assert asked(server.url + "/v1/x") == b"{}"
            cast("Any", http.client.HTTPConnection).endheaders = original

    assert (seen, len(gate.asked)) == (["127.0.0.1"] * 2, 2)


def test_somebodys_own_connection_is_no_mock() -> None:
    class Mine(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()

        def send(self, data: Any) -> None:
            super().send(data)

        def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
            super().endheaders(message_body, encode_chunked=encode_chunked)

    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        connection = Mine(server.host, server.port)
        connection.request("POST", "/v1/x", b"live")
        assert connection.getresponse().read() == b"live"
        connection.close()

    assert len(gate.asked) == 1


def test_two_gates_are_asked_one_after_the_other() -> None:
    below, above = TeeGate(), TeeGate()
    with LoopbackServer() as server, hooked(below), hooked(above):
        assert asked(server.url + "/v1/x") == b"{}"

    assert (len(above.asked), len(below.asked)) == (1, 1)
