"""Converse's response and its events: each made of the other, or refused; block by block."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.converse_stream import events_of_response, is_whole, response_of
from cachesaver.errors import DialectError

USAGE = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12, "cacheReadInputTokens": 2}
CITED = {"title": "t", "sourceContent": [{"text": "s"}], "location": {"documentChar": {"start": 0}}}
HEAD = {"toolUseId": "tooluse_1", "name": "add"}

START: Any = ("messageStart", {"role": "assistant"})
STOP: Any = ("messageStop", {"stopReason": "end_turn"})
META: Any = ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 9}})


def begun(start: Any, index: int = 0) -> Any:
    return "contentBlockStart", {"contentBlockIndex": index, "start": start}


def delta(said: Any, index: int = 0) -> Any:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": said}


def ended(index: int = 0) -> Any:
    return "contentBlockStop", {"contentBlockIndex": index}


def reasoned(said: Any) -> Any:
    return delta({"reasoningContent": said})


def stream(*events: Any) -> list[Any]:
    return [START, *events, STOP, META]


def whole(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": "end_turn",
        "metrics": {"latencyMs": 9},
        "usage": USAGE,
        **more,
    }


BLOCKS: dict[str, tuple[list[Any], Any]] = {
    "text": ([delta({"text": "Hel"}), delta({"text": "lo"})], {"text": "Hello"}),
    "text without a word": ([delta({"text": ""})], {"text": ""}),
    "a call": (
        [
            begun({"toolUse": HEAD}),
            delta({"toolUse": {"input": '{"a"'}}),
            delta({"toolUse": {"input": ": 1.5}"}}),
        ],
        {"toolUse": {**HEAD, "input": {"a": 1.5}}},
    ),
    "a call without arguments": ([begun({"toolUse": HEAD})], {"toolUse": {**HEAD, "input": {}}}),
    "a call without arguments, said so": (
        [begun({"toolUse": HEAD}), delta({"toolUse": {"input": ""}})],
        {"toolUse": {**HEAD, "input": {}}},
    ),
    "a call the server made": (
        [
            begun({"toolUse": {**HEAD, "type": "server_tool_use"}}),
            delta({"toolUse": {"input": "{}"}}),
        ],
        {"toolUse": {**HEAD, "type": "server_tool_use", "input": {}}},
    ),
    "its result": (
        [
            begun({"toolResult": {"toolUseId": "tooluse_1", "status": "success"}}),
            delta({"toolResult": [{"json": {"stdOut": "7"}}, {"text": "x"}]}),
        ],
        {
            "toolResult": {
                "toolUseId": "tooluse_1",
                "status": "success",
                "content": [{"json": {"stdOut": "7"}}, {"text": "x"}],
            }
        },
    ),
    "a thought": (
        [reasoned({"text": "Hm"}), reasoned({"text": "m"}), reasoned({"signature": "sig"})],
        {"reasoningContent": {"reasoningText": {"text": "Hmm", "signature": "sig"}}},
    ),
    "a thought without a signature": (
        [reasoned({"text": "Hm"})],
        {"reasoningContent": {"reasoningText": {"text": "Hm"}}},
    ),
    "a thought that is not shown": (
        [reasoned({"signature": "sig"})],
        {"reasoningContent": {"reasoningText": {"text": "", "signature": "sig"}}},
    ),
    "a redacted thought": (
        [reasoned({"redactedContent": "RXRr"})],
        {"reasoningContent": {"redactedContent": "RXRr"}},
    ),
    "cited text": (
        [delta({"citation": CITED}), delta({"text": "20 "}), delta({"text": "days"})],
        {"citationsContent": {"content": [{"text": "20 days"}], "citations": [CITED]}},
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_put_together_and_taken_apart(name: str) -> None:
    events, block = BLOCKS[name]
    response = whole(block)

    assert response_of(stream(*events, ended())) == response
    assert response_of(list(events_of_response(response))) == response


def test_blocks_follow_each_other() -> None:
    """Given all kinds in one message, then each has its index, and they come back in order."""
    response = whole(*(block for _, block in BLOCKS.values()))

    events = list(events_of_response(response))

    assert [event["contentBlockIndex"] for name, event in events if name == "contentBlockStop"] == [
        *range(len(BLOCKS))
    ]
    assert is_whole(events)
    assert response_of(events) == response


def test_what_stands_beside_the_message_is_carried_over() -> None:
    beside: dict[str, Any] = {
        "trace": {"guardrail": {"actionReason": "No action."}},
        "performanceConfig": {"latency": "standard"},
        "serviceTier": {"type": "flex"},
    }
    response = whole({"text": "a"}, **beside)

    events = list(events_of_response(response))

    assert events[-1] == ("metadata", {**META[1], **beside})
    assert response_of(events) == response


TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
ANY_BLOCK = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}),
    st.fixed_dictionaries(
        {
            "toolUse": st.fixed_dictionaries(
                {
                    "toolUseId": TEXTS,
                    "name": TEXTS,
                    "input": st.dictionaries(TEXTS, JSON, max_size=3),
                }
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "reasoningContent": st.one_of(
                st.fixed_dictionaries({"redactedContent": TEXTS}),
                st.fixed_dictionaries(
                    {
                        "reasoningText": st.fixed_dictionaries(
                            {"text": TEXTS, "signature": TEXTS.filter(bool)}
                        )
                    }
                ),
            )
        }
    ),
)


@given(blocks=st.lists(ANY_BLOCK, max_size=5))
def test_any_message_survives_being_streamed(blocks: list[Any]) -> None:
    response = whole(*blocks)

    assert response_of(list(events_of_response(response))) == response


@given(data=st.data(), blocks=st.lists(ANY_BLOCK, min_size=1, max_size=3))
def test_a_stream_that_lacks_an_event_is_refused_or_lacks_a_word(
    data: st.DataObject, blocks: list[Any]
) -> None:
    """Given any event left out but a piece of a block, then nothing is made of the rest."""
    events = list(events_of_response(whole(*blocks)))
    bones = [place for place, (name, _) in enumerate(events) if name != "contentBlockDelta"]
    del events[data.draw(st.sampled_from(bones))]

    with pytest.raises(DialectError):
        response_of(events)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [START],
        [START, STOP],
        [START, META, STOP],
        [STOP, META],
        stream(delta({"text": "a"})),
        stream(begun({"toolUse": HEAD})),
        stream(ended()),
        stream(begun({}), ended()),
        stream(delta({"text": "a"}, 1), ended(1)),
        stream(delta({"text": "a"}), ended(), delta({"text": "b"}), ended()),
        stream(delta({"text": "a"}), begun({"toolUse": HEAD}), ended()),
        stream(begun({"toolUse": HEAD}), begun({"toolUse": HEAD}), ended()),
        stream(delta({"text": "a"}, False), ended()),
        stream(delta({"text": 5}), ended()),
        stream(delta({"text": "a", "more": 1}), ended()),
        stream(delta("a"), ended()),
        stream(delta({"citation": CITED}), ended()),
        stream(delta({"citation": {"title": "t"}}), delta({"text": "a"}), ended()),
        stream(delta({"image": {"source": {"bytes": "aGk="}}}), ended()),
        stream(reasoned({"redactedContent": "a"}), reasoned({"redactedContent": "b"}), ended()),
        stream(reasoned({"signature": "a"}), reasoned({"signature": "b"}), ended()),
        stream(reasoned({"text": "a"}), reasoned({"redactedContent": "b"}), ended()),
        stream(reasoned({"text": "a"}), delta({"text": "b"}), ended()),
        stream(begun({"toolUse": HEAD}), delta({"toolUse": {"input": '{"a"'}}), ended()),
        stream(begun({"toolUse": HEAD}), delta({"toolUse": {"input": "[1]"}}), ended()),
        stream(begun({"toolUse": HEAD}), delta({"text": "a"}), ended()),
        stream(begun({"toolResult": {}}), delta({"toolResult": "a"}), ended()),
        stream(
            begun({"toolResult": {}}), delta({"toolResult": []}), delta({"toolResult": []}), ended()
        ),
        stream(begun({"image": {"format": "png"}}), ended()),
        stream(START),
        [("messageStart", dict[str, Any]()), STOP, META],
        [START, ("messageStop", {"stopReason": 5}), META],
        stream(("somethingNew", {})),
        [START, ("messageStop", {"stopReason": "end_turn", "more": 1}), META],
        [("messageStart", {"role": "assistant", "id": "m"}), STOP, META],
        [START, STOP, ("metadata", {"usage": USAGE, "more": 1})],
        [
            START,
            ("messageStop", {"stopReason": "end_turn", "additionalModelResponseFields": {"a": 1}}),
            META,
        ],
    ],
)
def test_what_is_not_understood_is_refused(events: list[Any]) -> None:
    with pytest.raises(DialectError):
        response_of(events)


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"output": {"message": []}},
        {"output": {"message": {"role": "assistant", "content": "a"}}},
        whole("a"),
        whole({"text": 5}),
        whole({"text": "a", "more": 1}),
        whole({"image": {"format": "png", "source": {"bytes": "aGk="}}}),
        whole({"toolUse": {**HEAD, "input": "a"}}),
        whole({"toolResult": {"toolUseId": "t"}}),
        whole({"citationsContent": {"content": [{"text": 5}], "citations": [CITED]}}),
        whole({"toolUse": {**HEAD, "input": {}}, "more": 1}),
        whole({"reasoningContent": {"reasoningText": {"text": "a", "more": 1}}}),
        whole({"reasoningContent": {"reasoningText": {"text": "a"}, "redactedContent": "b"}}),
        whole({"reasoningContent": {"redactedContent": "a", "more": 1}}),
        whole(
            {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [CITED]}}
        ),
        whole({"citationsContent": {"content": [{"text": "a"}], "citations": []}}),
        whole({"citationsContent": {"content": [{"text": "a"}]}}),
        whole({"text": "a"}, additionalModelResponseFields={"stop_sequence": "x"}),
        {**whole(), "output": {"message": {"role": "assistant", "content": [], "id": "m"}}},
    ],
)
def test_what_is_not_known_to_be_streamed_is_refused(response: dict[str, Any]) -> None:
    with pytest.raises(DialectError):
        list(events_of_response(response))
