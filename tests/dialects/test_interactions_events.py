from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.interactions_events import completed_in, events_of, interaction_of
from cachesaver.errors import DialectError

Object = dict[str, Any]

TEXT: Object = {"type": "text", "text": "hi"}
CITED: Object = {**TEXT, "annotations": [{"type": "url_citation", "url": "u"}]}
IMAGE: Object = {"type": "image", "data": "AA==", "mime_type": "image/png"}
CALL: Object = {"type": "function_call", "id": "f", "name": "f", "arguments": {"a": [1]}}
SEARCH: Object = {
    "type": "google_search_call",
    "id": "g",
    "arguments": {"queries": ["q"]},
    "search_type": "web_search",
    "signature": "s",
}


def interaction(*steps: object, **more: object) -> Object:
    return {"id": "v1_1", "object": "interaction", "model": "m", "status": "completed",
            "steps": [*steps], "usage": {"total_tokens": 3}, **more}  # fmt: skip


def output(*contents: object) -> Object:
    return {"type": "model_output", "content": [*contents]}


def stream(*events: Object, status: str = "completed", **more: object) -> list[Object]:
    last = {"id": "v1_1", "status": status, **more}
    return [
        {"event_type": "interaction.created", "interaction": {"id": "v1_1"}},
        *events,
        {"event_type": "interaction.completed", "interaction": last},
    ]


def step(begun: object, *deltas: object, index: object = 0) -> list[Object]:
    return [
        {"event_type": "step.start", "index": index, "step": begun},
        *({"event_type": "step.delta", "index": index, "delta": delta} for delta in deltas),
        {"event_type": "step.stop", "index": index},
    ]


def steps_of(begun: object, *deltas: object) -> Any:
    return interaction_of(stream(*step(begun, *deltas)))["steps"]


# -- a stream is the interaction it tells


def test_texts_run_together_and_annotations_follow_them() -> None:
    deltas = [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "text_annotation_delta", "annotations": [1]},
        {"type": "text_annotation_delta", "annotations": [2]},
        IMAGE,
        {"type": "text", "text": "c"},
    ]

    assert steps_of({"type": "model_output"}, *deltas) == [
        output(
            {"type": "text", "text": "ab", "annotations": [1, 2]},
            IMAGE,
            {"type": "text", "text": "c"},
        )
    ]


def test_a_thought_has_a_summary_and_a_signature() -> None:
    deltas = [
        {"type": "thought_summary", "content": TEXT},
        {"type": "thought_summary", "content": IMAGE},
        {"type": "thought_signature", "signature": "s"},
    ]

    assert steps_of({"type": "thought"}, *deltas) == [
        {"type": "thought", "summary": [TEXT, IMAGE], "signature": "s"}
    ]


def test_arguments_come_as_text_in_pieces() -> None:
    begun: Object = {**CALL, "arguments": {}}
    deltas = [{"type": "arguments_delta", "arguments": piece} for piece in ('{"a":', "[1]}")]

    assert steps_of(begun, *deltas) == [CALL]
    assert steps_of(begun) == [begun]


def test_a_servers_tool_is_told_at_once_or_later() -> None:
    later = {name: SEARCH[name] for name in ("type", "arguments", "signature")}
    begun: Object = {**SEARCH, "signature": "", "arguments": {}}

    assert steps_of(begun, later) == [SEARCH]
    assert steps_of(SEARCH, later) == [SEARCH]
    assert steps_of(SEARCH) == [SEARCH]


def test_steps_stand_in_the_order_of_their_indices() -> None:
    one, two = step(SEARCH, index=1), step(CALL, index=0)

    assert interaction_of(stream(*one, *two))["steps"] == [CALL, SEARCH]


def test_steps_that_stand_in_the_last_event_are_the_ones() -> None:
    assert interaction_of(stream(*step(CALL), steps=[SEARCH]))["steps"] == [SEARCH]


UNSURE: list[Any] = [
    # two of which it is not known whether they are one
    ({"type": "thought"}, [{"type": "thought_summary", "content": TEXT}] * 2),
    ({"type": "thought"}, [{"type": "thought_signature", "signature": "s"}] * 2),
    ({"type": "model_output"}, [IMAGE, IMAGE]),
    (SEARCH, [{"type": "google_search_call", "signature": "t"}]),
    (
        {"type": "model_output"},
        [TEXT, {"type": "text_annotation_delta", "annotations": []}, TEXT],
    ),
    (output(TEXT), [TEXT]),
    # that do not fit
    ({"type": "thought"}, [TEXT]),
    ({"type": "thought"}, [{"type": "thought_summary", "content": "hm"}]),
    ({"type": "model_output"}, [{"type": "thought_signature", "signature": "s"}]),
    ({"type": "model_output"}, [{"type": "text", "text": 1}]),
    ({"type": "model_output"}, [{"type": "text", "text": "a", "color": "red"}]),
    ({"type": "model_output"}, [{"type": "text_annotation_delta", "annotations": [1]}]),
    ({"type": "model_output"}, [TEXT, {"type": "text_annotation_delta", "annotations": 1}]),
    ({"type": "model_output"}, [{"type": "hologram"}]),
    (CALL, [{"type": "arguments_delta", "arguments": "{}"}]),
    ({**CALL, "arguments": {}}, [{"type": "arguments_delta", "arguments": "[]"}]),
    ({**CALL, "arguments": {}}, [{"type": "arguments_delta", "arguments": "{"}]),
    ({**CALL, "arguments": {}}, [{"type": "arguments_delta"}]),
    # that are no objects, or have no type
    ({"type": "model_output"}, ["text"]),
    ({"type": "model_output"}, [{}]),
    ("step", []),
    ({"id": "1"}, []),
]


@pytest.mark.parametrize(("begun", "deltas"), UNSURE)
def test_what_cannot_be_merged_for_sure_is_refused(begun: object, deltas: list[object]) -> None:
    with pytest.raises(DialectError):
        steps_of(begun, *deltas)


@pytest.mark.parametrize(
    "events",
    [
        [],
        stream()[:-1],
        [*stream(), {"event_type": "error", "error": {"code": "x"}}],
        stream({"event_type": "error", "error": None}),
        stream({"error": {"code": 500}}),
        [{"event_type": "interaction.completed", "interaction": "v1_1"}],
    ],
)
def test_a_stream_without_its_end_or_with_an_error_is_refused(events: list[Object]) -> None:
    with pytest.raises(DialectError):
        completed_in(events)
    with pytest.raises(DialectError):
        interaction_of(events)


@pytest.mark.parametrize(
    "event",
    [
        {"event_type": "content.delta", "index": 0, "delta": TEXT},
        {"event_type": "step.delta", "index": 7, "delta": TEXT},
        {"event_type": "step.start", "index": None, "step": SEARCH},
        {"type": "step.start"},
    ],
)
def test_an_event_that_is_not_understood_is_refused_but_may_be_an_answer(event: Object) -> None:
    told = stream(*step(SEARCH), event)

    with pytest.raises(DialectError):
        interaction_of(told)
    assert completed_in(told)["status"] == "completed"


def test_a_step_begun_twice_is_refused() -> None:
    with pytest.raises(DialectError):
        interaction_of(stream(*step(SEARCH), *step(CALL)))


# -- an interaction is the stream it is told as


def test_the_events_come_in_googles_order() -> None:
    """Recorded: created, a status, each step begun, told and stopped, and what is left to say."""
    events = events_of(interaction(output(CITED)))

    assert [event["event_type"] for event in events] == [
        "interaction.created",
        "interaction.status_update",
        "step.start",
        "step.delta",
        "step.delta",
        "step.stop",
        "interaction.completed",
    ]
    assert events[0]["interaction"] == {
        "id": "v1_1",
        "model": "m",
        "object": "interaction",
        "status": "in_progress",
    }
    last: Any = events[-1]["interaction"]
    assert last == {k: v for k, v in interaction().items() if k != "steps"}


def test_a_servers_tool_tells_its_call_in_a_delta_of_its_type() -> None:
    mcp: Object = {
        "type": "mcp_server_tool_call",
        "id": "m",
        "name": "n",
        "server_name": "s",
        "arguments": {},
    }
    begun, told = events_of(interaction(mcp))[2:4]

    assert begun["step"] == {k: v for k, v in mcp.items() if k != "arguments"}
    assert told["delta"] == {k: v for k, v in mcp.items() if k != "id"}


@pytest.mark.parametrize(
    "steps",
    [
        [output(TEXT, TEXT)],
        [output(CITED, TEXT)],
        [output({**TEXT, "color": "red"})],
        [output(IMAGE, IMAGE)],
        [output("text")],
        [{"type": "thought", "summary": [TEXT, TEXT]}],
        [{"type": "thought", "summary": "hm"}],
        ["step"],
        [{}],
        None,
    ],
)
def test_what_is_streamed_in_an_unknown_way_is_refused(steps: Any) -> None:
    with pytest.raises(DialectError):
        events_of({**interaction(), "steps": steps})
    with pytest.raises(DialectError):
        events_of({**interaction(), "status": None})


def thought(text: str) -> Object:
    return {"type": "thought", "summary": [{"type": "text", "text": text}]}


def said(text: str, notes: Object) -> Object:
    return output({"type": "text", "text": text, **notes}, IMAGE)


def called(args: Object) -> Object:
    return {**CALL, "arguments": args}


NOTES: list[Object] = [{}, {"annotations": []}, {"annotations": [{"url": "u"}]}]
WHOLE: list[Object] = [
    {"type": "thought", "signature": "s"},
    {"type": "thought", "summary": []},
    output(),
    {"type": "model_output", "error": {"code": 1}},
    SEARCH,
    {"type": "google_search_result", "call_id": "g", "result": [], "is_error": False},
    {"type": "file_search_call", "id": "x"},
    {"type": "user_input", "content": [TEXT, TEXT]},
    {"type": "of_tomorrow", "x": {"y": 1}},
]
STEPS: st.SearchStrategy[Object] = st.one_of(
    st.sampled_from(WHOLE),
    st.builds(thought, st.text()),
    st.builds(said, st.text(), st.sampled_from(NOTES)),
    st.builds(called, st.dictionaries(st.text(max_size=3), st.integers(), max_size=3)),
)


@given(st.lists(STEPS, max_size=5))
def test_any_interaction_comes_back_from_its_events(steps: list[Object]) -> None:
    whole = interaction(*steps)

    assert interaction_of(events_of(whole)) == whole


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(
        ["text", "model_output", "thought", "function_call", "step.start", "step.delta",
         "interaction.completed", "arguments_delta", "google_search_call"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["event_type", "index", "step", "delta", "type", "text", "content",
                         "arguments", "interaction", "status", "steps", "summary", "error"]),
        inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(
    st.lists(st.dictionaries(st.sampled_from(["event_type", "index", "step", "delta"]), ODD)), ODD
)
def test_odd_bodies_give_an_answer_or_a_dialect_error(events: list[Object], odd: object) -> None:
    for attempt in (
        lambda: interaction_of(stream(*events)),
        lambda: events_of({**interaction(), "steps": [odd]}),
        lambda: completed_in(events),
    ):
        with contextlib.suppress(DialectError):
            attempt()
