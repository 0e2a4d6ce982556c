"""What goes out on a miss, what the gate sees of it, and what comes back."""

# ruff: noqa: S101, D102 - these are tests: they assert, and the name is the claim

from __future__ import annotations

import gzip
import io
from collections.abc import Callable

import pytest

from cachesaver.exchange import Headers, Request, without_headers
from cachesaver.transports.gates import FakeGate, RecordingGate, RefusingGate, TeeGate
from cachesaver.transports.loopback import LoopbackServer, Received, Script
from cachesaver.transports.testing.callers import Body
from cachesaver.transports.testing.scenes import JSON, Contract

__all__ = ["Misses"]


class Misses(Contract):
    """What goes out on a miss, what the gate sees of it, and what comes back."""

    def test_a_miss_sends_what_would_have_been_sent(self) -> None:
        with LoopbackServer() as server, self.caller() as caller:
            for gate in (RefusingGate(), FakeGate(), RecordingGate(), TeeGate()):
                with self.hooked(gate):
                    caller.request(
                        "POST",
                        server.url + "/v1/x%2Fy?key=a%20b&z=%C3%A9",
                        headers=(*JSON, ("X-Mine", "1"), ("Authorization", "Bearer t")),
                        body='{"q": "é"}'.encode(),
                    )

            plain, *hooked = [_wire(received) for received in server.received]
            assert hooked == [plain] * 3

    def test_the_gate_sees_the_request_as_it_goes_out(self) -> None:
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            caller.request(
                "POST",
                server.url + "/v1/x%2Fy?key=a%20b",
                headers=(*JSON, ("X-Mine", "1")),
                body=b'{"q":1}',
            )

            (asked,) = gate.asked
            assert (asked.method, asked.body) == ("POST", b'{"q":1}')
            assert asked.url == server.url + server.received[0].target
            assert (asked.header("x-mine"), asked.header("content-type")) == (
                "1",
                "application/json",
            )
            method, host, path = gate.looked[0]
            assert (method.upper(), host, path.partition("?")[0]) == (
                "POST",
                "127.0.0.1",
                "/v1/x%2Fy",
            )

    def test_one_call_is_seen_once(self) -> None:
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            caller.request("POST", server.url + "/v1/x", body=b"{}")

            assert (len(gate.asked), len(server.received)) == (1, 1)

    def test_a_miss_shows_what_came(self) -> None:
        gate = TeeGate()
        script = Script(status=418, headers=(*JSON, ("x-request-id", "r1")), chunks=(b"short",))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.script("/v1/x", script), body=b"{}")

        assert (answer.status, answer.body) == (418, b"short")
        assert (answer.header("x-request-id"), answer.header("content-length")) == ("r1", "5")
        assert (gate.tees[0].chunks, gate.tees[0].finished) == ([b"short"], True)

    def test_a_gate_sees_the_body_as_it_was_encoded(self) -> None:
        packed = gzip.compress(b"plain text", mtime=0)
        script = Script(headers=(("Content-Encoding", "gzip"),), chunks=(packed,))
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.script("/v1/x", script), body=b"{}")

        assert answer.body == b"plain text"
        assert gate.recorded[0].body == packed
        assert gate.recorded[0].header("content-encoding") == "gzip"

    def test_a_request_the_gate_has_changed_goes_out_changed(self) -> None:
        def change(request: Request) -> Request:
            changed = request.with_body(b'{"n": 3}')
            headers = without_headers(changed.headers, ("x-mine",))
            return Request(
                method=changed.method, url=changed.url, headers=headers, body=changed.body
            )

        with self.scene(RecordingGate(change)) as (server, caller):
            caller.request("POST", server.url + "/v1/x", headers=(("X-Mine", "1"),), body=b"{}")

            (received,) = server.received
            assert (received.body, received.header("content-length")) == (b'{"n": 3}', "8")
            assert received.header("x-mine") is None
            assert received.header("host") == f"127.0.0.1:{server.port}"

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_miss_without_a_body(self, status: int) -> None:
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(status=status))
            answers = [caller.request("POST", url, body=b"{}") for _ in range(2)]

            assert [(a.status, a.body) for a in answers] == [(status, b"")] * 2
            assert (len(gate.asked), server.connections) == (2, 1)

    def test_a_redirect_is_followed_by_the_client(self) -> None:
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/old", Script(status=307, headers=(("Location", "/new"),)))
            answer = caller.request("POST", url, body=b"carried")

            assert (answer.status, answer.body) == (200, b"carried")
            assert [r.target for r in server.received] == ["/old", "/new"]
            assert [r.status for r in gate.recorded] == [307, 200]

    @pytest.mark.parametrize(
        "form", [lambda: iter((b"one ", b"two")), lambda: io.BytesIO(b"one two")]
    )
    def test_a_body_that_is_read_once_arrives_whole(self, form: Callable[[], Body]) -> None:
        """Given a generator or a file, it is read once; the gate gets it, or is told why not."""
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=form())

            assert answer.body == b"one two"
            assert [r.body for r in server.received] == [b"one two"]
            assert [a.body for a in gate.asked] == ([] if gate.passes else [b"one two"])

    def test_a_head_request_passes(self) -> None:
        gate = FakeGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("HEAD", server.url + "/v1/x")

            assert (answer.status, answer.body, gate.asked) == (200, b"", [])
            assert [r.method for r in server.received] == ["HEAD"]


def _wire(received: Received) -> tuple[str, str, Headers, bytes]:
    return received.method, received.target, received.headers, received.body
