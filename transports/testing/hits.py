"""What a hit is to the client, and to its pool."""

# ruff: noqa: S101, D102, PLR2004 - these are tests: they assert, and the name is the claim

from __future__ import annotations

import gzip

import pytest

from cachesaver.exchange import Response
from cachesaver.transports.gates import HitGate
from cachesaver.transports.loopback import LoopbackServer, Script
from cachesaver.transports.testing.scenes import EVENTS, JSON, SSE, Contract

__all__ = ["Hits"]


class Hits(Contract):
    """What a hit is to the client, and to its pool."""

    def test_a_hit_opens_no_connection(self) -> None:
        with self.scene(HitGate(Response(status=200, chunks=(b"kept",)))) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

            assert (answer.status, answer.body) == (200, b"kept")
            assert server.connections == 0

    def test_a_hit_needs_nobody_to_listen(self) -> None:
        with LoopbackServer() as server:
            url = server.url

        with self.hooked(HitGate(Response(status=200, chunks=(b"kept",)))), self.caller() as caller:
            answer = caller.request("POST", url + "/v1/x", body=b"{}")

        assert answer.body == b"kept"

    def test_a_hit_shows_status_and_headers(self) -> None:
        headers = (("Content-Type", "application/json"), ("x-request-id", "r1"), ("x-two", "2"))
        gate = HitGate(Response(status=429, headers=headers, chunks=(b'{"e":1}',)))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert answer.status == 429
        assert [answer.header(name) for name, _ in headers] == [value for _, value in headers]

    def test_stale_framing_headers_of_a_hit_do_no_harm(self) -> None:
        headers = (("Content-Length", "999"), ("Transfer-Encoding", "chunked"), *JSON)
        gate = HitGate(Response(status=200, headers=headers, chunks=(b'{"a"', b":1}")))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert answer.body == b'{"a":1}'
        assert answer.header("content-length") in {None, "7"}

    def test_a_hit_that_is_still_compressed_is_decoded_by_the_client(self) -> None:
        packed = gzip.compress(b"plain text")
        headers = (("Content-Encoding", "gzip"), ("Content-Length", "10"))
        gate = HitGate(Response(status=200, headers=headers, chunks=(packed[:7], packed[7:])))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert answer.body == b"plain text"

    def test_a_streamed_hit_keeps_its_seams(self) -> None:
        gate = HitGate(Response(status=200, headers=SSE, chunks=EVENTS))
        with (
            self.scene(gate) as (server, caller),
            caller.stream("POST", server.url + "/v1/x", body=b"{}") as chunks,
        ):
            assert tuple(chunks) == EVENTS

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_hit_without_a_body(self, status: int) -> None:
        with self.scene(HitGate(Response(status=status))) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert (answer.status, answer.body) == (status, b"")

    def test_a_hit_closed_early_leaves_the_client_usable(self) -> None:
        gate = HitGate(Response(status=200, headers=SSE, chunks=EVENTS))
        with self.scene(gate, connections=1) as (server, caller):
            for _ in range(3):
                with caller.stream("POST", server.url + "/v1/x", body=b"{}") as chunks:
                    assert next(chunks) == EVENTS[0]

            assert caller.request("POST", server.url + "/v1/x").body == b"".join(EVENTS)

    def test_a_hit_needs_no_free_connection(self) -> None:
        """Given a pool of one and a live stream on it, when a hit comes, then it is answered."""
        gate = HitGate(Response(status=200, chunks=(b"kept",)))
        with LoopbackServer() as server, self.caller(connections=1) as caller:
            url = server.script("/live", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
            with caller.stream("POST", url, body=b"{}") as chunks:
                assert next(chunks) == EVENTS[0]
                with self.hooked(gate):
                    assert caller.request("POST", server.url + "/v1/x").body == b"kept"
                server.release(2)
                assert tuple(chunks) == EVENTS[1:]
