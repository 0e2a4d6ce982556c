"""Responses by OpenAI's own SDK, over a socket."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any, Literal

import openai
import pydantic
import pytest

TOOL: Any = {
    "type": "function",
    "name": "go",
    "parameters": {
        "type": "object",
        "properties": {"to": {"enum": ["x", "y"]}},
        "required": ["to"],
        "additionalProperties": False,
    },
    "strict": True,
}

needs_llguidance = pytest.mark.skipif(
    find_spec("llguidance") is None, reason="needs cachesaver[structured]"
)


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    fields.setdefault("extra_body", {"seed": 6})
    given: dict[str, Any] = {
        "model": "tiny",
        "input": "the quick",
        "max_output_tokens": 12,
        **fields,
    }
    return client.responses.create(**given)


def test_a_whole_response(client: openai.OpenAI) -> None:
    answer = ask(client, instructions="be", temperature=0.5, metadata={"a": "b"})

    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output_text
    assert (answer.instructions, answer.temperature, answer.metadata) == ("be", 0.5, {"a": "b"})
    assert answer.usage.output_tokens == 12
    assert (answer.model_dump()["seed"], answer.store) == (6, False)


def test_a_stream_says_what_the_whole_says(client: openai.OpenAI) -> None:
    events = [*ask(client, stream=True)]

    assert [event.sequence_number for event in events] == [*range(len(events))]
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == ask(client).output_text
    assert [event.type for event in events if event not in deltas] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    assert events[-1].response.output_text == ask(client).output_text


def test_an_answer_of_nothing_is_an_empty_message(client: openai.OpenAI) -> None:
    # 2 is the end token.
    answer = ask(client, extra_body={"seed": 1, "top_k": 1}, input="x", max_output_tokens=1)

    assert [item.type for item in answer.output] == ["message"]


@needs_llguidance
@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "go"}])
def test_calls_are_items(client: openai.OpenAI, choice: Any) -> None:
    fields = {"tools": [TOOL], "tool_choice": choice, "max_output_tokens": 80}
    (item,) = ask(client, **fields).output

    events = [*ask(client, **fields, stream=True)]

    assert (item.type, item.name, item.status) == ("function_call", "go", "completed")
    assert json.loads(item.arguments)["to"] in ("x", "y")
    deltas = [each for each in events if each.type == "response.function_call_arguments.delta"]
    assert "".join(event.delta for event in deltas) == item.arguments
    assert events[-1].type == "response.completed"
    assert events[-1].response.output[0].call_id == item.call_id


@needs_llguidance
def test_a_parsed_response_fits_its_model(client: openai.OpenAI) -> None:
    class Weather(pydantic.BaseModel):
        city: Literal["Paris", "Rome"]

    answer = client.responses.parse(
        model="tiny", input="the", text_format=Weather, max_output_tokens=80
    )

    assert isinstance(answer.output_parsed, Weather)


@pytest.mark.parametrize(
    "fields",
    [{"previous_response_id": "r"}, {"store": True}, {"model": "other"}, {"background": True}],
)
def test_what_it_cannot_do_is_refused(client: openai.OpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, **fields)

    assert raised.value.status_code in (400, 404)
