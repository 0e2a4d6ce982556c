"""Chat, version 1, judged by the cohere SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cohere
import httpx2
import pytest

from cachesaver.rehearsal import Rehearsal

WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather.",
    "parameter_definitions": {
        "city": {"type": "str", "required": True},
        "days": {"type": "int", "required": True},
        "odd": {"type": "List[str]"},
    },
}
FORMAT: Any = {
    "type": "json_object",
    "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
ALL: list[Any] = [
    {},
    {"max_tokens": 3},
    {"message": "Call get_weather.", "tools": [WEATHER]},
    {"documents": [{"title": "T", "text": "x"}]},
    {"preamble": "Be brief.", "chat_history": [{"role": "CHATBOT", "message": "Yes?"}]},
    {"response_format": FORMAT},
]


@pytest.fixture
def client(rehearsal: Rehearsal) -> Iterator[Any]:
    with cohere.Client(api_key="k", base_url=rehearsal.url, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("more", ALL, ids=range(len(ALL)))
def test_a_stream_ends_with_the_whole_answer(rehearsal: Rehearsal, client: Any, more: Any) -> None:
    ask = {"message": "Say it.", **more}
    whole = client.chat(**ask)
    rehearsal.reset()

    first, *events, last = client.chat_stream(**ask)

    assert first.generation_id == whole.generation_id
    assert last.response == whole
    assert last.finish_reason == whole.finish_reason
    texts = "".join(event.text for event in events if event.event_type == "text-generation")
    assert texts == ("" if whole.tool_calls else whole.text)


def test_a_tool_is_called_with_what_it_is_defined_to_take(client: Any) -> None:
    (call,) = client.chat(message="Call get_weather.", tools=[WEATHER]).tool_calls

    assert call.name == "get_weather"
    assert isinstance(call.parameters["city"], str)
    assert isinstance(call.parameters["days"], int)


def test_the_history_grows_and_results_are_read(client: Any) -> None:
    first = client.chat(message="Call get_weather.", tools=[WEATHER])
    results: Any = [{"call": first.tool_calls[0], "outputs": [{"sky": "blue"}]}]

    second = client.chat(
        message="", chat_history=first.chat_history, tools=[WEATHER], tool_results=results
    )

    assert [turn.role for turn in first.chat_history] == ["USER", "CHATBOT"]
    assert second.tool_calls is None
    assert second.text


WRONG: list[Any] = [
    {},
    {"message": 1},
    {"message": "x", "chat_history": [{"role": "me"}]},
    {"message": "x", "tools": [{}]},
]


@pytest.mark.parametrize("body", WRONG)
def test_what_cannot_be_is_refused(rehearsal: Rehearsal, http: httpx2.Client, body: Any) -> None:
    assert http.post(f"{rehearsal.url}/v1/chat", json=body).status_code == 400


def test_a_stream_that_fails_says_so_in_its_last_event(client: Any) -> None:
    options: Any = {"additional_headers": {"x-rehearsal-fault": "error-event;after=2"}}

    *_, last = client.chat_stream(message="hi", request_options=options)

    assert (last.event_type, last.finish_reason) == ("stream-end", "ERROR")
