"""What httpx and httpcore share: headers with true framing, bodies that close what they show."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from cachesaver.exchange import AsyncReply, Headers, Reply, Response
from cachesaver.pace import at_once_async
from cachesaver.transports.streams import AsyncBody, closing, extensions, framed, raw, text

STALE = (("Content-Length", "9"), ("Transfer-Encoding", "chunked"), ("X-One", "é"))


def shown(
    status: int = 200, headers: Headers = STALE, *, whole: bool = True, native: object = None
) -> Reply:
    response = Response(status=status, headers=headers, chunks=(b"all",))
    return Reply(
        status=status,
        headers=headers,
        chunks=iter(response.chunks),
        close=lambda: None,
        whole=response if whole else None,
        native=native,
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (shown(), (("X-One", "é"), ("content-length", "3"))),
        (shown(204), (("X-One", "é"),)),
        (shown(304, headers=(("content-length", "9"),)), (("content-length", "9"),)),
        (
            shown(headers=(("content-type", "text/event-stream"),)),
            (("content-type", "text/event-stream"),),
        ),
        (shown(whole=False), (("X-One", "é"),)),
        (shown(whole=False, native=object()), STALE),
    ],
    ids=[
        "whole",
        "without a body",
        "not modified",
        "events",
        "somebody else's",
        "the client's own",
    ],
)
def test_framing_is_true_of_what_will_be_read(reply: Reply, expected: Headers) -> None:
    assert framed(reply) == expected


def test_headers_come_back_as_they_went() -> None:
    assert raw(STALE)[2] == (b"X-One", b"\xe9")
    assert text(raw(STALE)) == STALE


def test_what_came_over_no_connection_says_so() -> None:
    told: Any = extensions(shown())

    assert (told["http_version"], "reason_phrase" in told) == (b"HTTP/1.1", False)
    assert told["network_stream"].get_extra_info("ssl_object") is None


@pytest.mark.parametrize("has_anyio", [True, False])
def test_a_body_is_closed_though_its_reader_is_cancelled(
    has_anyio: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a cancelled reader on trio, with anyio there or not, then the connection goes back."""
    told: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            told.append("finished")

    async def close() -> None:
        await trio.lowlevel.checkpoint()
        told.append("closed")

    async def main() -> None:
        arriving = chunks()
        reply = AsyncReply(status=200, headers=(), chunks=arriving, close=closing(arriving, close))
        body = AsyncBody(reply)
        with trio.CancelScope() as scope:
            assert await anext(aiter(body)) == b"one"
            scope.cancel()
            await body.aclose()

    if not has_anyio:
        monkeypatch.setitem(sys.modules, "anyio", None)
    trio.run(main)

    assert told == ["finished", "closed"]


def test_an_answer_that_is_whole_is_closed_without_a_shield(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given an answer from the store, then no library is asked how to keep it from being cancelled."""
    told = list[str]()

    async def close() -> None:
        told.append("closed")

    async def main() -> None:
        whole = Response(status=200, chunks=(b"one",))
        chunks = at_once_async(whole)
        reply = AsyncReply(status=200, headers=(), chunks=chunks, close=close, whole=whole)
        await AsyncBody(reply).aclose()

    for name in ("anyio", "trio"):
        monkeypatch.setitem(sys.modules, name, None)
    asyncio.run(main())

    assert told == ["closed"]
