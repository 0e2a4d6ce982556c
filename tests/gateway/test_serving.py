"""A server in a thread: its start, its end, and what it makes no noise about."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from http import client as http_client
from typing import Any

import httpx2
import pytest
import uvicorn

from cachesaver.gateway import serving
from cachesaver.gateway.serving import Service
from cachesaver.serving import listening


class Application:
    """Answers by a function, and remembers whether it was closed."""

    def __init__(self, answer: Callable[[Any], Awaitable[None]]) -> None:
        self.answer = answer
        self.closed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send)

    async def close(self) -> None:
        self.closed = True


async def start(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def well(send: Any) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": b"ok"})


def address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://{host}:{port}/"


def test_it_answers_until_it_is_stopped(http: httpx2.Client) -> None:
    app, sock = Application(well), listening("127.0.0.1", 0)
    url = address(sock)
    service = Service(lambda: app, sock, grace=1)

    answer = http.get(url)
    service.stop()

    assert answer.content == b"ok"
    assert "server" not in answer.headers
    assert "date" not in answer.headers, "the provider's is passed on"
    assert app.closed
    with pytest.raises(httpx2.ConnectError):
        http.get(url)


def test_a_connection_that_is_idle_for_a_while_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a tool that takes longer than uvicorn's five seconds, then its agent can go on."""
    seen = list[uvicorn.Config]()

    class Noting(uvicorn.Config):
        def load(self) -> None:
            seen.append(self)
            super().load()

    monkeypatch.setattr(uvicorn, "Config", Noting)
    sock = listening("127.0.0.1", 0)

    Service(lambda: Application(well), sock, grace=1).stop()

    assert {config.timeout_keep_alive for config in seen} == {600}


def test_no_log_is_told_of_a_path(http: httpx2.Client, caplog: pytest.LogCaptureFixture) -> None:
    """Given a program that logs all there is, then a key in a path or a query is not in it."""
    caplog.set_level(0)
    sock = listening("127.0.0.1", 0)
    url = address(sock)
    service = Service(lambda: Application(well), sock, grace=1)
    connection = http_client.HTTPConnection(url.split("/")[2])

    connection.request("GET", "/key/0123456789abcdef/openai/v1/models?key=AIza-secret")
    answer = connection.getresponse().read()
    connection.close()
    service.stop()

    told = [record.getMessage() for record in caplog.records]
    assert answer == b"ok"
    assert not [line for line in told if "0123456789abcdef" in line or "AIza" in line]


def test_an_application_that_cannot_be_made_is_told(unused_port: int) -> None:
    def fail() -> Any:
        raise LookupError("no application")

    with pytest.raises(LookupError, match="no application"):
        Service(fail, listening("127.0.0.1", 0), grace=1)


@pytest.mark.parametrize("at_once", [False, True])
def test_what_takes_too_long_is_broken_off(http: httpx2.Client, *, at_once: bool) -> None:
    async def hang(send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await asyncio.Event().wait()

    sock = listening("127.0.0.1", 0)
    url = address(sock)
    service = Service(lambda: Application(hang), sock, grace=1)

    def read() -> None:
        with http.stream("GET", url) as answer:
            chunks = answer.iter_raw()
            assert next(chunks) == b"begun"
            service.stop(at_once=at_once)
            list(chunks)

    with pytest.raises(httpx2.RemoteProtocolError):
        read()


def test_an_answer_that_is_broken_off_is_no_news_and_a_fault_is(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = list[logging.LogRecord]()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", kept.append)
    serving._LOGGER.addHandler(handler)

    async def fail(send: Any) -> None:
        raise LookupError("a fault of ours")

    said = list[str]()
    for answer in (start, fail):
        sock = listening("127.0.0.1", 0)
        url = address(sock)
        service = Service(lambda answer=answer: Application(answer), sock, grace=1)  # type: ignore[misc]
        try:
            said.append(str(http.get(url).status_code))
        except httpx2.RemoteProtocolError:
            said.append("broken off")
        service.stop()
    serving._LOGGER.removeHandler(handler)

    assert said == ["broken off", "500"]
    assert [str(record.exc_info and record.exc_info[1]) for record in kept] == ["a fault of ours"]
