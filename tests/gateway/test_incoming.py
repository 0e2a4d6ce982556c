"""A request as an ASGI server tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from cachesaver.gateway.incoming import GoneError, Incoming
from cachesaver.gateway.refusals import Refusal

GONE = {"type": "http.disconnect"}


def arriving(messages: Iterable[dict[str, Any]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return receive


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_read_to_its_end() -> None:
    pieces = (piece(b"a", more=True), {"type": "http.request", "more_body": True}, piece(b"b"))

    assert asyncio.run(Incoming(arriving(pieces)).read(2)) == b"ab"


def test_not_a_byte_more_than_may_be() -> None:
    incoming = Incoming(arriving((piece(b"ab", more=True), piece(b"c", more=True))))

    with pytest.raises(Refusal) as caught:
        asyncio.run(incoming.read(2))

    assert caught.value.status == 413


def test_who_leaves_in_the_middle_is_noticed() -> None:
    with pytest.raises(GoneError):
        asyncio.run(Incoming(arriving((piece(b"a", more=True), GONE))).read(9))


def test_nobody_is_gone_before_the_body_is_read() -> None:
    async def watch() -> list[bool]:
        incoming = Incoming(arriving((piece(b"a"), piece(b""), GONE)))
        gone = asyncio.create_task(incoming.gone())
        await asyncio.sleep(0)
        seen = [gone.done()]
        await incoming.read(9)
        await gone
        return [*seen, gone.done()]

    assert asyncio.run(watch()) == [False, True]
