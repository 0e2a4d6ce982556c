"""requests, which stands on urllib3, by the contract and by what is peculiar to it."""

from __future__ import annotations

import io
import json
import pickle
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from cachesaver.errors import CachesaverError
from cachesaver.exchange import Headers, Reply, Request, Response
from cachesaver.ports import Gate, Send, Transport
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import (
    PATIENCE,
    Answer,
    Body,
    Caller,
    CookieContract,
    FakeGate,
    HitGate,
    LoopbackServer,
    RaisingGate,
    RecordingGate,
    RefusingGate,
    Script,
    TeeGate,
)

JSON = (("Content-Type", "application/json"),)
SSE = (("Content-Type", "text/event-stream"),)
EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")


class RequestsCaller(Caller):
    def __init__(self, session: requests.Session) -> None:
        self.session = session

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        response = self.session.request(
            method, url, headers=dict(headers), data=body, timeout=timeout
        )
        return Answer(
            status=response.status_code,
            headers=tuple(response.headers.items()),
            body=response.content,
        )

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        with self.session.request(
            method, url, headers=dict(headers), data=body, stream=True
        ) as response:
            yield response.iter_content(None)

    def close(self) -> None:
        self.session.close()


class TestRequests(CookieContract):
    packages = ("requests", "urllib3")

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return urllib3

    def caller(self, *, connections: int | None = None) -> Caller:
        session = requests.Session()
        session.trust_env = False
        if connections is not None:
            session.mount("http://", HTTPAdapter(pool_maxsize=connections, pool_block=True))
        return RequestsCaller(session)


@contextmanager
def hooked(gate: Gate) -> Generator[None]:
    unhook = adapter.hook(urllib3, gate)
    try:
        yield
    finally:
        unhook()


def seen(response: requests.Response) -> tuple[object, ...]:
    """Return what a program can see of *response*, but for when it came and over which port."""
    return (
        *(response.status_code, response.reason, response.ok, response.encoding),
        *(list(response.headers.items()), response.content, response.text, response.links),
        *(response.apparent_encoding, response.is_redirect, response.cookies.get_dict()),
        *(response.raw.version, response.raw.reason, response.raw.closed, response.raw.tell()),
        *(response.request.method, response.request.body, len(response.history)),
    )


SCRIPTS = {
    "JSON": Script(headers=JSON, chunks=(b'{"answer": "caf\xc3\xa9"}',)),
    "events": Script(headers=SSE, chunks=EVENTS),
    "cookies": Script(headers=(("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"))),
    "links": Script(headers=(("Link", '</next>; rel="next"'),)),
    "old charset": Script(headers=(("Content-Type", "text/plain"),), chunks=(b"caf\xe9",)),
    "empty": Script(chunks=(b"",)),
    "204": Script(status=204),
    "304": Script(status=304, headers=(("ETag", "x"),)),
    "401": Script(status=401, headers=(("WWW-Authenticate", "Basic"), *JSON)),
    "500": Script(status=500, headers=JSON, chunks=(b"[1,", b"2]")),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
def test_live_miss_and_hit_are_one(name: str, *, stream: bool) -> None:
    with LoopbackServer() as server, requests.Session() as session:
        url = server.script("/v1/x", SCRIPTS[name])

        def asked(gate: Gate) -> tuple[object, ...]:
            session.cookies.clear()
            with hooked(gate), session.post(url, json={"q": 1}, stream=stream) as response:
                assert response.elapsed.total_seconds() >= 0
                assert response.url == url
                return (*seen(response), session.cookies.get_dict())

        live, miss = asked(RefusingGate()), asked(TeeGate())
        recording = RecordingGate()
        asked(recording)
        sent = len(server.received)
        hit = asked(HitGate(recording.recorded[0]))

        assert miss == hit == live
        assert len(server.received) == sent


READERS: dict[str, Callable[[requests.Response], object]] = {
    "content": lambda r: r.content,
    "pieces": lambda r: list(r.iter_content(4)),
    "chunks": lambda r: list(r.iter_content(None)),
    "text pieces": lambda r: list(r.iter_content(4, decode_unicode=True)),
    "lines": lambda r: list(r.iter_lines()),
    "short lines": lambda r: list(r.iter_lines(chunk_size=1)),
    "raw": lambda r: (r.raw.read(3), r.raw.read(), r.raw.read()),
    "raw stream": lambda r: list(r.raw.stream(5, decode_content=True)),
    "file": lambda r: io.BufferedReader(r.raw).readline(),
    "iterated": list,
    "read twice": lambda r: (r.content, list(r.iter_content(2))),
    "pickled": lambda r: pickle.loads(pickle.dumps(r)).content,  # noqa: S301 - our own
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["JSON", "events", "empty", "500"])
def test_every_way_to_read_reads_the_same(name: str, reader: str) -> None:
    with LoopbackServer() as server:
        url = server.script("/v1/x", SCRIPTS[name])
        read = READERS[reader]

        def asked(gate: Gate) -> object:
            with hooked(gate), requests.post(url, stream=True, timeout=PATIENCE) as response:
                return read(response)

        recording = RecordingGate()
        live, miss, _ = asked(RefusingGate()), asked(TeeGate()), asked(recording)
        hit = asked(HitGate(recording.recorded[0]))

    assert miss == hit == live


def test_lines_arrive_while_the_server_is_still_sending() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, hooked(gate):
        url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
        with requests.post(url, stream=True, timeout=PATIENCE) as response:
            lines = response.iter_lines()
            first = next(lines)  # iter_lines is one line late: the second comes with its end
            server.release(2)
            rest = [line for line in lines if line]

    assert [first, *rest] == [b"data: 1", b"data: 2", b"data: 3"]
    assert gate.tees[0].finished


def refused(server: LoopbackServer) -> None:
    server.close()
    requests.post(server.url + "/v1/x", timeout=PATIENCE)


def slow_head(server: LoopbackServer) -> None:
    requests.post(server.script("/v1/x", Script(holds_head=True)), timeout=0.1)


def slow_body(server: LoopbackServer) -> None:
    script = Script(headers=SSE, chunks=EVENTS, holds_chunks=True)
    requests.post(server.script("/v1/x", script), timeout=0.1)


def broken_body(server: LoopbackServer) -> None:
    script = Script(headers=SSE, chunks=EVENTS, breaks=True)
    requests.post(server.script("/v1/x", script), timeout=PATIENCE)


def short_body(server: LoopbackServer) -> None:
    script = Script(chunks=(b"short",), breaks=True)
    requests.post(server.script("/v1/x", script), timeout=PATIENCE)


def packed_badly(server: LoopbackServer) -> None:
    script = Script(headers=(("Content-Encoding", "gzip"),), chunks=(b"not gzip",))
    requests.post(server.script("/v1/x", script), timeout=PATIENCE)


def redirected_for_ever(server: LoopbackServer) -> None:
    script = Script(status=307, headers=(("Location", "/v1/x"),))
    requests.post(server.script("/v1/x", script), timeout=PATIENCE)


def not_ok(server: LoopbackServer) -> None:
    requests.post(server.script("/v1/x", Script(status=500)), timeout=PATIENCE).raise_for_status()


def not_json(server: LoopbackServer) -> None:
    requests.post(server.script("/v1/x", Script(chunks=(b"{",))), timeout=PATIENCE).json()


def bad_header(server: LoopbackServer) -> None:
    requests.post(server.url + "/v1/x", headers={"X": "a\nb"}, timeout=PATIENCE)


FAILURES = (
    *(refused, slow_head, slow_body, broken_body, short_body, packed_badly),
    *(redirected_for_ever, not_ok, not_json, bad_header),
)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_a_failure_is_requests_own(failure: Callable[[LoopbackServer], None]) -> None:
    def told() -> tuple[object, ...]:
        with LoopbackServer() as server, pytest.raises(requests.RequestException) as caught:
            failure(server)
        cause: object = caught.value.args[0]
        return (type(caught.value), type(caught.value.__context__), type(cause))

    live = told()

    with hooked(TeeGate()):
        assert told() == live


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_gate_raises_is_not_dressed_up(*, stream: bool) -> None:
    error = CachesaverError("not recorded")
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(5, allowed_methods=None)))

    with hooked(RaisingGate(error)), pytest.raises(CachesaverError) as caught:
        session.post("http://a.test/v1/x", json={}, stream=stream)

    assert caught.value is error


def test_an_adapter_of_somebodys_own_is_seen() -> None:
    class Signing(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            request.headers["X-Signed"] = "yes"
            return super().send(request, *args, **kwargs)

    gate = HitGate(Response(status=200, chunks=(b"kept",)))
    with requests.Session() as session, hooked(gate):
        session.mount("http://", Signing())
        assert session.post("http://a.test/v1/x", data=b"{}").content == b"kept"

    assert gate.asked[0].header("x-signed") == "yes"


def test_an_upload_is_seen_as_it_goes_out() -> None:
    gate = RecordingGate()
    with LoopbackServer() as server, hooked(gate):
        requests.post(
            server.url + "/v1/files",
            files={"file": ("a.txt", io.BytesIO(b"content"))},
            data={"purpose": "test"},
            timeout=PATIENCE,
        )

        (received,) = server.received
    assert gate.asked[0].body == received.body
    assert gate.asked[0].header("content-type") == received.header("content-type")


def test_a_file_is_sent_as_it_would_have_been() -> None:
    with LoopbackServer() as server:
        url = server.url + "/v1/files"
        requests.post(url, data=io.BytesIO(b"content"), timeout=PATIENCE)
        with hooked(RecordingGate()):
            requests.post(url, data=io.BytesIO(b"content"), timeout=PATIENCE)

        plain, miss = server.received
    assert (miss.headers, miss.body) == (plain.headers, plain.body)


class Halves(FakeGate):
    """Answers questions with an even number itself, and sends the others."""

    def answer(self, request: Request, send: Send) -> Reply:
        if json.loads(request.body)["number"] % 2 == 0:
            return HitGate(Response(status=200, chunks=(request.body,))).answer(request, send)
        return super().answer(request, send)


def test_fifty_threads_share_a_session() -> None:
    """Given one session with ten connections, each of fifty threads gets its own answers."""
    gate, here = Halves(), threading.Barrier(50)
    with LoopbackServer() as server, hooked(gate), requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=10, pool_block=True))

        def work(thread: int) -> list[int]:
            here.wait(PATIENCE)
            return [ask(number) for number in range(thread * 10, thread * 10 + 10)]

        def ask(number: int) -> int:
            question = {"number": number}
            with session.post(
                server.url + "/v1/x", json=question, stream=number % 3 == 0
            ) as answer:
                return int(answer.json()["number"])

        with ThreadPoolExecutor(50) as threads:
            numbers = [number for done in threads.map(work, range(50)) for number in done]

        sent = sorted(json.loads(received.body)["number"] for received in server.received)
        assert (numbers, sent) == (list(range(500)), list(range(1, 500, 2)))
        assert server.connections <= 10
