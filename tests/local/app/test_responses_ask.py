from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.local.app.bodies import read
from cachesaver.local.app.chat_ask import ChatAsk
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.responses_ask import ResponsesAsk, to_chat

pytestmark = pytest.mark.usefixtures("either_way")

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}


def chat(**fields: Any) -> ChatAsk:
    return to_chat(read(ResponsesAsk, json.dumps({"model": "m", "input": "hi", **fields}).encode()))


def test_a_text_is_what_the_user_says() -> None:
    messages = chat(instructions="be brief").messages

    assert [(each.role, each.text) for each in messages] == [("system", "be brief"), ("user", "hi")]


def test_a_conversation_with_calls() -> None:
    turns = [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}", "id": "fc"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {
            "type": "function_call_output",
            "call_id": "2",
            "output": [{"type": "input_text", "text": "y"}],
        },
        {
            "type": "message",
            "role": "assistant",
            "id": "msg",
            "status": "completed",
            "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
        },
        {"type": "function_call", "call_id": "3", "name": "f", "arguments": "{}"},
    ]

    messages = chat(input=turns).messages

    assert [(each.role, each.text) for each in messages] == [
        ("user", "a"),
        ("assistant", ""),
        ("tool", "x"),
        ("tool", "y"),
        ("assistant", "b"),
        ("assistant", ""),
    ]
    assert [call.id for call in messages[1].tool_calls or ()] == ["1", "2"]  # type: ignore[union-attr]


def test_tools_choices_and_forms() -> None:
    named = chat(tools=[TOOL], tool_choice={"type": "function", "name": "f"})
    schema = {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True}
    formed = chat(text={"format": schema}, max_output_tokens=7, seed=3)

    assert named.tools is not None
    assert named.tools[0].function.strict
    assert (
        named.tool_choice
        == chat(tools=[TOOL], tool_choice={"type": "function", "name": "f"}).tool_choice
    )
    assert formed.response_format is not None
    assert formed.response_format.model_dump(by_alias=True)["json_schema"]["schema"] == {
        "type": "object"
    }
    assert (formed.limit, formed.seed) == (7, 3)
    assert chat(text={"format": {"type": "json_object"}}).response_format is not None
    assert chat(text={}, tool_choice="auto").response_format is None


@pytest.mark.parametrize(
    "fields",
    [
        {"input": []},
        {"input": [{"type": "reasoning", "summary": []}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "u"}]}]},
        {"previous_response_id": "r"},
        {"store": True},
        {"truncation": "auto"},
        {"include": ["reasoning.encrypted_content"]},
        {"tools": [{"type": "web_search"}]},
        {"tools": [TOOL, TOOL]},
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}},
        {"top_logprobs": 2},
        {"text": {"verbosity": "low"}},
        {"background": True},
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as raised:
        chat(**fields)

    assert raised.value.status == 400
