"""One aiohttp request: read as ours, sent again by a twin."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import ClientRequest, ClientTimeout
from multidict import CIMultiDict
from yarl import URL

from cachesaver.exchange import Request, without_headers
from cachesaver.transports import aiohttp_calls
from cachesaver.transports.aiohttp_calls import Call, obstacle
from cachesaver.transports.testing import LoopbackServer, Script

T = TypeVar("T")


def run(main: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, T]]) -> T:
    async def inside() -> T:
        async with aiohttp.ClientSession() as session:
            return await main(session)

    return asyncio.run(inside())


def request(session: aiohttp.ClientSession, url: str, **options: Any) -> ClientRequest:
    """Return a request as a session makes it."""
    loop = asyncio.get_running_loop()
    return ClientRequest("POST", URL(url), session=session, loop=loop, **options)


def taken(session: aiohttp.ClientSession) -> bool:
    """Tell whether a connection is neither in the pool nor closed."""
    return bool(vars(session.connector)["_acquired"])


def call(session: aiohttp.ClientSession, asked: ClientRequest) -> Call:
    assert session.connector is not None
    return Call(
        connect=aiohttp.BaseConnector.connect,
        connector=session.connector,
        request=asked,
        traces=[],
        timeout=ClientTimeout(),
    )


URL_ = "http://api.example.test/v1/x"


# --- reading


def multipart(*parts: object) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter()
    for part in parts:
        writer.append(part)
    return writer


async def one_shot() -> AsyncIterator[bytes]:
    yield b"x"


class Unheard(aiohttp.Payload):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise NotImplementedError

    async def write(self, writer: object) -> None:
        raise NotImplementedError


OBSTACLES: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "none": (dict, ""),
    "bytes": (lambda: {"data": b"x"}, ""),
    "memory": (lambda: {"data": io.BytesIO(b"x")}, ""),
    "a form": (lambda: {"data": {"a": "b"}}, ""),
    "parts": (lambda: {"data": multipart(b"x", "y", multipart(io.BytesIO(b"z")))}, ""),
    "a generator": (
        lambda: {"data": one_shot()},
        "its body (AsyncIterablePayload) can be read only once",
    ),
    "a part that is a generator": (
        lambda: {"data": multipart(b"x", multipart(one_shot()))},
        "its body (MultipartWriter) can be read only once",
    ),
    "a payload of another's": (
        lambda: {"data": Unheard(b"x")},
        "its body (Unheard) can be read only once",
    ),
    "a wait for the server": (
        lambda: {"data": b"x", "expect100": True},
        "it waits for 100-continue before it sends its body",
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_cannot_be_read_first_is_told_by_its_reason(
    name: str,
) -> None:
    options, reason = OBSTACLES[name]

    async def main(session: aiohttp.ClientSession) -> str:
        return obstacle(request(session, URL_, **options()))

    assert run(main) == reason


@pytest.mark.parametrize(
    ("size", "reason"), [(12, ""), (13, "its body is too large to be read first")]
)
def test_what_is_too_large_is_not_read(
    size: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp_calls, "LARGEST_BODY", 12)

    async def main(session: aiohttp.ClientSession) -> str:
        return obstacle(request(session, URL_, data=io.BytesIO(bytes(size))))

    assert run(main) == reason


def test_a_file_is_read_from_where_it_stands_and_a_pipe_is_not_read(tmp_path: Path) -> None:
    (path := tmp_path / "f").write_bytes(b"0123456789")

    async def main(session: aiohttp.ClientSession) -> None:
        with path.open("rb") as file:
            file.seek(4)
            asked = request(session, URL_, data=file)
            for _ in range(2):
                assert obstacle(asked) == ""
                assert (await call(session, asked).read()).body == b"456789"

        with open_pipe() as pipe:
            assert "only once" in obstacle(request(session, URL_, data=pipe))

    run(main)


def open_pipe() -> io.BufferedReader:
    reading, writing = os.pipe()
    os.close(writing)
    return os.fdopen(reading, "rb")


def test_a_body_that_is_used_up_is_left_alone(tmp_path: Path) -> None:
    (path := tmp_path / "f").write_bytes(b"x")

    async def main(session: aiohttp.ClientSession) -> None:
        asked = request(session, URL_, data=path.open("rb"))
        assert isinstance(asked.body, aiohttp.Payload)
        await asked.body.close()
        assert "only once" in obstacle(asked)

    run(main)


def test_a_request_is_read_as_it_goes_on_the_wire() -> None:
    async def main(session: aiohttp.ClientSession) -> Request:
        headers = CIMultiDict((("X-A", "1"), ("x-a", "é")))
        asked = request(
            session, f"{URL_}%2F?q=%20#f", data=b"a" * 100, compress="deflate", headers=headers
        )
        return await call(session, asked).read()

    ours = run(main)

    assert (ours.method, ours.url) == ("POST", f"{URL_}%2F?q=%20")
    assert [v for k, v in ours.headers if k.lower() == "x-a"] == ["1", "é".encode().decode("latin")]
    assert ours.header("content-encoding") == "deflate"
    assert zlib.decompress(ours.body) == b"a" * 100


# --- sending


def exchange(
    session: aiohttp.ClientSession, asked: ClientRequest, change: Callable[[Request], Request]
) -> Coroutine[Any, Any, tuple[int, bytes]]:
    async def sent() -> tuple[int, bytes]:
        this = call(session, asked)
        reply = await this.send(change(await this.read()))
        body = b"".join([chunk async for chunk in reply.chunks])
        await reply.close()
        return reply.status, body

    return sent()


def test_a_twin_says_what_ours_says_and_leaves_the_callers_alone() -> None:
    def change(ours: Request) -> Request:
        other = ours.with_body(b"[2]")
        return Request(
            method=other.method,
            url=other.url.replace("/one", "/two?q=%2F"),
            headers=(*without_headers(other.headers, ("x-a",)), ("X-B", "é")),
            body=other.body,
        )

    with LoopbackServer() as server:

        async def main(session: aiohttp.ClientSession) -> list[tuple[str, str]]:
            asked = request(session, server.url + "/one", data=b"[1]", chunked=True)
            before = dict(vars(asked)), asked.headers.copy()
            assert await exchange(session, asked, change) == (200, b"[2]")
            assert (dict(vars(asked)), asked.headers) == before
            return list(asked.headers.items())

        run(main)

        (received,) = server.received
        assert (received.target, received.body) == ("/two?q=%2F", b"[2]")
        assert received.header("content-length") == "3"
        assert received.header("transfer-encoding") is None
        assert received.header("x-b") == "é".encode().decode("latin-1"), "aiohttp sends UTF-8"


def test_a_twin_keeps_the_ways_of_a_subclass() -> None:
    class Signed(ClientRequest):
        async def send(self, conn: Any) -> aiohttp.ClientResponse:
            self.headers["X-Signature"] = str(len(self.headers))
            return await super().send(conn)

    with LoopbackServer() as server:

        async def main(session: aiohttp.ClientSession) -> None:
            loop = asyncio.get_running_loop()
            asked = Signed("POST", URL(server.url), session=session, loop=loop, data=b"x")
            await exchange(session, asked, lambda ours: ours)
            assert "X-Signature" not in asked.headers

        run(main)

        assert server.received[0].header("x-signature")


def test_a_body_may_be_taken_out() -> None:
    with LoopbackServer() as server:

        async def main(session: aiohttp.ClientSession) -> None:
            asked = request(session, server.url, data=b"x")
            assert await exchange(session, asked, lambda o: o.with_body(b"")) == (200, b"")

        run(main)


def test_what_gets_no_connection_is_told_apart() -> None:
    with LoopbackServer() as server:
        url = server.url

    async def main(session: aiohttp.ClientSession) -> None:
        this = call(session, request(session, url))
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await this.send(await this.read())
        assert this.unconnected is caught.value

    run(main)


def test_what_came_before_a_break_is_handed_on_first() -> None:
    """Given data and a reset that are both there when reading begins, then data comes first."""
    with LoopbackServer() as server:
        url = server.script("/v1/x", Script(chunks=(b"a", b"b"), breaks=True))

        async def main(session: aiohttp.ClientSession) -> None:
            this = call(session, request(session, url))
            reply = await this.send(await this.read())
            native = reply.native
            assert isinstance(native, aiohttp.ClientResponse)
            with contextlib.suppress(aiohttp.ClientPayloadError):
                await native.content.wait_eof()
            assert await anext(reply.chunks) == b"ab"
            with pytest.raises(aiohttp.ClientPayloadError):
                await anext(reply.chunks)
            await reply.close()

        run(main)


@pytest.mark.parametrize("closes_early", [True, False])
def test_a_connection_goes_back_or_is_closed(*, closes_early: bool) -> None:
    with LoopbackServer() as server:
        url = server.script("/v1/x", Script(chunks=(b"a", b"b"), holds_chunks=closes_early))

        async def main(session: aiohttp.ClientSession) -> None:
            for _ in range(2):
                this = call(session, request(session, url))
                reply = await this.send(await this.read())
                if not closes_early:
                    assert [chunk async for chunk in reply.chunks] == [b"a", b"b"]
                for _ in range(2):
                    await reply.close()
            assert not taken(session)

        run(main)

        assert server.connections == (2 if closes_early else 1)
