"""Chat, version 2, judged by the cohere SDK and by what our dialect makes of its streams."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from cohere.core.api_error import ApiError

from cachesaver.dialects.cohere_whole import answer_of
from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal

ASK: Any = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "Say it."}]}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
FORMAT: Any = {
    "type": "json_object",
    "json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
ALL: list[Any] = [
    {},
    {"max_tokens": 3},
    {"stop_sequences": ["#"]},
    {"tools": [WEATHER], "tool_choice": "REQUIRED"},
    {"tools": [WEATHER], "tool_choice": "REQUIRED", "thinking": {"type": "enabled"}},
    {"documents": ["one", {"id": "d", "data": {"title": "T"}}]},
    {"thinking": {"type": "enabled"}, "documents": [{"data": {"a": "b"}}], "logprobs": True},
    {"logprobs": True},
]


def post(http: httpx2.Client, rehearsal: Rehearsal, **more: Any) -> httpx2.Response:
    return http.post(f"{rehearsal.url}/v2/chat", json={**ASK, **more})


@pytest.mark.parametrize("more", ALL, ids=range(len(ALL)))
def test_a_stream_tells_the_whole_answer(
    rehearsal: Rehearsal, http: httpx2.Client, more: Any
) -> None:
    whole = post(http, rehearsal, **more).json()
    rehearsal.reset()

    *events, done = decode(post(http, rehearsal, **more, stream=True).content)

    assert done.data == "[DONE]"
    told = [json.loads(event.data) for event in events]
    assert [event.name for event in events] == [each["type"] for each in told]
    assert answer_of(told) == whole


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "COMPLETE"),
        ({"max_tokens": 3}, "MAX_TOKENS"),
        ({"stop_sequences": ["#"]}, "STOP_SEQUENCE"),
        ({"tools": [WEATHER], "tool_choice": "REQUIRED"}, "TOOL_CALL"),
        ({"tools": [WEATHER], "tool_choice": "NONE"}, "COMPLETE"),
    ],
)
def test_it_says_why_it_ended(cohere_client: Any, more: Any, reason: str) -> None:
    assert cohere_client.chat(**ASK, **more).finish_reason == reason


def test_what_is_billed_is_less_than_what_is_read(cohere_client: Any) -> None:
    usage = cohere_client.chat(**ASK).usage

    assert usage.billed_units.input_tokens < usage.tokens.input_tokens
    assert usage.billed_units.output_tokens == usage.tokens.output_tokens > 0


def test_json_is_said_where_it_is_asked_for(cohere_client: Any) -> None:
    said = cohere_client.chat(**ASK, response_format=FORMAT).message.content[0].text

    assert isinstance(json.loads(said)["n"], int)


def test_the_result_of_a_tool_is_read(cohere_client: Any) -> None:
    """Given the result of a call, when asked again, then it is another question, said in text."""
    first = cohere_client.chat(**ASK, tools=[WEATHER], tool_choice="REQUIRED")
    call = first.message.tool_calls[0]
    turns = [
        *ASK["messages"],
        first.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]

    second = cohere_client.chat(model=ASK["model"], messages=turns, tools=[WEATHER])

    assert "get_weather" in first.message.tool_plan
    assert json.loads(call.function.arguments)["city"]
    assert second.message.content[0].text


@pytest.mark.parametrize(
    "body", [{}, {"model": "m", "messages": []}, {**ASK, "messages": [{"role": "bot"}]}]
)
def test_what_cannot_be_is_refused(rehearsal: Rehearsal, http: httpx2.Client, body: Any) -> None:
    answer = http.post(f"{rehearsal.url}/v2/chat", json=body)

    assert answer.status_code == 400
    assert set(answer.json()) == {"id", "message"}


def test_errors_are_the_sdks(cohere_client: Any) -> None:
    options: Any = {"additional_headers": {"x-rehearsal-fault": "429"}}

    with pytest.raises(ApiError) as raised:
        cohere_client.chat(**ASK, request_options=options)

    assert raised.value.status_code == 429
    assert raised.value.body["message"]


def test_a_stream_that_fails_says_so_in_its_last_event(cohere_client: Any) -> None:
    options: Any = {"additional_headers": {"x-rehearsal-fault": "error-event;after=3"}}

    *_, last = cohere_client.chat_stream(**ASK, request_options=options)

    assert (last.type, last.delta.finish_reason) == ("message-end", "ERROR")
    assert last.delta.error
