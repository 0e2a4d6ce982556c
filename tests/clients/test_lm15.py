"""lm15 as it is, over its own HTTP stack, which DSPy carries inside: whole and streamed, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import lm15
import pytest


def openai(url: str, made: Any) -> Any:
    return made(api_key="rehearsal", base_url=f"{url}/v1")


def anthropic(url: str, made: Any) -> Any:
    return made(api_key="rehearsal", base_url=f"{url}/v1")


def gemini(url: str, made: Any) -> Any:
    return made(api_key="rehearsal", base_url=f"{url}/v1beta")


CLIENTS: dict[str, tuple[Callable[[str, Any], Any], Any, Any, str]] = {
    "responses": (openai, lm15.OpenAILM, lm15.AsyncOpenAILM, "gpt-5-mini"),
    "chat": (openai, lm15.OpenAIChatLM, lm15.AsyncOpenAIChatLM, "gpt-5-mini"),
    "messages": (anthropic, lm15.AnthropicLM, lm15.AsyncAnthropicLM, "claude-sonnet-4-5"),
    "gemini": (gemini, lm15.GeminiLM, lm15.AsyncGeminiLM, "gemini-3-flash-preview"),
}


def asked(model: str, topic: str) -> Any:
    return lm15.Request(model=model, messages=(lm15.Message.user(topic),))


def text_of(events: list[Any]) -> str:
    deltas = (getattr(event, "delta", None) for event in events)
    return "".join(getattr(delta, "text", "") for delta in deltas)


def blocking(name: str) -> Callable[[str], Any]:
    """Return a program that asks whole, and for the same as a stream in a second draw."""
    client, made, _, model = CLIENTS[name]

    def program(url: str) -> Any:
        lm = client(url, made)
        request = asked(model, f"blocking {name}")
        return [lm.complete(request).text, text_of(list(lm.stream(request)))]

    return program


def awaiting(name: str) -> Callable[[str], Any]:
    client, _, made, model = CLIENTS[name]

    def program(url: str) -> Any:
        async def main() -> Any:
            lm = client(url, made)
            request = asked(model, f"awaiting {name}")
            streamed = [event async for event in lm.stream(request)]
            return [(await lm.complete(request)).text, text_of(streamed)]

        return asyncio.run(main())

    return program


PROGRAMS: dict[str, Callable[[str], Any]] = {
    **{f"{name}": blocking(name) for name in CLIENTS},
    **{f"async {name}": awaiting(name) for name in CLIENTS},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    played.assert_bought_once(name)
    whole, streamed = played.bought[name]["said"]
    assert "" not in {whole, streamed}
    assert whole != streamed
    assert played.bought[name]["calls"] == 2
