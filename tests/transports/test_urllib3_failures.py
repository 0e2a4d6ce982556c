"""What goes wrong with a call of urllib3 goes wrong as it would have: retried, redirected, raised."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import urllib3
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError

from cachesaver.errors import CachesaverError
from cachesaver.exchange import Reply, Request, Response
from cachesaver.ports import Gate, Send
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import (
    FakeGate,
    HitGate,
    LoopbackServer,
    RecordingGate,
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


# --- retries and redirects


class Flaky(LoopbackServer):
    """Answers the first requests by *first*, one after the other, and the rest with their body."""

    def __init__(self, *first: Script) -> None:
        super().__init__()
        self._http.scripts = _InTurn({str(number): each for number, each in enumerate(first)})


class _InTurn(dict[str, Script]):
    def get(self, key: str, default: Any = None) -> Any:
        return self.pop(next(iter(self), ""), default)


RETRY = urllib3.Retry(3, status_forcelist=[503], allowed_methods=None, backoff_factor=0)


@pytest.mark.parametrize("preload", [True, False])
def test_a_retry_inside_of_urllib3_is_not_asked_for_again(*, preload: bool) -> None:
    gate = TeeGate()
    with (
        Flaky(Script(status=503)) as server,
        hooked(gate),
        HTTPConnectionPool(server.host, server.port, maxsize=1, block=True) as pool,
    ):
        response = pool.urlopen(
            "POST", "/v1/x", body=b"body", retries=RETRY, preload_content=preload
        )
        answer = response.data

        assert (answer, len(server.received), len(gate.asked)) == (b"body", 2, 1)
        assert free(pool) == 1
    assert response.retries is not None
    assert [entry.status for entry in response.retries.history] == [503]


def test_a_redirect_inside_of_urllib3_is_not_asked_for_again() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        server.script("/old", Script(status=303, headers=(("Location", "/new"),)))
        with HTTPConnectionPool(server.host, server.port) as pool:
            response = pool.urlopen("POST", "/old", body=b"body")

        assert [(r.method, r.target) for r in server.received] == [
            ("POST", "/old"),
            ("GET", "/new"),
        ]
    assert (len(gate.asked), response.geturl()) == (1, "/new")


@pytest.mark.parametrize("gate", [TeeGate, RecordingGate])
@pytest.mark.parametrize("form", [lambda: b"body", lambda: io.BytesIO(b"body")])
def test_a_body_that_breaks_off_is_asked_for_again_where_urllib3_would(
    gate: Callable[[], FakeGate], form: Callable[[], Any]
) -> None:
    with Flaky(Script(chunks=(b"one", b"two"), breaks=True)) as server, hooked(gate()):
        with HTTPConnectionPool(server.host, server.port) as pool:
            response = pool.urlopen("POST", "/v1/x", body=form(), retries=RETRY)

        assert [received.body for received in server.received] == [b"body", b"body"]
    assert response.data == b"body"
    assert response.retries is not None
    assert len(response.retries.history) == 1


def test_what_was_retried_before_a_body_broke_off_is_not_forgotten() -> None:
    broken = Script(chunks=(b"one", b"two"), breaks=True)
    with (
        Flaky(Script(status=503), broken) as server,
        hooked(TeeGate()),
        HTTPConnectionPool(server.host, server.port) as pool,
    ):
        response = pool.urlopen("POST", "/v1/x", body=b"body", retries=RETRY)

    assert response.retries is not None
    assert [entry.status for entry in response.retries.history] == [503, None]


def test_a_body_that_breaks_off_is_not_asked_for_again_where_urllib3_would_not() -> None:
    gate = TeeGate()
    with Flaky(Script(chunks=(b"one", b"two"), breaks=True)) as server, hooked(gate):
        with pytest.raises(urllib3.exceptions.ProtocolError):
            urllib3.request("POST", server.url + "/v1/x", body=b"body")

        assert (len(server.received), len(gate.asked)) == (1, 1)


class InTurn(FakeGate):
    """Answers with one response after the other, and never sends."""

    def __init__(self, *responses: Response) -> None:
        super().__init__()
        self._gates = iter([HitGate(response) for response in responses])

    def answer(self, request: Request, send: Send) -> Reply:
        self.asked.append(request)
        return next(self._gates).answer(request, send)


def test_a_recorded_failure_is_retried_as_a_live_one() -> None:
    gate = InTurn(Response(status=503), KEPT)
    with hooked(gate), HTTPConnectionPool("a.test") as pool:
        response = pool.urlopen("POST", "/v1/x", body=io.BytesIO(b"body"), retries=RETRY)

    assert (response.data, [asked.body for asked in gate.asked]) == (b"kept", [b"body"] * 2)


def test_recorded_failures_wear_patience_out_as_live_ones() -> None:
    gentle = RETRY.new(raise_on_status=False)
    failures = [Response(status=503, chunks=(b"busy",))] * 4

    with (
        hooked(InTurn(*failures)),
        HTTPConnectionPool("a.test") as pool,
        pytest.raises(MaxRetryError, match="too many 503 error responses"),
    ):
        pool.urlopen("POST", "/v1/x", retries=RETRY)
    with hooked(InTurn(*failures)), HTTPConnectionPool("a.test") as pool:
        assert pool.urlopen("POST", "/v1/x", retries=gentle).data == b"busy"


# --- failure: what is raised live is raised


def refused(server: LoopbackServer) -> None:
    server.close()
    urllib3.request("POST", server.url + "/v1/x", body=b"{}", retries=1)


def refused_at_once(server: LoopbackServer) -> None:
    server.close()
    urllib3.request("POST", server.url + "/v1/x", body=b"{}", retries=False)


def unknown_host(_: LoopbackServer) -> None:
    urllib3.request("POST", "http://nobody.invalid/v1/x", body=b"{}", retries=False)


def slow_head(server: LoopbackServer) -> None:
    url = server.script("/v1/x", Script(holds_head=True))
    urllib3.request("POST", url, body=b"{}", timeout=0.1)


def slow_head_retried(server: LoopbackServer) -> None:
    url = server.script("/v1/x", Script(holds_head=True))
    urllib3.request("GET", url, timeout=0.1, retries=1)


def slow_body(server: LoopbackServer) -> None:
    url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
    urllib3.request("POST", url, body=b"{}", timeout=0.5)


def slow_stream(server: LoopbackServer) -> None:
    url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
    response = urllib3.request("POST", url, body=b"{}", timeout=0.5, preload_content=False)
    try:
        list(response.stream())
    finally:
        response.close()


def pool_full(server: LoopbackServer) -> None:
    server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
    with HTTPConnectionPool(server.host, server.port, maxsize=1, block=True) as pool:
        stream = pool.urlopen("POST", "/v1/x", preload_content=False)
        try:
            pool.urlopen("POST", "/v1/y", pool_timeout=cast("int", 0.01))
        finally:
            stream.close()
            stream.release_conn()


def pool_closed(server: LoopbackServer) -> None:
    pool = HTTPConnectionPool(server.host, server.port)
    pool.close()
    pool.urlopen("POST", "/v1/x")


def other_host(server: LoopbackServer) -> None:
    with HTTPConnectionPool(server.host, server.port) as pool:
        pool.urlopen("POST", "http://b.test/v1/x")


def no_url(server: LoopbackServer) -> None:
    with HTTPConnectionPool(server.host, server.port) as pool:
        pool.urlopen("POST", "http://[:/v1/x")


def bad_header(server: LoopbackServer) -> None:
    urllib3.request("POST", server.url + "/v1/x", headers={"X": "a\nb"})


def bad_header_text(server: LoopbackServer) -> None:
    urllib3.request("POST", server.url + "/v1/x", headers={"X": "\u20ac"})


def bad_body(server: LoopbackServer) -> None:
    urllib3.request("POST", server.url + "/v1/x", body=cast("Any", 5))


def bad_part(server: LoopbackServer) -> None:
    urllib3.request("POST", server.url + "/v1/x", body=cast("Any", iter([b"a", 5])))


def bad_option(server: LoopbackServer) -> None:
    cast("Any", urllib3).request("POST", server.url + "/v1/x", no_such_option=1)


def no_rewinding(server: LoopbackServer) -> None:
    with HTTPConnectionPool(server.host, server.port) as pool:
        pool.urlopen("POST", "/v1/x", body=iter([b"a"]), body_pos=1)


def redirected_for_ever(server: LoopbackServer) -> None:
    url = server.script("/v1/x", Script(status=307, headers=(("Location", "/v1/x"),)))
    urllib3.request("POST", url, retries=2)


FAILURES = (
    *(refused, refused_at_once, unknown_host, slow_head, slow_head_retried, slow_body, slow_stream),
    *(pool_full, pool_closed, other_host, no_url, bad_header, bad_header_text, bad_body, bad_part),
    *(bad_option, no_rewinding, redirected_for_ever),
)


def told(failure: Callable[[LoopbackServer], None]) -> tuple[object, ...]:
    with LoopbackServer() as server, pytest.raises(Exception) as caught:  # noqa: PT011 - any
        failure(server)
    reason: object = getattr(caught.value, "reason", None)
    text = str(caught.value).replace(str(server.port), "PORT")
    # Live, a body that is read at once does not know its pool yet.
    text = text.replace(f"HTTPConnectionPool(host='{server.host}', port=PORT): Read", "None: Read")
    return (type(caught.value), type(reason), text.partition(" object at ")[0])


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_a_failure_is_urllib3s_own(failure: Callable[[LoopbackServer], None]) -> None:
    live = told(failure)

    with hooked(TeeGate()):
        miss = told(failure)

    assert miss == live


@pytest.mark.parametrize("failure", [pool_closed, other_host, no_url])
def test_a_call_that_would_not_have_been_sent_is_no_hit(
    failure: Callable[[LoopbackServer], None],
) -> None:
    live = told(failure)

    with hooked(HitGate(KEPT)):
        assert told(failure) == live


def test_what_the_gate_raises_while_the_body_is_read_is_seen() -> None:
    class Breaking(FakeGate):
        def answer(self, request: Request, send: Send) -> Reply:
            def chunks() -> Iterator[bytes]:
                yield b"one"
                raise CachesaverError("damaged")

            return Reply(status=200, headers=(), chunks=chunks(), close=lambda: None)

    with hooked(Breaking()):
        with pytest.raises(CachesaverError, match="damaged"):
            urllib3.request("POST", "http://a.test/v1/x")
        response = urllib3.request("POST", "http://a.test/v1/x", preload_content=False)
        stream = response.stream()
        assert next(stream) == b"one"
        with pytest.raises(CachesaverError, match="damaged"):
            next(stream)
