"""The google-genai SDK's interactions: told from anybody's by their host, so the host is named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import Any

import pytest
from google import genai

import cachesaver

NAMES_HOST = True

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
SCHEMA: Any = {
    "type": "text",
    "mime_type": "application/json",
    "schema": {
        "type": "object",
        "properties": {"score": {"type": "integer"}},
        "required": ["score"],
    },
}


@contextlib.contextmanager
def made(url: str) -> Generator[Any]:
    client: Any = genai.Client(api_key="k", http_options={"base_url": url})
    try:
        yield client.interactions
    finally:
        client.close()


def about(topic: str) -> Any:
    return {"model": "gemini-3-flash-preview", "input": topic}


def dumped(answer: Any) -> Any:
    return answer.model_dump(mode="json", warnings=False)


def text_of(events: Any) -> str:
    deltas = [event.delta for event in events if event.event_type == "step.delta"]
    return "".join(delta.text for delta in deltas if delta.type == "text")


# --- programs: functions of the rehearsal's address


def whole(url: str) -> Any:
    with made(url) as interactions:
        answers = [dumped(interactions.create(**about("whole"))) for _ in range(2)]
    assert answers[0] != answers[1]
    return answers


def streamed(url: str) -> Any:
    with made(url) as interactions:
        return [dumped(event) for event in interactions.create(**about("streamed"), stream=True)]


async def awaited(url: str) -> Any:
    client: Any = genai.Client(api_key="k", http_options={"base_url": url})
    async with client.aio as aio:
        answer = await aio.interactions.create(**about("awaited"))
        stream = await aio.interactions.create(**about("awaited stream"), stream=True)
        told = [dumped(answer), [dumped(event) async for event in stream]]
    client.close()
    return told


def tools(url: str) -> Any:
    """A call, and its result sent in an interaction that goes on from the first."""
    ask = {"tools": [WEATHER], "generation_config": {"tool_choice": "any"}}
    with made(url) as interactions:
        first = interactions.create(**about("Weather in Rome?"), **ask)
        (call,) = (step for step in first.steps if step.type == "function_call")
        assert first.status == "requires_action"
        result = {
            "type": "function_result",
            "call_id": call.id,
            "name": call.name,
            "result": "sunny",
        }
        second = interactions.create(
            **about("") | {"input": [result]}, previous_interaction_id=first.id
        )
    return [dumped(first), dumped(second)]


def parsed(url: str) -> Any:
    with made(url) as interactions:
        answer = interactions.create(**about("parsed"), response_format=SCHEMA)
    assert isinstance(json.loads(answer.output_text)["score"], int)
    return dumped(answer)


def whole_then_streamed(url: str) -> Any:
    with made(url) as interactions:
        text = interactions.create(**about("whole, then streamed")).output_text
        with cachesaver.namespace("other"):
            stream = interactions.create(**about("whole, then streamed"), stream=True)
            return [text, text_of(stream)]


def streamed_then_whole(url: str) -> Any:
    with made(url) as interactions:
        text = text_of(interactions.create(**about("streamed, then whole"), stream=True))
        with cachesaver.namespace("other"):
            return [interactions.create(**about("streamed, then whole")).output_text, text]


def call_then_streamed(url: str) -> Any:
    """The arguments of one call, recorded whole and asked for as a stream."""
    ask = {**about("call"), "tools": [WEATHER], "generation_config": {"tool_choice": "any"}}
    with made(url) as interactions:
        whole = interactions.create(**ask).steps[-1].arguments
        with cachesaver.namespace("other"):
            stream = interactions.create(**ask, stream=True)
            deltas = [event.delta for event in stream if event.event_type == "step.delta"]
            return [whole, json.loads(deltas[-1].arguments)]


PROGRAMS = {
    program.__name__: program
    for program in (
        whole,
        streamed,
        awaited,
        tools,
        parsed,
        whole_then_streamed,
        streamed_then_whole,
        call_then_streamed,
    )
}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "_then_" in name])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)
