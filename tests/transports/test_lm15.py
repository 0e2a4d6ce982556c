"""lm15's own HTTP stack, blocking and async, by the contract; DSPy carries it inside."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

import pytest
from lm15 import transports

from cachesaver.exchange import Headers, Response
from cachesaver.ports import Transport
from cachesaver.transports import lm15 as adapter
from cachesaver.transports.testing import (
    PATIENCE,
    Answer,
    Body,
    Caller,
    FakeGate,
    HitGate,
    LoopbackServer,
    RecordingGate,
    Script,
    TeeGate,
    TransportContract,
)

EVENTS = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
SSE = (("Content-Type", "text/event-stream"),)
KEPT = Response(status=200, chunks=(b"kept",))
REDIRECTS = {301: "GET", 302: "GET", 303: "GET", 307: "", 308: ""}
"""And the method one goes on with; empty where it stays."""


def whole(body: Body) -> bytes:
    """Return *body* as lm15 takes it: bytes, nothing else."""
    if isinstance(body, bytes):
        return body
    read: Any = getattr(body, "read", None)
    return bytes(read()) if read is not None else b"".join(body)


def made(method: str, url: str, headers: Headers, body: bytes, timeout: float) -> Any:
    return transports.TransportRequest(
        method=method, url=url, headers=list(headers), body=body, read_timeout=timeout
    )


def answered(response: Any, body: bytes) -> Answer:
    return Answer(status=response.status, headers=tuple(response.headers), body=body)


def onward(sent: Any, answer: Answer) -> Any:
    """Return the request that *answer* to *sent* redirects to, or None."""
    if answer.status not in REDIRECTS:
        return None
    method = REDIRECTS[answer.status]
    return transports.TransportRequest(
        method=method or sent.method,
        url=urljoin(sent.url, answer.header("location")),
        headers=sent.headers,
        body=b"" if method else sent.body,
        read_timeout=sent.read_timeout,
    )


def pool(connections: int | None) -> dict[str, Any]:
    return {} if connections is None else {"max_connections": connections, "pool_timeout": PATIENCE}


class Lm15Caller(Caller):
    """Follows redirects itself: lm15 follows none."""

    def __init__(self, transport: transports.StdlibTransport) -> None:
        self.transport = transport

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        sent = made(method, url, headers, whole(body), timeout)
        while True:
            with self.transport.stream(sent) as response:
                answer = answered(response, response.read())
            if (sent := onward(sent, answer)) is None:
                return answer

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        sent = made(method, url, headers, whole(body), PATIENCE)
        with self.transport.stream(sent) as response:
            yield iter(response)

    def close(self) -> None:
        self.transport.close()


class AsyncLm15Caller(Caller):
    def __init__(self, connections: int | None) -> None:
        self.runner = asyncio.Runner()
        self.transport = transports.StdlibAsyncTransport(**pool(connections))

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        return self.runner.run(self._request(made(method, url, headers, whole(body), timeout)))

    async def _request(self, sent: Any) -> Answer:
        while True:
            async with self.transport.stream(sent) as response:
                answer = answered(response, await response.read())
            if (sent := onward(sent, answer)) is None:
                return answer

    @contextmanager
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> Generator[Iterator[bytes], None, None]:
        opened = self.transport.stream(made(method, url, headers, whole(body), PATIENCE))
        response = self.runner.run(opened.__aenter__())
        chunks = aiter(response)

        async def following() -> bytes | None:
            return await anext(chunks, None)

        try:
            yield iter(lambda: self.runner.run(following()), None)
        finally:
            self.runner.run(response.aclose())

    def close(self) -> None:
        self.runner.run(self.transport.aclose())
        self.runner.close()


class Lm15Contract(TransportContract):
    packages = ("lm15",)

    def transport(self) -> Transport:
        return adapter

    def module(self) -> ModuleType:
        return transports

    def test_a_gate_sees_the_body_as_it_was_encoded(self) -> None:
        """Given that lm15 decodes below its transports, then the gate sees it decoded, and told so."""
        headers = (("Content-Encoding", "gzip"), ("x-request-id", "r1"))
        script = Script(headers=headers, chunks=(gzip.compress(b"plain text"),))
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.script("/v1/x", script), body=b"{}")

        assert answer.body == gate.recorded[0].body == b"plain text"
        assert gate.recorded[0].header("content-encoding") is None
        assert gate.recorded[0].header("x-request-id") == "r1"


class TestLm15(Lm15Contract):
    def caller(self, *, connections: int | None = None) -> Caller:
        return Lm15Caller(transports.StdlibTransport(**pool(connections)))


class TestAsyncLm15(Lm15Contract):
    def caller(self, *, connections: int | None = None) -> Caller:
        return AsyncLm15Caller(connections)

    def test_a_body_that_breaks_off_is_the_clients_own(self) -> None:
        """Given that asyncio drops what it holds when a connection is reset, a piece is read first."""
        gate = TeeGate()
        with LoopbackServer() as server, self.caller() as caller:
            script = Script(headers=SSE, chunks=EVENTS, breaks=True, holds_chunks=True)
            url = server.script("/v1/x", script)

            def call() -> None:
                with caller.stream("POST", url, body=b"{}") as chunks:
                    next(chunks)
                    server.release(len(EVENTS) - 1)
                    list(chunks)

            plain, hooked = self.errors(call, gate)

        assert type(hooked) is type(plain)
        assert gate.tees[0].error is not None
        assert not gate.tees[0].finished


# --- which calls are ours


def test_what_the_gate_does_not_want_is_sent_as_it_was() -> None:
    """Given HEAD, an address without a host, or a closed transport, then the gate is not asked."""
    gate = HitGate(KEPT)
    undo = adapter.hook(transports, gate)
    try:
        with LoopbackServer() as server, transports.StdlibTransport() as transport:
            with transport.stream(made("HEAD", server.url + "/v1/x", (), b"", PATIENCE)) as head:
                assert head.status == 200
            with pytest.raises(ValueError, match="missing host"):
                transport.stream(made("POST", "http:///v1/x", (), b"", PATIENCE))
            with pytest.raises(ValueError, match="IPv6"):
                transport.stream(made("POST", "http://[::1/v1/x", (), b"", PATIENCE))
            transport.close()
            with pytest.raises(transports.TransportError, match="closed"):
                transport.stream(made("POST", server.url, (), b"", PATIENCE))
    finally:
        undo()

    assert gate.asked == []


@pytest.mark.parametrize(
    ("coding", "chunk"), [("gzip", b"no gzip at all"), ("compress", b"anything")]
)
def test_an_answer_that_cannot_be_decoded_is_an_error_of_the_protocol(
    coding: str, chunk: bytes
) -> None:
    headers = (("content-encoding", coding),)
    undo = adapter.hook(transports, HitGate(Response(status=200, headers=headers, chunks=(chunk,))))
    try:
        with transports.StdlibTransport() as transport:
            response = transport.stream(made("POST", "http://127.0.0.1:9/", (), b"", PATIENCE))
            with pytest.raises(transports.ProtocolError):
                response.read()
    finally:
        undo()


def test_a_mock_below_us_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a test that has put a function of its own there, then that is what answers."""
    answer = object()

    def stream(*_: object) -> object:
        return answer

    monkeypatch.setattr(transports.StdlibTransport, "stream", stream)
    undo = adapter.hook(transports, gate := FakeGate())
    try:
        transport = transports.StdlibTransport()
        found = transport.stream(made("POST", "http://127.0.0.1:9/", (), b"", PATIENCE))
    finally:
        undo()

    assert found is answer
    assert gate.asked == []
