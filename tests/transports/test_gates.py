"""The fake gates: those that must never be asked say so."""

from __future__ import annotations

import asyncio

import pytest

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.transports.testing import FakeGate, RefusingGate

ASKED = Request(method="POST", url="http://provider.test/v1/x?key=secret")


def send(request: Request) -> Reply:
    raise AssertionError("nothing is sent")


async def asend(request: Request) -> AsyncReply:
    raise AssertionError("nothing is sent")


def test_a_refusing_gate_that_is_asked_fails_the_test() -> None:
    gate = RefusingGate()

    with pytest.raises(AssertionError, match=r"POST http://provider.test/v1/x was not wanted"):
        gate.answer(ASKED, send)
    with pytest.raises(AssertionError, match=r"POST http://provider.test/v1/x was not wanted"):
        asyncio.run(gate.aanswer(ASKED, asend))


def test_a_gate_wants_nothing_under_a_send_of_its_own() -> None:
    gate = FakeGate()
    wanted: list[bool] = []

    def look(request: Request) -> Reply:
        wanted.append(gate.wants("POST", "provider.test", "/v1/x"))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        gate.answer(ASKED, look)

    wanted.append(gate.wants("POST", "provider.test", "/v1/x"))
    assert wanted == [False, True]
