from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.openai_responses import CompatibleResponses
from cachesaver.dialects.responses_events import events_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

Object = dict[str, Any]

ASK = Request(method="POST", url="https://api.openai.com/v1/responses")
TEXT_PART: Object = {
    "type": "output_text",
    "text": "hi",
    "annotations": [{"type": "url_citation", "url": "u"}],
    "logprobs": [{"token": "hi"}],
}
MESSAGE: Object = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [TEXT_PART],
}


def response(*output: Object, **extra: object) -> Object:
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "completed_at": 5,
        "error": None,
        "incomplete_details": None,
        "model": "m",
        "output": list(output),
        "usage": {"total_tokens": 1},
        **extra,
    }


def kinds(events: list[Object]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_message_comes_in_the_order_of_the_api() -> None:
    events = list(events_of(response(MESSAGE), dialect="d"))

    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(10))
    assert events[0]["response"] == response(status="in_progress", completed_at=None, usage=None)
    assert events[2]["item"] == {**MESSAGE, "status": "in_progress", "content": []}
    assert events[3]["part"] == {
        "type": "output_text",
        "text": "",
        "annotations": [],
        "logprobs": [],
    }
    assert events[4] == {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": "hi",
        "logprobs": [{"token": "hi"}],
    }
    assert events[5]["annotation"] == {"type": "url_citation", "url": "u"}
    assert events[6]["text"] == "hi"
    assert events[8]["item"] == MESSAGE
    assert events[9]["response"] == response(MESSAGE)


@pytest.mark.parametrize(
    ("item", "between"),
    [
        (
            {"id": "fc", "type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
            ["function_call_arguments.delta", "function_call_arguments.done"],
        ),
        (
            {"id": "c", "type": "custom_tool_call", "name": "f", "call_id": "c", "input": "x"},
            ["custom_tool_call_input.delta", "custom_tool_call_input.done"],
        ),
        (
            {"id": "m", "type": "mcp_call", "arguments": "{}", "output": "y", "error": None},
            [
                "mcp_call.in_progress",
                "mcp_call_arguments.delta",
                "mcp_call_arguments.done",
                "mcp_call.completed",
            ],
        ),
        (
            {"id": "m", "type": "mcp_call", "arguments": "{}", "error": "no"},
            [
                "mcp_call.in_progress",
                "mcp_call_arguments.delta",
                "mcp_call_arguments.done",
                "mcp_call.failed",
            ],
        ),
        (
            {"id": "ci", "type": "code_interpreter_call", "code": "1", "outputs": []},
            [
                "code_interpreter_call.in_progress",
                "code_interpreter_call_code.delta",
                "code_interpreter_call_code.done",
                "code_interpreter_call.interpreting",
                "code_interpreter_call.completed",
            ],
        ),
        (
            {"id": "ws", "type": "web_search_call", "status": "completed", "action": {}},
            [
                "web_search_call.in_progress",
                "web_search_call.searching",
                "web_search_call.completed",
            ],
        ),
        (
            {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]},
            [
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
            ],
        ),
        (
            {
                "id": "rs",
                "type": "reasoning",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "t"}],
            },
            [
                "content_part.added",
                "reasoning_text.delta",
                "reasoning_text.done",
                "content_part.done",
            ],
        ),
        (
            {**MESSAGE, "content": [{"type": "refusal", "refusal": "no"}]},
            ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"],
        ),
        ({"id": "x", "type": "shell_call", "action": {"commands": ["ls"]}}, []),
        ({"type": "of_the_future", "what": 1}, []),
    ],
)
def test_every_kind_of_item_has_its_events(item: Object, between: list[str]) -> None:
    events = list(events_of(response(item), dialect="d"))

    assert kinds(events)[3:-2] == between
    assert events[-2]["item"] == item
    assert {event["item_id"] for event in events[3:-2]} <= {item.get("id")}


def test_an_announced_item_does_not_tell_its_outcome() -> None:
    item = {"id": "i", "type": "image_generation_call", "status": "completed", "result": "QUJD"}

    announced = list(events_of(response(item), dialect="d"))[2]["item"]

    assert announced == {"id": "i", "type": "image_generation_call", "status": "in_progress"}


def test_an_incomplete_response_ends_as_one() -> None:
    events = list(events_of(response(status="incomplete"), dialect="d"))

    assert kinds(events)[-1] == "incomplete"


@pytest.mark.parametrize(
    "body",
    [
        response(status="in_progress"),
        response(status="failed"),
        response(status=None),
        response(status=["completed"]),
        response(MESSAGE) | {"output": "x"},
        response(MESSAGE) | {"output": [1]},
        response({**MESSAGE, "content": "hi"}),
        response({**MESSAGE, "content": [1]}),
        response({**MESSAGE, "content": [{"type": "of_the_future"}]}),
        response({**MESSAGE, "content": [{**TEXT_PART, "annotations": 1}]}),
        response({"type": "reasoning", "summary": 5}),
    ],
)
def test_what_cannot_be_told_in_events_is_refused(body: Object) -> None:
    with pytest.raises(DialectError, match=r"^d: "):
        list(events_of(body, dialect="d"))


TEXT = st.text(max_size=10)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("output_text"), "text": TEXT}),
    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": TEXT}),
)
ITEMS = st.one_of(
    st.fixed_dictionaries({"type": st.just("message"), "id": TEXT, "content": st.lists(PARTS)}),
    st.fixed_dictionaries({"type": st.just("function_call"), "arguments": TEXT}),
    st.fixed_dictionaries({"type": TEXT, "any": st.integers()}),
)


@given(st.lists(ITEMS, max_size=4), st.sampled_from(["completed", "incomplete"]))
def test_a_response_survives_being_streamed(output: list[Object], status: str) -> None:
    dialect, body = CompatibleResponses(), response(*output, status=status)
    whole = Response(status=200, chunks=(json.dumps(body).encode(),))

    stream = dialect.stream(whole, ASK, {"stream": True})

    assert json.loads(dialect.whole(stream).body) == body
    assert dialect.stream(dialect.whole(stream), ASK, {"stream": True}) == stream
    assert dialect.finished(stream.body[-4096:])
    assert dialect.sound(stream)
