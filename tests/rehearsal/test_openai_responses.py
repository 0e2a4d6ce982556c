"""Responses, judged by the openai SDK and its own types in strict validation."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.responses import InputTokenCountResponse, Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.openai_responses import InputTokensApi

ASK: Any = {"model": "gpt-4o-mini", "input": "Say something."}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Answer(BaseModel):
    text: str
    score: int


def strip_parsed(body: dict[str, Any]) -> dict[str, Any]:
    """Return *body* without what only `stream` adds to a message."""
    for part in (part for item in body["output"] for part in item["content"]):
        part.pop("parsed")
    return body


def raw(client: Any, **more: Any) -> bytes:
    body: bytes = client.responses.with_raw_response.create(**ASK | more).http_response.read()
    return body


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_output_tokens": 3},
        {"tools": [WEATHER], "tool_choice": "required"},
        {"instructions": "Be brief.", "temperature": 0.5, "metadata": {"a": "b"}},
    ],
)
def test_whole_and_streamed_answers_satisfy_the_sdks_types_strictly(
    openai_client: Any, more: dict[str, Any]
) -> None:
    Response.model_validate_json(raw(openai_client, **more), strict=True)
    for event in decode(raw(openai_client, **more, stream=True)):
        assert EVENT.validate_json(event.data, strict=True).type == event.name


def test_the_stream_ends_with_the_whole_answer(rehearsal: Rehearsal, openai_client: Any) -> None:
    whole = openai_client.responses.create(**ASK)
    rehearsal.reset()

    with openai_client.responses.stream(**ASK) as stream:
        joined = stream.get_final_response()

    assert strip_parsed(joined.to_dict()) == whole.to_dict()
    assert whole.output_text


def test_events_are_numbered_and_deltas_join_to_the_text(openai_client: Any) -> None:
    events = list(openai_client.responses.create(**ASK, stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens == len(deltas)


def test_a_limit_makes_an_incomplete_response(openai_client: Any) -> None:
    answer = openai_client.responses.create(**ASK, max_output_tokens=3)
    *_, last = openai_client.responses.create(**ASK, max_output_tokens=3, stream=True)

    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.usage.output_tokens == 3
    assert last.type == "response.incomplete"


def test_what_was_asked_is_echoed(openai_client: Any) -> None:
    answer = openai_client.responses.create(
        **ASK, instructions="Be brief.", temperature=0.5, metadata={"a": "b"}
    )

    assert answer.instructions == "Be brief."
    assert (answer.temperature, answer.metadata) == (0.5, {"a": "b"})


def test_instructions_are_part_of_the_prompt(openai_client: Any) -> None:
    with_them = openai_client.responses.create(**ASK, instructions="Be brief.")
    without = openai_client.responses.create(**ASK)

    assert with_them.usage.input_tokens > without.usage.input_tokens
    assert with_them.output_text != without.output_text


def test_a_tool_is_called_and_its_result_is_taken(rehearsal: Rehearsal, openai_client: Any) -> None:
    first = openai_client.responses.create(**ASK, tools=[WEATHER], tool_choice="required")
    call = first.output[0]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    history = [{"role": "user", "content": "Call get_weather."}, call.to_dict(), result]
    second = openai_client.responses.create(**ASK | {"input": history}, tools=[WEATHER])
    rehearsal.reset()
    with openai_client.responses.stream(
        **ASK, tools=[WEATHER], tool_choice={"type": "function", "name": "get_weather"}
    ) as stream:
        streamed = stream.get_final_response().output[0]

    assert set(json.loads(call.arguments)) == {"city"}
    assert second.output_text
    assert streamed.name == call.name == "get_weather"
    assert set(json.loads(streamed.arguments)) == {"city"}


def test_structured_output_parses_to_the_callers_own_type(openai_client: Any) -> None:
    parsed = openai_client.responses.parse(**ASK, text_format=Answer).output_parsed
    loose = openai_client.responses.create(**ASK, text={"format": {"type": "json_object"}})

    assert isinstance(parsed, Answer)
    assert set(json.loads(loose.output_text)) == {"answer"}


@pytest.mark.parametrize(
    "wrong", [{"model": ""}, {"input": ""}, {"input": [{"content": "x"}]}, {"max_output_tokens": 0}]
)
def test_what_openai_would_refuse_is_refused(openai_client: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        openai_client.responses.create(**ASK | wrong)


def test_an_error_in_the_middle_of_a_stream_is_an_event(openai_client: Any) -> None:
    fault = {"x-rehearsal-fault": "error-event;after=3"}

    with pytest.raises(openai.APIError, match="overloaded"):
        list(openai_client.responses.create(**ASK, stream=True, extra_headers=fault))


def test_tokens_are_counted_as_a_response_would_have_them(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    ask = ASK | {"tools": [WEATHER], "instructions": "Be brief."}
    answer = openai_client.responses.input_tokens.with_raw_response.count(**ask)

    counted = InputTokenCountResponse.model_validate_json(answer.http_response.read(), strict=True)

    assert counted.input_tokens == openai_client.responses.create(**ask).usage.input_tokens
    assert rehearsal.calls().samples == 1


def test_counts_are_not_streamed() -> None:
    assert list(InputTokensApi().stream(InputTokensApi().read("", ASK), ())) == []
