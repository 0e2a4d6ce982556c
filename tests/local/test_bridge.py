from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Request
from cachesaver.local.bridge import Bridge

HEAD = {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"b")]}
ASK = Request(method="POST", url="http://local/a%20b?c=d", headers=(("X-Y", "z"),), body=b"body")


class App:
    """An application that a test leads."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.heard: list[Any] = []
        self.go = threading.Event()
        self.left = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.heard.append(await receive())
        path = scope["path"]
        if path == "/fails":
            raise ZeroDivisionError("a defect")
        if path == "/silent":
            return
        await send(HEAD)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        if path == "/cut":
            raise ZeroDivisionError("a defect")
        if path == "/waits":
            self.heard.append(await receive())
            self.left.set()
            return
        await asyncio.to_thread(self.go.wait, 10)
        await send({"type": "http.response.body", "body": b"two"})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def bridge(app: App) -> Iterator[Bridge]:
    made = Bridge(app)
    yield made
    made.close()


def ask(path: str) -> Request:
    return Request(method="GET", url=f"http://local{path}")


def test_a_request_is_as_it_was(app: App, bridge: Bridge) -> None:
    app.go.set()
    reply = bridge.send(ASK)

    assert [*reply.chunks] == [b"one", b"two"]
    assert (reply.status, reply.headers) == (201, (("x-a", "b"),))
    named = {
        name: app.scope[name] for name in ("method", "path", "raw_path", "query_string", "headers")
    }
    assert named == {
        "method": "POST",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=d",
        "headers": [(b"x-y", b"z")],
    }
    assert app.heard == [{"type": "http.request", "body": b"body"}]


def test_a_stream_comes_as_it_is_made(app: App, bridge: Bridge) -> None:
    chunks = iter(bridge.send(ASK).chunks)

    assert next(chunks) == b"one"
    assert not app.go.is_set()
    app.go.set()
    assert [*chunks] == [b"two"]


@pytest.mark.parametrize("loop", [asyncio.run, lambda awaited: trio.run(lambda: awaited)])
def test_it_is_awaited_on_any_event_loop(app: App, bridge: Bridge, loop: Any) -> None:
    async def follow() -> list[bytes]:
        reply = await bridge.asend(ASK)
        chunks = [await anext(reply.chunks)]
        app.go.set()
        chunks += [chunk async for chunk in reply.chunks]
        await reply.close()
        return chunks

    assert loop(follow()) == [b"one", b"two"]


def test_a_caller_that_leaves_is_seen(app: App, bridge: Bridge) -> None:
    reply = bridge.send(ask("/waits"))
    assert not app.left.wait(0.05)

    reply.close()

    assert app.left.wait(5)
    assert app.heard[-1] == {"type": "http.disconnect"}


def test_a_task_that_is_cancelled_is_seen(app: App, bridge: Bridge) -> None:
    async def cancel() -> None:
        reply = await bridge.asend(ask("/waits"))
        await reply.close()

    asyncio.run(cancel())

    assert app.left.wait(5)


@pytest.mark.parametrize(
    ("path", "kind"), [("/fails", ZeroDivisionError), ("/silent", ConnectionError)]
)
def test_an_application_without_an_answer_raises(
    bridge: Bridge, path: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        bridge.send(ask(path))
    with pytest.raises(kind):
        asyncio.run(bridge.asend(ask(path)))


def test_an_answer_that_breaks_off_raises(bridge: Bridge) -> None:
    chunks = iter(bridge.send(ask("/cut")).chunks)

    assert next(chunks) == b"one"
    with pytest.raises(ZeroDivisionError):
        next(chunks)


def test_closing_ends_what_is_under_way(app: App, bridge: Bridge) -> None:
    chunks = iter(bridge.send(ask("/waits")).chunks)
    next(chunks)

    bridge.close()
    bridge.close()

    with pytest.raises(ConnectionError, match="closed before"):
        next(chunks)
    with pytest.raises(ConfigurationError, match="closed"):
        bridge.send(ASK)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the process id of another, as in a child, then nobody waits for a thread that is not there."""
    monkeypatch.setattr("cachesaver.local.bridge.os", SimpleNamespace(getpid=lambda: -1))
    began = time.monotonic()

    with pytest.raises(ConfigurationError, match="forked"):
        bridge.send(ASK)
    bridge.close()

    assert time.monotonic() - began < 5
    monkeypatch.undo()
