"""Answers that arrive bit by bit, and those that fail."""

# ruff: noqa: S101, D102 - these are tests: they assert, and the name is the claim

from __future__ import annotations

import functools

import pytest

from cachesaver.errors import CachesaverError
from cachesaver.transports.gates import FakeGate, RaisingGate, RecordingGate, RepeatingGate, TeeGate
from cachesaver.transports.loopback import LoopbackServer, Script
from cachesaver.transports.testing.scenes import EVENTS, SSE, Contract

__all__ = ["Streams"]


class Streams(Contract):
    """Answers that arrive bit by bit, and those that fail."""

    def test_a_stream_is_never_held_back(self) -> None:
        """Given a server that sends a chunk only when the one before was read, it flows."""
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
            with caller.stream("POST", url, body=b"{}") as chunks:
                for event in EVENTS:
                    assert next(chunks) == event
                    server.release()
                assert next(chunks, None) is None

        assert (tuple(gate.tees[0].chunks), gate.tees[0].finished) == (EVENTS, True)

    def test_closing_early_closes_the_upstream_reply(self) -> None:
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
            with caller.stream("POST", url, body=b"{}") as chunks:
                assert next(chunks) == EVENTS[0]

            assert server.wait_closed(1)

        assert (gate.tees[0].closed, gate.tees[0].finished) == (True, False)

    def test_a_stream_read_to_its_end_is_closed(self) -> None:
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS))
            with caller.stream("POST", url, body=b"{}") as chunks:
                assert b"".join(chunks) == b"".join(EVENTS)

        assert (gate.tees[0].closed, gate.tees[0].finished) == (True, True)

    def test_a_timeout_is_the_clients_own(self) -> None:
        with LoopbackServer() as server, self.caller() as caller:
            url = server.script("/v1/x", Script(holds_head=True))
            for timeout in (0.2, 4.0):  # a busy machine may be slow to connect, which has its own
                send = functools.partial(caller.request, "POST", url, body=b"{}", timeout=timeout)
                plain, hooked = self.errors(send, FakeGate())
                if type(hooked) is type(plain):
                    return

        raise AssertionError(f"{plain!r} without us, and {hooked!r}")

    def test_a_refused_connection_is_the_clients_own(self) -> None:
        with LoopbackServer() as server:
            url = server.url + "/v1/x"

        with self.caller() as caller:
            plain, hooked = self.errors(lambda: caller.request("POST", url), FakeGate())

        assert type(hooked) is type(plain)

    def test_a_body_that_breaks_off_is_the_clients_own(self) -> None:
        gate = TeeGate()
        with LoopbackServer() as server, self.caller() as caller:
            url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, breaks=True))
            plain, hooked = self.errors(lambda: caller.request("POST", url, body=b"{}"), gate)

        assert type(hooked) is type(plain)
        assert gate.tees[0].error is not None
        assert not gate.tees[0].finished

    def test_what_the_gate_raises_is_seen(self) -> None:
        error = CachesaverError("not recorded")
        with self.scene(RaisingGate(error)) as (server, caller):
            with pytest.raises(CachesaverError) as caught:
                caller.request("POST", server.url + "/v1/x", body=b"{}")

            assert caught.value is error
            assert server.connections == 0

    def test_a_connection_goes_back_after_a_miss(self) -> None:
        for gate in (FakeGate(), RecordingGate(), RepeatingGate(3), TeeGate()):
            with self.scene(gate, connections=1) as (server, caller):
                for _ in range(3):
                    caller.request("POST", server.url + "/v1/x", body=b"{}")

                assert server.connections == 1

    def test_a_connection_is_not_lost_by_closing_early(self) -> None:
        gate = TeeGate()
        with self.scene(gate, connections=1) as (server, caller):
            url = server.script("/v1/x", Script(headers=SSE, chunks=EVENTS, holds_chunks=True))
            for _ in range(2):
                with caller.stream("POST", url, body=b"{}") as chunks:
                    assert next(chunks) == EVENTS[0]

            assert caller.request("POST", server.url + "/v1/y", body=b"last").body == b"last"
