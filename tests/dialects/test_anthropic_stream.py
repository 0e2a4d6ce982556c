from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.anthropic_stream import stream_of
from cachesaver.dialects.anthropic_whole import message_of
from cachesaver.errors import DialectError

Object = dict[str, Any]
Drawn = st.SearchStrategy[Any]

USAGE: Object = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 2,
    "cache_read_input_tokens": 3,
    "cache_creation": {"ephemeral_5m_input_tokens": 2},
    "output_tokens": 42,
    "server_tool_use": {"web_search_requests": 1},
    "service_tier": "standard",
}


def message(*content: object, **more: object) -> Object:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-2",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": dict(USAGE),
        **more,
    }


def kinds(told: Object) -> list[object]:
    return [event["type"] for event in stream_of(told)]


def test_the_events_come_in_the_documented_order() -> None:
    assert kinds(message({"type": "text", "text": "hi"})) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_message_starts_empty_and_ends_with_what_it_cost() -> None:
    first, last, _ = stream_of(message(stop_reason="stop_sequence", stop_sequence="X"))

    assert first["message"] == message(
        stop_reason=None,
        usage={
            name: 0 if name == "output_tokens" else count
            for name, count in USAGE.items()
            if name != "server_tool_use"
        },
    )
    assert last["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "X"}
    assert last["usage"] == {
        name: count
        for name, count in USAGE.items()
        if name not in ("cache_creation", "service_tier")
    }


def test_input_is_told_as_json_text() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 2**70, "b": ["é"]}}
    _, start, empty, delta, *_ = stream_of(message(call))

    assert start["content_block"] == {**call, "input": {}}
    assert empty["delta"] == {"type": "input_json_delta", "partial_json": ""}
    assert delta["delta"] == {
        "type": "input_json_delta",
        "partial_json": '{"a":1180591620717411303424,"b":["é"]}',
    }


def test_a_stream_over_a_fallback_starts_with_the_model_asked_first() -> None:
    hops = [
        {"type": "fallback", "from": {"model": "m-0"}, "to": {"model": "m-1"}},
        {"type": "fallback", "from": {"model": "m-1"}, "to": {"model": "m-2"}},
    ]
    first, *rest = stream_of(told := message(*hops))
    begun: Any = first["message"]

    assert begun["model"] == "m-0"
    assert message_of([first, *rest]) == told


@pytest.mark.parametrize(
    "told",
    [
        {},
        message(content=None),
        message(usage=None),
        message(usage={"input_tokens": 1}),
        message(stop_reason=None),
        message("not a block"),
        message({"type": "fallback", "to": {"model": "m-9"}}),
        message({"type": "tool_use", "input": {"a": float("inf")}}),
    ],
)
def test_what_is_no_complete_message_is_refused(told: Object) -> None:
    with pytest.raises(DialectError):
        list(stream_of(told))


JSON: Drawn = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False, allow_nan=False),
    lambda inner: (
        st.text() | st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
ARGUMENTS: Drawn = st.dictionaries(st.text(), JSON, max_size=3)
BLOCKS: Drawn = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": st.text()},
        optional={"citations": st.none() | st.lists(JSON, max_size=3)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("thinking"), "thinking": st.text()},
        optional={"signature": st.text() | st.none()},
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool_use", "server_tool_use", "mcp_tool_use"]),
            "id": st.text(),
            "name": st.text(),
            "input": ARGUMENTS,
        },
        optional={"caller": JSON},
    ),
    st.fixed_dictionaries(
        {"type": st.just("compaction")},
        optional={"content": st.text() | st.none(), "encrypted_content": st.text() | st.none()},
    ),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": st.text()}),
    st.dictionaries(st.text(), JSON, max_size=3),
    st.fixed_dictionaries({"type": st.text(), "input": JSON, "text": JSON}),
)
COUNTS: Drawn = st.integers(min_value=0) | st.none()


def built(content: list[object], usage: Object, more: Object) -> Object:
    return message(*content, usage={**usage, "output_tokens": 3}, **more)


MESSAGES: Drawn = st.builds(
    built,
    st.lists(BLOCKS, max_size=4),
    st.dictionaries(st.sampled_from([*USAGE, "iterations", "of_tomorrow"]), COUNTS),
    st.fixed_dictionaries(
        {"stop_reason": st.sampled_from(["end_turn", "max_tokens", "refusal", "of_tomorrow"])},
        optional=dict.fromkeys(
            (
                "stop_sequence",
                "stop_details",
                "container",
                "context_management",
                "diagnostics",
                "of_tomorrow",
            ),
            JSON,
        ),
    ),
)


@given(MESSAGES)
def test_a_message_told_as_events_is_the_same_message(told: Object) -> None:
    before = copy.deepcopy(told)

    assert message_of(stream_of(told)) == told == before
