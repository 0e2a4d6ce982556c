"""The way to a provider: bytes as they are, and failures told without secrets."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from cachesaver.exchange import AsyncReply, Request
from cachesaver.gateway.refusals import Refusal
from cachesaver.gateway.upstream import Upstream
from cachesaver.transports.loopback import LoopbackServer, Script


def performed(deed: Callable[[Upstream], Awaitable[Any]]) -> Any:
    async def perform() -> Any:
        upstream = Upstream()
        try:
            return await deed(upstream)
        finally:
            await upstream.close()

    return asyncio.run(perform())


def ask(url: str) -> Request:
    return Request(method="GET", url=url)


def test_a_target_goes_out_as_it_came(server: LoopbackServer) -> None:
    odd = "/a%2Fb/../%7e//c;d='e'?q=[x]&key=%2F|\"%20"

    async def send(upstream: Upstream) -> int:
        return (await upstream.send(ask(server.url + odd))).status

    performed(send)

    assert server.received[0].target == odd


def test_chunks_come_as_they_came(server: LoopbackServer) -> None:
    url = server.script(
        "/x", Script(headers=(("content-encoding", "br"),), chunks=(b"1", b"", b"2"))
    )

    async def send(upstream: Upstream) -> tuple[AsyncReply, list[bytes]]:
        reply = await upstream.send(ask(url))
        return reply, [chunk async for chunk in reply.chunks]

    reply, chunks = performed(send)

    assert b"".join(chunks) == b"1", "the empty chunk of the script ends the body"
    assert (reply.status, reply.http_version) == (200, "HTTP/1.1")
    assert not any(name.lower() == "transfer-encoding" for name, _ in reply.headers)


def test_a_connection_that_is_given_up_is_closed(server: LoopbackServer) -> None:
    url = server.script("/x", Script(chunks=(b"1", b"2"), holds_chunks=True))

    async def send(upstream: Upstream) -> bool:
        reply = await upstream.send(ask(url))
        assert await anext(reply.chunks) == b"1"
        await reply.close()
        return await asyncio.to_thread(server.wait_closed, 1)

    assert performed(send)


def test_a_call_that_is_cancelled_is_closed_too(server: LoopbackServer) -> None:
    url = server.script("/x", Script(holds_head=True))

    async def send(upstream: Upstream) -> bool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(upstream.send(ask(url)), 0.2)
        return await asyncio.to_thread(server.wait_closed, 1)

    assert performed(send)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (httpx2.ConnectTimeout("secret"), 504),
        (httpx2.ConnectError("secret"), 502),
        (httpx2.RemoteProtocolError("secret"), 502),
    ],
)
def test_failures_are_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(httpx2.AsyncClient, "send", fail)

    with pytest.raises(Refusal) as caught:
        performed(lambda upstream: upstream.send(ask("https://user:pw@x.test/v1?key=secret")))

    assert caught.value.status == status
    assert "x.test" in caught.value.message
    assert not any(each in caught.value.message for each in ("secret", "pw", "v1"))


def test_cookies_are_not_kept(server: LoopbackServer) -> None:
    """Given one upstream for all callers, then what a provider sets for one is held for nobody."""
    url = server.script("/x", Script(headers=(("set-cookie", "session=secret; Path=/"),)))

    async def send(upstream: Upstream) -> list[object]:
        await (await upstream.send(ask(url))).close()
        return list(upstream._client.cookies.jar)

    assert performed(send) == []


def test_certificates_are_verified() -> None:
    upstream = Upstream()
    pool: Any = upstream._client._transport

    context: ssl.SSLContext = pool._pool._ssl_context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    asyncio.run(upstream.close())


def test_urls_are_not_logged(server: LoopbackServer, caplog: pytest.LogCaptureFixture) -> None:
    """Given a program that logs everything, then no key of a query is in it."""
    caplog.set_level(logging.INFO)

    performed(lambda upstream: upstream.send(ask(f"{server.url}/x?key=AIza-secret")))

    assert "AIza" not in caplog.text
    assert "HTTP Request" in caplog.text
