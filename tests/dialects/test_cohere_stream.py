from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.cohere_stream import events_of
from cachesaver.dialects.cohere_whole import answer_of
from cachesaver.errors import DialectError

Object = dict[str, Any]


def answer(*content: Object, **more: Any) -> Object:
    message: Object = {"role": "assistant"}
    message |= {"content": list(content)} if content else {}
    message |= {
        name: more.pop(name) for name in ("tool_plan", "tool_calls", "citations") if name in more
    }
    return {
        "id": "i",
        "message": message,
        "finish_reason": "COMPLETE",
        "usage": {"billed_units": {"input_tokens": 3}},
        **more,
    }


def text(said: str) -> Object:
    return {"type": "text", "text": said}


def thought(said: str) -> Object:
    return {"type": "thinking", "thinking": said}


def call(name: str, arguments: str) -> Object:
    function = {"name": name, "arguments": arguments}
    return {"id": f"{name}_1", "type": "function", "function": function}


def kinds(told: Object) -> list[object]:
    return [event["type"] for event in events_of(told)]


def test_the_events_come_in_the_recorded_order() -> None:
    assert kinds(answer(thought("a"), text("b"))) == [
        "message-start",
        *("content-start", "content-delta", "content-end"),
        *("content-start", "content-delta", "content-end"),
        "message-end",
    ]
    assert kinds(answer(tool_plan="I will.", tool_calls=[call("f", "{}")])) == [
        "message-start",
        "tool-plan-delta",
        *("tool-call-start", "tool-call-delta", "tool-call-end"),
        "message-end",
    ]


def test_a_message_begins_empty() -> None:
    first, *_ = events_of(answer(text("a")))

    assert first == {
        "type": "message-start",
        "id": "i",
        "delta": {
            "message": {
                "role": "assistant",
                "content": [],
                "tool_plan": "",
                "tool_calls": [],
                "citations": [],
            }
        },
    }


def cited(told: Object) -> list[tuple[object, object]]:
    """The place of each citation and what goes before it."""
    events = list(events_of(told))
    return [
        (event["index"], events[at - 1]["type"])
        for at, event in enumerate(events)
        if event["type"] == "citation-start"
    ]


def test_citations_are_told_in_the_block_they_are_of() -> None:
    citations = [{"content_index": 0, "start": 1}, {"content_index": 1, "start": 2}, {"start": 3}]

    events = list(events_of(answer(text("a"), text("b"), citations=citations)))

    at = [n for n, event in enumerate(events) if event["type"] == "citation-start"]
    ends = [n for n, event in enumerate(events) if event["type"] == "content-end"]
    assert at[0] < ends[0] < at[1] < at[2] < ends[1]


def test_citations_of_the_plan_come_after_it() -> None:
    told = answer(text("a"), tool_plan="p", citations=[{"type": "PLAN"}])

    assert cited(told) == [(0, "tool-plan-delta")]
    assert cited(answer(tool_plan="p", citations=[{}])) == [(0, "tool-plan-delta")]


def test_log_probabilities_come_with_the_piece_they_are_of() -> None:
    items = [{"text": "Say ", "token_ids": [1]}, {"text": "it"}, {"text": "."}]

    events = list(events_of(answer(thought("Say it"), text("."), logprobs=items)))

    deltas = [event for event in events if event["type"] == "content-delta"]
    assert [event["logprobs"] for event in deltas] == items


REFUSED: dict[str, Object] = {
    "no message": {"id": "i", "finish_reason": "COMPLETE"},
    "no finish reason": answer(text("a"), finish_reason=None),
    "an error": answer(text("a"), finish_reason="ERROR"),
    "no id": answer(text("a"), id=None),
    "content of no known type": answer({"type": "film", "film": "x"}),
    "content that is a text": {**answer(), "message": {"content": "x"}},
    "content without text": answer({"type": "text"}),
    "a call without arguments": answer(tool_calls=[{"function": {"name": "f"}}]),
    "a call of nothing": answer(tool_calls=[{}]),
    "log probabilities of another text": answer(text("a"), logprobs=[{"text": "b"}]),
    "log probabilities of less": answer(text("ab"), logprobs=[{"text": "a"}]),
    "log probabilities of more": answer(text("a"), logprobs=[{"text": "a"}, {"text": "b"}]),
    "log probabilities of nothing": answer(text("a"), logprobs=[{"text": ""}]),
    "log probabilities without a text": answer(text("a"), logprobs=[{"token_ids": [1]}]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_is_refused(name: str) -> None:
    with pytest.raises(DialectError):
        list(events_of(copy.deepcopy(REFUSED[name])))


SAID = st.text(max_size=5)
PIECES = st.lists(st.text(min_size=1, max_size=3), max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> Object:
    """Anything a model may say, log probabilities or not."""
    blocks = draw(st.lists(st.tuples(st.sampled_from(["text", "thinking"]), PIECES), max_size=3))
    content = [{"type": kind, kind: "".join(pieces)} for kind, pieces in blocks]
    more: Object = {}
    if plan := draw(SAID):
        more["tool_plan"] = plan
    if calls := draw(st.lists(SAID, max_size=3)):
        more["tool_calls"] = [call("f", arguments) for arguments in calls]
    where: list[Any] = [{}, {"type": "PLAN"}, *({"content_index": n} for n in range(3))]
    if citations := draw(st.lists(st.sampled_from(where), max_size=4)):
        more["citations"] = [{**each, "start": n} for n, each in enumerate(citations)]
    items = [{"text": piece} for _, pieces in blocks for piece in pieces]
    if draw(st.booleans()) and items:
        more["logprobs"] = items
    return answer(*content, **more)


@given(answers())
def test_a_stream_tells_the_very_answer(told: Object) -> None:
    before = copy.deepcopy(told)

    assert answer_of(events_of(told)) == before
    assert told == before


@given(answers(), st.data())
def test_a_stream_without_one_of_its_events_is_refused_or_lacks_it(
    told: Object, data: st.DataObject
) -> None:
    """Given a stream, when an event gets lost, then nothing is made up in its place."""
    events = list(events_of(told))
    lost = data.draw(st.integers(0, len(events) - 1))
    kept = [event for at, event in enumerate(events) if at != lost]

    if events[lost]["type"] in {
        "tool-plan-delta",
        "content-delta",
        "tool-call-delta",
        "citation-end",
    }:
        assert len(repr(answer_of(kept))) <= len(repr(answer_of(events)))
    else:
        try:
            left = answer_of(kept)
        except DialectError:
            return
        assert events[lost]["type"] == "citation-start"
        assert left != told


@given(answers(), st.data())
def test_a_stream_that_is_cut_is_refused(told: Object, data: st.DataObject) -> None:
    events = list(events_of(told))
    length = data.draw(st.integers(0, len(events) - 1))

    with pytest.raises(DialectError):
        answer_of(events[:length])
