"""Clients in Rust: fakes of pyreqwest and of LiteLLM's core, as far as they are hooked.

The real pyreqwest runs with `make apart` (`tests/laws/escapes.py`), in an environment of its own.
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
from cachesaver.tripwire.rules import Blocking, Replaying
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
        kinds: list[Any] = [*module.request.__dict__.values()]
        before = attributes(*kinds)

        undo = hook_native(module, Wire())
        assert attributes(*kinds) != before
        undo()

        assert attributes(*kinds) == before


class TestLiteLLM:
    @staticmethod
    def fake() -> Any:
        """Return what has the members of `litellm.rust_bridge._native` that are hooked."""
        made = ModuleType("litellm.rust_bridge._native")

        def amessages(call: object) -> str:
            return "asked"

        def ocr(call: object) -> str:
            return "read"

        made.__dict__.update(amessages=amessages, ocr=ocr)
        return made

    @staticmethod
    def call(model: str, **kwargs: object) -> Any:
        return SimpleNamespace(args=(), kwargs=kwargs, base={"model": model, "api_base": None})

    @pytest.mark.parametrize(
        ("model", "given", "where"),
        [
            ("anthropic/m", {}, r"api\.anthropic\.com:443"),
            ("m", {}, r"api\.anthropic\.com:443"),
            ("mistral/m", {}, r"api\.mistral\.ai:443"),
            ("m", {"custom_llm_provider": "mistral"}, r"api\.mistral\.ai:443"),
            (
                "mistral/m",
                {"api_base": "http://127.0.0.1:8000/"},
                r"POST http://127\.0\.0\.1:8000 ",
            ),
            ("azure_ai/m", {}, r"POST https://azure_ai\.invalid "),
        ],
    )
    def test_what_asks_a_model_is_refused_wherever_it_goes(
        self,
        watching: Watching,
        monkeypatch: pytest.MonkeyPatch,
        model: str,
        given: dict[str, object],
        where: str,
    ) -> None:
        monkeypatch.delenv("ANTHROPIC_API_BASE", raising=False)
        monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
        watching(hook_native, module := self.fake())

        for ask in (module.amessages, module.ocr):
            with pytest.raises(EscapeError, match=f"^{where}.*by litellm.rust_bridge"):
                ask(self.call(model, **given))

    def test_a_host_that_the_environment_names_is_told(
        self, watching: Watching, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:8000")
        watching(hook_native, module := self.fake())

        with pytest.raises(EscapeError, match=r"^POST http://127\.0\.0\.1:8000 "):
            module.amessages(self.call("anthropic/m"))

    def test_a_host_that_is_let_out_is_asked(self) -> None:
        wire, module = Wire(), self.fake()
        undo = hook_native(module, wire)
        url = "http://127.0.0.1:8000"
        try:
            wire.rules = (Replaying(match=lambda request: False if url in request.url else None),)
            assert module.ocr(self.call("mistral/m", api_base=url)) == "read"
            wire.rules = (Blocking(),)
            assert module.ocr(self.call("mistral/m", api_base=url)) == "read"
            with pytest.raises(EscapeError):
                module.ocr(self.call("mistral/m"))
        finally:
            undo()

    def test_nothing_is_left_behind(self) -> None:
        module = self.fake()
        before = attributes(module)

        undo = hook_native(module, Wire())
        assert attributes(module) != before
        undo()

        assert attributes(module) == before
