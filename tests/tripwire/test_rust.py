"""Clients in Rust that build a request first: a fake of pyreqwest, as far as it is hooked.

The real one runs with `make apart` (`tests/laws/escapes.py`), in an environment of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cachesaver.errors import EscapeError
from cachesaver.tripwire.natives import hook_native
from cachesaver.tripwire.wire import Wire
from escaping import attributes

Watching = Callable[..., Wire]

REFUSED = "http://127.0.0.1:8000/v1/chat/completions"
PASSED = "http://127.0.0.1:8000/orders"
RESPONSES = "http://127.0.0.1:8000/v1/responses"


@dataclass
class Body:
    content: bytes | None

    def copy_bytes(self) -> memoryview | None:
        return None if self.content is None else memoryview(self.content)


class Request:
    def __init__(self, url: str, body: Body | None = None) -> None:
        self.method, self.url, self.body = "POST", url, body


class Following:
    async def run(self, request: Request) -> str:
        return request.url


class FollowingInThread:
    def run(self, request: Request) -> str:
        return request.url


class Builder:
    def __init__(self, url: str) -> None:
        self.request = Request(url)
        self.middlewares: list[Any] = []

    def with_middleware(self, middleware: Any) -> Any:
        self.middlewares.append(middleware)
        return self


class ConsumedRequest(Request):
    async def send(self) -> str:
        return self.url


class SyncConsumedRequest(Request):
    def send(self) -> str:
        return self.url


class StreamRequest(Request, AbstractAsyncContextManager[str]):
    async def __aenter__(self) -> str:
        return self.url

    async def __aexit__(self, *error: object) -> None: ...


class SyncStreamRequest(Request, AbstractContextManager[str]):
    def __enter__(self) -> str:
        return self.url

    def __exit__(self, *error: object) -> None: ...


class OneOffRequestBuilder(Builder):
    async def send(self) -> Any:
        for each in self.middlewares:
            return await each(self.request, Following())
        return self.request.url


class SyncOneOffRequestBuilder(Builder):
    def send(self) -> Any:
        for each in self.middlewares:
            return each(self.request, FollowingInThread())
        return self.request.url


def fake() -> Any:
    """Return what has the members of `pyreqwest._pyreqwest` that are hooked, and sends nothing."""

    made = ModuleType("pyreqwest._pyreqwest")
    kinds = (ConsumedRequest, SyncConsumedRequest, StreamRequest, SyncStreamRequest)
    one_off = (OneOffRequestBuilder, SyncOneOffRequestBuilder)
    made.__dict__["request"] = SimpleNamespace(**{each.__name__: each for each in kinds + one_off})
    return made


def ways(module: Any) -> list[Callable[[str], Any]]:
    """Return each way of sending, as a function of a URL that returns the URL."""
    kinds = module.request

    async def consumed(url: str) -> Any:
        return await kinds.ConsumedRequest(url).send()

    async def streamed(url: str) -> Any:
        async with kinds.StreamRequest(url) as found:
            return found

    async def one_off(url: str) -> Any:
        return await kinds.OneOffRequestBuilder(url).send()

    def streamed_in_thread(url: str) -> Any:
        with kinds.SyncStreamRequest(url) as found:
            return found

    return [
        lambda url: asyncio.run(consumed(url)),
        lambda url: asyncio.run(streamed(url)),
        lambda url: asyncio.run(one_off(url)),
        streamed_in_thread,
        lambda url: kinds.SyncConsumedRequest(url).send(),
        lambda url: kinds.SyncOneOffRequestBuilder(url).send(),
    ]


class TestPyreqwest:
    def test_every_way_of_sending_is_asked_about(self, watching: Watching) -> None:
        watching(hook_native, module := fake())

        for way in ways(module):
            with pytest.raises(EscapeError, match="its path"):
                way(REFUSED)
            assert way(PASSED) == PASSED

    @pytest.mark.parametrize(
        ("body", "asks"),
        [
            (Body(b'{"model": "m", "input": "x"}'), True),
            (Body(None), True),  # a stream
            (Body(b'{"answers": []}'), False),
            (None, False),
        ],
    )
    def test_the_body_tells_too(self, watching: Watching, body: Body | None, *, asks: bool) -> None:
        watching(hook_native, module := fake())
        request = module.request.SyncConsumedRequest(RESPONSES, body)

        if asks:
            with pytest.raises(EscapeError, match="by pyreqwest"):
                request.send()
        else:
            assert request.send() == RESPONSES

    def test_nothing_is_left_behind(self) -> None:
        module = fake()
        kinds = vars(module.request).values()
        before = attributes(*kinds)

        undo = hook_native(module, Wire())
        assert attributes(*kinds) != before
        undo()

        assert attributes(*kinds) == before
