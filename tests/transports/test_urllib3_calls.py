"""What a gate sees of a call of urllib3, what goes out for it, and what becomes of its pool."""

from __future__ import annotations

import gc
import io
import operator
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import urllib3
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError
from urllib3.util import SKIP_HEADER

from cachesaver.exchange import Reply, Request, Response
from cachesaver.ports import Gate, Send
from cachesaver.transports import bodies
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import (
    HitGate,
    LoopbackServer,
    RecordingGate,
    RefusingGate,
    RepeatingGate,
    Script,
    TeeGate,
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


def held(pool: HTTPConnectionPool) -> list[object]:
    """Return what lies in the free slots of *pool*."""
    assert pool.pool is not None
    return list(pool.pool.queue)


# --- what the gate sees


@pytest.mark.parametrize(
    ("pool", "target", "url"),
    [
        ("https://a.test", "/v1/x", "https://a.test/v1/x"),
        ("https://a.test:443", "/v1/x?b=%20", "https://a.test/v1/x?b=%20"),
        ("http://A.test:8080", "/v1/x", "http://a.test:8080/v1/x"),
        ("http://[::1]:80", "/", "http://[::1]/"),
        ("http://a.test", "/v1/a b%2fc?é=1#part", "http://a.test/v1/a%20b%2Fc?%C3%A9=1"),
        ("http://a.test", "http://a.test/v1/x#part", "http://a.test/v1/x"),
    ],
)
def test_the_gate_sees_a_whole_url(pool: str, target: str, url: str) -> None:
    gate = HitGate(KEPT)
    with hooked(gate), urllib3.connection_from_url(pool) as opened:
        opened.urlopen("POST", target)

    assert gate.asked[0].url == url


def test_the_gate_sees_the_headers_that_stand_for_none() -> None:
    gate = HitGate(KEPT)
    with hooked(gate), HTTPConnectionPool("a.test", headers={"X-Pool": "1"}) as pool:
        pool.urlopen("POST", "/v1/x")
        pool.urlopen("POST", "/v1/x", headers={"X-Call": "1"})

    assert [asked.headers for asked in gate.asked] == [(("X-Pool", "1"),), (("X-Call", "1"),)]


def test_headers_given_in_any_form_are_seen_as_text() -> None:
    headers = urllib3.HTTPHeaderDict([("X", "1"), ("Y", "2"), ("X", "3")])
    gate = HitGate(KEPT)
    with hooked(gate), HTTPConnectionPool("a.test") as pool:
        pool.urlopen("POST", "/v1/x", headers=headers)
        pool.urlopen("POST", "/v1/x", headers=cast("Any", {b"X": b"1", "User-Agent": SKIP_HEADER}))

    assert gate.asked[0].headers == (("X", "1"), ("X", "3"), ("Y", "2"))
    assert gate.asked[1].headers == (("X", "1"),)


@pytest.mark.parametrize("method", ["HEAD", "head", "CONNECT", "TRACE"])
def test_what_is_no_question_is_not_asked(method: str) -> None:
    gate = RefusingGate()
    with LoopbackServer() as server:
        pool = HTTPConnectionPool(server.host, server.port)
    with hooked(gate), pytest.raises(MaxRetryError):
        pool.urlopen(method, "/v1/x", retries=0)

    assert gate.looked == []


def test_a_call_given_by_position_is_understood() -> None:
    gate = HitGate(KEPT)
    with hooked(gate), HTTPConnectionPool("a.test", retries=5) as pool:
        response = pool.urlopen("POST", "/v1/x", b"body", {"X": "1"}, False, False)

    assert (gate.asked[0].body, gate.asked[0].headers) == (b"body", (("X", "1"),))
    assert response.retries is not None
    assert response.retries.total is False


# --- what is sent


def test_what_is_sent_keeps_what_was_left_out() -> None:
    """Given a call without headers that urllib3 adds, when the gate changes it, they stay out."""

    def change(request: Request) -> Request:
        return request.with_body(b"changed")

    left_out = {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER, "X": "1"}
    with LoopbackServer() as server, hooked(RecordingGate(change)):
        urllib3.request("POST", server.url + "/v1/x", headers=left_out, body=b"{}")

        (received,) = server.received
    names = {name.lower() for name, _ in received.headers}
    assert (names, received.body) == ({"host", "x", "content-length"}, b"changed")


def test_what_is_sent_goes_where_the_gate_says() -> None:
    def change(request: Request) -> Request:
        return Request(
            method="PUT",
            url=request.url.replace("/v1/x", "/v1/y?z=1"),
            headers=request.headers,
            body=request.body,
        )

    with LoopbackServer() as server, hooked(RecordingGate(change)):
        urllib3.request("POST", server.url + "/v1/x", body=b"{}")

        assert [(r.method, r.target) for r in server.received] == [("PUT", "/v1/y?z=1")]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("form", "framing"),
    [
        (lambda: b"body", "content-length"),
        (lambda: "body", "content-length"),
        (lambda: memoryview(b"body"), "content-length"),
        (lambda: io.BytesIO(b"body"), "transfer-encoding"),
        (lambda: io.StringIO("body"), "transfer-encoding"),
        (lambda: iter([b"bo", "dy"]), "transfer-encoding"),
        (lambda: [b"bo", b"dy"], "transfer-encoding"),
    ],
)
def test_a_body_is_framed_as_it_would_have_been(
    form: Callable[[], Any], framing: str, *, chunked: bool
) -> None:
    with LoopbackServer() as server, HTTPConnectionPool(server.host, server.port) as pool:
        live = pool.urlopen("POST", "/v1/x", body=form(), chunked=chunked).data
        with hooked(RecordingGate()):
            miss = pool.urlopen("POST", "/v1/x", body=form(), chunked=chunked).data

        plain, seen = server.received
    assert (live, miss) == (b"body", b"body")
    assert seen.headers == plain.headers
    assert seen.header("transfer-encoding" if chunked else framing) is not None


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("body", [None, b"", ""])
def test_no_body_is_sent_as_it_would_have_been(method: str, body: bytes | None) -> None:
    with LoopbackServer() as server:
        urllib3.request(method, server.url + "/v1/x", body=body)
        with hooked(RecordingGate()):
            urllib3.request(method, server.url + "/v1/x", body=body)

        plain, seen = server.received
    assert seen.headers == plain.headers


def test_a_body_that_cannot_be_read_first_passes_and_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "LARGEST_BODY", 4)
    gate = RecordingGate()
    with LoopbackServer() as server, hooked(gate):
        url = server.url + "/v1/x"
        answer = urllib3.request("POST", url + "?key=secret", body=iter([b"one ", b"two"])).data

    assert (answer, gate.asked) == (b"one two", [])
    assert gate.passes == [(f"POST {url}", "its body is too large to be read first")]


def test_a_file_is_sent_from_where_it_is_said_to_begin() -> None:
    gate = RecordingGate()
    with LoopbackServer() as server, hooked(gate):
        with HTTPConnectionPool(server.host, server.port) as pool:
            pool.urlopen("POST", "/v1/x", body=io.BytesIO(b"skipped body"), body_pos=8)

        assert [received.body for received in server.received] == [b"body"]
    assert gate.asked[0].body == b"body"


def test_a_body_sent_several_times_is_the_same_each_time() -> None:
    with LoopbackServer() as server, hooked(RepeatingGate(3)):
        urllib3.request("POST", server.url + "/v1/x", body=iter([b"one ", b"two"]))

        assert [received.body for received in server.received] == [b"one two"] * 3


def test_a_body_in_parts_goes_out_in_its_parts() -> None:
    with LoopbackServer() as server, hooked(TeeGate()):
        urllib3.request("POST", server.url + "/v1/x", body=["one ", b"", b"two"])

        assert [received.chunks for received in server.received] == [(b"one ", b"two")]


# --- the pool


def test_a_hit_touches_no_pool() -> None:
    with hooked(HitGate(KEPT)), HTTPConnectionPool("a.test", maxsize=3, block=True) as pool:
        held = [pool.urlopen("POST", "/v1/x", preload_content=False) for _ in range(5)]
        read = [pool.urlopen("POST", "/v1/x").data for _ in range(5)]

        assert (free(pool), pool.num_connections, pool.num_requests) == (3, 0, 0)
        assert [response.read() for response in held] == read == [b"kept"] * 5
        assert free(pool) == 3


def closed_and_given_back(response: urllib3.BaseHTTPResponse) -> None:
    response.close()
    response.release_conn()


# What is done with a stream that nobody has read, and that holds the only connection of its pool.
LEAVING: dict[str, Callable[[urllib3.BaseHTTPResponse], None]] = {
    "let go": lambda _: None,
    "closed": operator.methodcaller("close"),
    "closed and given back": closed_and_given_back,
    "given back": operator.methodcaller("release_conn"),
    "drained": operator.methodcaller("drain_conn"),
}


@pytest.mark.parametrize("chunks", [EVENTS, (b"",)], ids=["a stream", "no body"])
@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_who_leaves_a_response_leaves_its_connection_as_without_us(
    leave: Callable[[urllib3.BaseHTTPResponse], None], chunks: tuple[bytes, ...]
) -> None:
    """Given a live response that holds its connection, when it is left, then slot and socket go alike."""

    def left(gate: Gate) -> tuple[int, bool, int, bool]:
        with LoopbackServer() as server, hooked(gate):
            server.script("/v1/x", Script(headers=SSE, chunks=chunks))
            with HTTPConnectionPool(server.host, server.port, maxsize=1) as pool:
                response = pool.urlopen("POST", "/v1/x", preload_content=False)
                taken, connection = free(pool), response.connection
                assert connection is not None
                leave(response)
                gc.disable()  # without the collector: nothing may go round in a circle
                try:
                    del response
                    return taken, connection.is_closed, free(pool), connection in held(pool)
                finally:
                    gc.enable()

    assert left(TeeGate()) == left(RefusingGate())


def test_releasing_what_is_read_to_its_end_is_harmless() -> None:
    with (
        LoopbackServer() as server,
        hooked(TeeGate()),
        HTTPConnectionPool(server.host, server.port, maxsize=1, block=True) as pool,
    ):
        for _ in range(3):
            response = pool.urlopen("POST", "/v1/x", body=b"x", preload_content=False)
            response.drain_conn()
            response.release_conn()

        assert (free(pool), server.connections) == (1, 1)


class BrokenGate(TeeGate):
    """Sends, and breaks where the body is asked for."""

    def answer(self, request: Request, send: Send) -> Reply:
        def broken() -> Iterator[bytes]:
            raise LookupError("broken")
            yield b""

        return replace(super().answer(request, send), chunks=broken())


@pytest.mark.parametrize("preload", [True, False])
def test_what_cannot_be_made_a_response_holds_no_connection(*, preload: bool) -> None:
    with LoopbackServer() as server, hooked(BrokenGate()):
        server.script("/v1/x", Script(status=204))
        with HTTPConnectionPool(server.host, server.port, maxsize=1, block=True) as pool:
            with pytest.raises(LookupError, match="broken"):
                pool.urlopen("POST", "/v1/x", preload_content=preload)

            assert free(pool) == 1


def test_a_response_that_was_given_back_is_not_shut_down() -> None:
    with LoopbackServer() as server, hooked(TeeGate()):
        response = urllib3.request("POST", server.url + "/v1/x", preload_content=False)
        response.drain_conn()

        with pytest.raises(RuntimeError, match="already been released"):
            response.shutdown()


def test_a_stream_can_be_shut_down_from_another_thread() -> None:
    def ended(gate: Gate) -> str:
        with LoopbackServer() as server, hooked(gate):
            url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
            response = urllib3.request("POST", url, preload_content=False)
            chunks = response.stream()
            first = next(chunks)
            stopper = threading.Timer(0.05, response.shutdown)
            stopper.start()
            with pytest.raises(urllib3.exceptions.ProtocolError) as caught:
                next(chunks)
            stopper.join()
            response.close()
            return f"{first!r} {caught.value}"

    assert ended(TeeGate()) == ended(RefusingGate())


def test_a_connection_is_not_let_go_while_it_is_read() -> None:
    """Given a caller that releases at once, then what it streams is not cut by its next call."""
    with (
        LoopbackServer() as server,
        hooked(TeeGate()),
        HTTPConnectionPool(server.host, server.port, maxsize=1) as pool,
    ):
        server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
        stream = pool.urlopen("POST", "/v1/x", preload_content=False, release_conn=True)
        chunks = stream.stream()
        first = next(chunks)
        other = pool.urlopen("POST", "/v1/y", body=b"other").data
        server.release(2)

        assert ((first, *chunks), other) == (EVENTS, b"other")
