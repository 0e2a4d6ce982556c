from __future__ import annotations

import contextlib
import copy
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.cohere_whole import answer_of, is_complete, usage_of
from cachesaver.errors import DialectError

Object = dict[str, Any]

USAGE: Object = {"billed_units": {"input_tokens": 3, "output_tokens": 2}}
EMPTY: Object = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
START: Object = {
    "type": "message-start",
    "id": "i",
    "delta": {"message": {"role": "assistant", **EMPTY}},
}
END: Object = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": USAGE}}


def delta(kind: str, index: int | None = None, /, **message: Any) -> Object:
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}


def text(*pieces: str, index: int = 0, kind: str = "text") -> list[Object]:
    return [
        delta("content-start", index, content={"type": kind, kind: ""}),
        *(delta("content-delta", index, content={kind: piece}) for piece in pieces),
        {"type": "content-end", "index": index},
    ]


def call(*pieces: str, index: int = 0) -> list[Object]:
    function = {"name": "f", "arguments": ""}
    begun = {"id": f"f_{index}", "type": "function", "function": function}
    return [
        delta("tool-call-start", index, tool_calls=begun),
        *(
            delta("tool-call-delta", index, tool_calls={"function": {"arguments": p}})
            for p in pieces
        ),
        {"type": "tool-call-end", "index": index},
    ]


def message(*events: Object) -> Object:
    told: Any = answer_of(copy.deepcopy([START, *events, END]))["message"]
    answer: Object = told
    return answer


def test_an_answer_has_what_its_first_and_last_event_say() -> None:
    assert answer_of([START, *text("a"), END]) == {
        "id": "i",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        "finish_reason": "COMPLETE",
        "usage": USAGE,
    }


def test_pieces_are_put_together_and_what_stayed_empty_is_left_out() -> None:
    told = message(
        delta("tool-plan-delta", tool_plan="I "),
        delta("tool-plan-delta", tool_plan="will."),
        *text("Let ", "me.", kind="thinking"),
        *text("a", "b", index=1),
        *call('{"x"', ":1}"),
        *call(index=1),
    )

    assert told == {
        "role": "assistant",
        "tool_plan": "I will.",
        "content": [{"type": "thinking", "thinking": "Let me."}, {"type": "text", "text": "ab"}],
        "tool_calls": [
            {"id": "f_0", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": ""}},
        ],
    }


def test_a_block_that_stays_empty_is_there_all_the_same() -> None:
    assert message(*text())["content"] == [{"type": "text", "text": ""}]


def test_citations_come_in_their_order_wherever_they_are_told() -> None:
    started, *rest = text("a", "b")
    cited = [delta("citation-start", n, citations={"start": n}) for n in range(2)]
    ends: list[Object] = [{"type": "citation-end", "index": n} for n in range(2)]

    told = message(started, rest[0], cited[0], ends[0], *rest[1:], cited[1], ends[1])

    assert told["citations"] == [{"start": 0}, {"start": 1}]


def test_log_probabilities_are_those_of_the_pieces() -> None:
    events = text("a", "b")
    for event in events[1:-1]:
        event["logprobs"] = {"text": event["delta"]["message"]["content"]["text"]}

    assert answer_of([START, *events, END])["logprobs"] == [{"text": "a"}, {"text": "b"}]


def test_an_only_block_needs_no_index() -> None:
    """As in a stream of the API's own reference."""
    events = text("a")
    for event in events:
        del event["index"]

    assert message(*events)["content"] == [{"type": "text", "text": "a"}]


def test_what_the_end_says_beside_is_kept() -> None:
    end: Object = {**END, "delta": {**END["delta"], "new": 1}}

    assert answer_of([START, end])["new"] == 1


FAILED: Object = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "x"}}

REFUSED: dict[str, list[Any]] = {
    "nothing": [],
    "cut off": [START, *text("a")],
    "cut off in a block": [START, *text("a")[:-1], END],
    "cut off in a call": [START, *call("a")[:-1], END],
    "no start": [*text("a"), END],
    "two starts": [START, START, END],
    "more after the end": [START, END, *text("a")],
    "an error in the end": [START, FAILED],
    "an error of a complete message": [
        START,
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "error": "x"}},
    ],
    "it timed out": [START, {"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}],
    "no finish reason": [START, {"type": "message-end", "delta": {}}],
    "an end that says nothing": [START, {"type": "message-end"}],
    "an unknown event": [START, {"type": "debug", "prompt": "x"}, END],
    "no event": [START, {}, END],
    "a type that is no name": [START, {"type": ["x"]}, END],
    "no id": [{**START, "id": None}, END],
    "a start that is not empty": [
        delta("message-start", role="assistant", content=[{"type": "text"}]) | {"id": "i"},
        END,
    ],
    "a block out of turn": [START, *text("a", index=1), END],
    "a block in a block": [START, text("a")[0], *text("b", index=1), END],
    "a delta to no block": [START, text("a")[1], END],
    "a delta to a closed block": [START, *text("a"), text("a")[1], END],
    "a delta to another block": [
        START,
        text("a")[0],
        delta("content-delta", 1, content={"text": "a"}),
        END,
    ],
    "a delta of another type": [
        START,
        text()[0],
        delta("content-delta", 0, content={"thinking": "a"}),
        text()[1],
        END,
    ],
    "a delta that is no text": [
        START,
        text()[0],
        delta("content-delta", 0, content={"text": 1}),
        text()[1],
        END,
    ],
    "a delta that says more": [
        START,
        text()[0],
        delta("content-delta", 0, content={"text": "a"}, role="x"),
        text()[1],
        END,
    ],
    "a call renamed": [
        START,
        call()[0],
        delta("tool-call-delta", 0, tool_calls={"function": {"name": "g", "arguments": ""}}),
        call()[1],
        END,
    ],
    "a citation out of turn": [START, delta("citation-start", 1, citations={}), END],
    "the end of no citation": [START, {"type": "citation-end", "index": 0}, END],
    "a plan that is no text": [START, delta("tool-plan-delta", tool_plan=["x"]), END],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_understood_is_refused(name: str) -> None:
    with pytest.raises(DialectError):
        answer_of(copy.deepcopy(REFUSED[name]))


STREAM: list[Any] = [
    START,
    delta("tool-plan-delta", tool_plan="p"),
    *text("a", "b"),
    delta("citation-start", 0, citations={"start": 0}),
    {"type": "citation-end", "index": 0},
    *call("{}"),
    END,
]
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 10**30, 1.5, "", "x", "ERROR", [], ["x"], {}, {"a": {}}]
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in *value* that something else could be put in: its holder, and where there."""
    if not isinstance(value, dict | list):
        return []
    holder = cast("Any", value)
    found: list[tuple[Any, Any]] = []
    for at in list(holder) if isinstance(value, dict) else range(len(holder)):
        found += [(holder, at), *places(holder[at])]
    return found


@given(st.data(), JUNK)
def test_junk_anywhere_is_refused_or_carried(data: st.DataObject, junk: object) -> None:
    """Given a stream with something else in the place of anything, then nothing but DialectError."""
    stream = copy.deepcopy(STREAM)
    holder, at = data.draw(st.sampled_from(places(stream)), label="place")
    holder[at] = junk
    events: list[Any] = [event if isinstance(event, dict) else {} for event in stream]

    with contextlib.suppress(DialectError):
        assert answer_of(events)["message"]
    assert is_complete(events) in (True, False)
    assert isinstance(usage_of(events), dict | MappingProxyType)


def test_complete_is_what_begins_and_ends_well() -> None:
    assert is_complete([START, *text("a"), END])
    assert is_complete([START, {"type": "debug"}, END])  # nothing is to be put together
    for name in ("nothing", "cut off", "no start", "an error in the end", "it timed out"):
        assert not is_complete(REFUSED[name]), name
    assert not is_complete([START, {"error": True}, END])
    assert not is_complete([START, {"type": "message-end"}])


def test_usage_is_told_at_the_end() -> None:
    assert usage_of([START, END]) == USAGE
    assert usage_of([START]) == {}
