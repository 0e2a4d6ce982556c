"""Gemini's interactions, judged by the google-genai SDK."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from cachesaver.dialects.interactions_events import interaction_of
from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.gemini_interactions import InteractionsApi
from cachesaver.rehearsal.values import RejectedError

ASK: Any = {"model": "gemini-3-flash-preview", "input": "Say something."}
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def test_an_interaction_has_steps_and_counts(gemini_client: Any) -> None:
    answer = gemini_client.interactions.create(**ASK)

    assert [step.type for step in answer.steps] == ["thought", "model_output"]
    assert answer.status == "completed"
    assert answer.output_text
    usage = answer.usage
    assert usage.total_tokens == usage.total_input_tokens + usage.total_output_tokens


def test_a_stream_tells_the_same_interaction(
    rehearsal: Rehearsal, http: httpx2.Client, gemini_client: Any
) -> None:
    url = f"{rehearsal.gemini_url}/v1beta/interactions"
    for more in ({}, {"tools": [WEATHER], "generation_config": {"tool_choice": "any"}}):
        whole = http.post(url, json=ASK | more).json()
        rehearsal.reset()
        told = [
            event.data
            for event in decode(http.post(url, json=ASK | more | {"stream": True}).content)
        ]

        assert told.pop() == "[DONE]"
        assert interaction_of(map(json.loads, told)) == whole
        rehearsal.reset()
    events = list(gemini_client.interactions.create(**ASK, stream=True))
    assert events[0].event_type == "interaction.created"
    assert events[-1].event_type == "interaction.completed"


def test_functions_are_called_where_they_must_be_and_not_where_they_must_not(
    gemini_client: Any,
) -> None:
    create = gemini_client.interactions.create

    forced = create(**ASK, tools=[WEATHER], generation_config={"tool_choice": "any"})
    none = create(**ASK, tools=[WEATHER], generation_config={"tool_choice": "none"})

    assert forced.status == "requires_action"
    assert forced.steps[-1].name == "get_weather"
    assert none.status == "completed"


def test_results_turns_and_instructions_are_read(gemini_client: Any) -> None:
    create = gemini_client.interactions.create
    call: Any = {"type": "function_call", "id": "c", "name": "f", "arguments": {}}
    result = {"type": "function_result", "call_id": "c", "name": "f", "result": "sunny"}
    said = {"type": "model_output", "content": [{"type": "text", "text": "Yes?"}]}

    short = create(**ASK)
    long = create(**ASK | {"input": [said, call, result]}, system_instruction="Be brief.")
    after = create(model=ASK["model"], previous_interaction_id=short.id)

    assert long.usage.total_input_tokens > short.usage.total_input_tokens
    assert after.output_text


def test_a_limit_cuts_and_a_schema_shapes(gemini_client: Any) -> None:
    create = gemini_client.interactions.create
    shape = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    asked = {"type": "text", "mime_type": "application/json", "schema": shape}

    cut = create(**ASK, generation_config={"max_output_tokens": 2})
    shaped = create(**ASK, response_format=asked)

    assert cut.status == "incomplete"
    assert isinstance(json.loads(shaped.output_text)["a"], int)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "input": ""},
        {"model": "m", "input": []},
        {"input": "hi"},
        {"model": "m", "input": "hi", "background": True},
        {"agent": "a", "input": "hi"},
    ],
)
def test_what_is_not_played_is_an_error(body: dict[str, object]) -> None:
    with pytest.raises(RejectedError):
        InteractionsApi().read("/v1beta/interactions", body)


def test_an_error_in_a_stream_is_an_event() -> None:
    (event,) = decode(InteractionsApi().error_frame(RejectedError(503, "m"), 1))

    assert event.name == "error"
    assert json.loads(event.data) == {
        "event_type": "error",
        "error": {"code": "503", "message": "m"},
    }
