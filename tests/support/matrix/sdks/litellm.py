"""litellm, by what it calls a provider for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from importlib import import_module
from typing import Any

from matrix.sdks.completions import chunk_texts, text
from matrix.ways import Way, as_it_is

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else importing it asks the network

# By name, because it is in no environment where types are checked.
lite: Any = import_module("litellm")
rust_bridge: Any = import_module("litellm.rust_bridge")
MidStreamFallbackError: Any = import_module("litellm.exceptions").MidStreamFallbackError

lite.suppress_debug_info = True

_ROUTES: Mapping[str, tuple[str, str, int]] = {
    # the prefix of its models: a model, what comes after the provider's address, and how many pieces
    # of a stream it wants before it tells the first
    "openai": ("gpt-5-mini", "/v1", 2),
    "anthropic": ("claude-sonnet-5-5", "", 5),
    "gemini": ("gemini-2.5-flash", "/v1beta", 1),
}

_OWN = {"id", "created"}
"""Fields of an answer that litellm makes up, anew each time."""


def _options(route: str, url: str, limit: float) -> dict[str, Any]:
    model, prefix, _ = _ROUTES[route]
    return {
        "model": f"{route}/{model}",
        "api_base": url + prefix,
        "api_key": "k",
        "timeout": limit,
        "max_retries": 0,
        "num_retries": 0,
    }


def _asked(topic: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": topic}]}


def _way(route: str) -> Way:
    @contextlib.contextmanager
    def make(url: str, limit: float) -> Generator[Any]:
        yield _options(route, url, limit)

    def ask(options: Any, topic: str) -> Any:
        return lite.completion(**options, **_asked(topic))

    def stream(options: Any, topic: str) -> Iterator[Any]:
        yield from lite.completion(**options, **_asked(topic), stream=True)

    return Way(make=make, ask=ask, stream=stream, after=_ROUTES[route][2], **_COMMON)


def _async_way(route: str) -> Way:
    @contextlib.asynccontextmanager
    async def make(url: str, limit: float) -> AsyncGenerator[Any]:
        yield _options(route, url, limit)
        await lite.close_litellm_async_clients()

    async def ask(options: Any, topic: str) -> Any:
        return await lite.acompletion(**options, **_asked(topic))

    async def stream(options: Any, topic: str) -> AsyncIterator[Any]:
        async for chunk in await lite.acompletion(**options, **_asked(topic), stream=True):
            yield chunk

    return Way(make=make, ask=ask, stream=stream, after=_ROUTES[route][2], **_COMMON)


def _dumped(told: Any) -> Any:
    said = told.model_dump(mode="json", warnings=False)
    return {name: each for name, each in said.items() if name not in _OWN}


_COMMON: Any = {
    "text": text,
    "texts": chunk_texts,
    "dumped": _dumped,
    "raises": {
        "400": lite.BadRequestError,
        "500": lite.InternalServerError,
        "timeout": lite.Timeout,
        "stalled": (lite.Timeout, MidStreamFallbackError),
    },
}


@contextlib.asynccontextmanager
async def _messages(url: str, limit: float) -> AsyncGenerator[Any]:
    rust_bridge.rust(False)
    yield _options("anthropic", url, limit) | {"max_tokens": 200}
    await lite.close_litellm_async_clients()


@contextlib.asynccontextmanager
async def _rust_messages(url: str, limit: float) -> AsyncGenerator[Any]:
    async with _messages(url, limit) as options:
        rust_bridge.rust(True)
        yield options


async def _message(options: Any, topic: str) -> Any:
    return await lite.anthropic.messages.acreate(**options, **_asked(topic))


_MESSAGE: Any = {
    "ask": _message,
    "stream": None,
    "text": str,
    "texts": str,
    "dumped": as_it_is,
    "raises": _COMMON["raises"],
}


@contextlib.contextmanager
def _reader(url: str, limit: float) -> Generator[Any]:
    yield {"api_base": f"{url}/v1", "api_key": "k", "timeout": limit, "num_retries": 0}


def _read(options: Any, topic: str) -> Any:
    document = {"type": "document_url", "document_url": f"https://acme.test/{topic}.pdf"}
    return lite.ocr(model="mistral/mistral-ocr-latest", document=document, **options)


WAYS = {
    "anthropic.messages": Way(make=_messages, **_MESSAGE),
    "anthropic.messages, LITELLM_RUST": Way(make=_rust_messages, **_MESSAGE),
    "ocr": Way(
        make=_reader,
        ask=_read,
        stream=None,
        text=str,
        texts=str,
        dumped=_dumped,
        raises=_COMMON["raises"],
    ),
    **{f"{route}/, completion": _way(route) for route in _ROUTES},
    **{f"{route}/, acompletion": _async_way(route) for route in _ROUTES},
}
