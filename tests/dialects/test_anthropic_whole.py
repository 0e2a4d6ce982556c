from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cachesaver.dialects.anthropic_whole import message_of, usage_of
from cachesaver.errors import DialectError

Event = dict[str, Any]

START: Event = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, "service_tier": "standard"},
    },
}
STOP: Event = {"type": "message_stop"}


def end(reason: object = "end_turn", usage: object = None, **more: object) -> Event:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 7} if usage is None else usage,
        **more,
    }


def block(index: object, start: object, *deltas: object) -> list[Event]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def content(*blocks: Iterable[Event]) -> Any:
    """The content of a message of these blocks."""
    return message_of([START, *(event for each in blocks for event in each), end(), STOP])[
        "content"
    ]


def text(*pieces: str) -> list[Event]:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return block(0, {"type": "text", "text": ""}, *deltas)


def test_text_is_run_together() -> None:
    assert content(text("Hel", "", "lo")) == [{"type": "text", "text": "Hello"}]


def test_input_is_the_object_that_its_pieces_spell() -> None:
    start: Event = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    pieces = ["", '{"a": 12345678901234567890', '123, "b": "\\ud83d', '\\ude00"}']

    (called,) = content(
        block(0, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))
    )

    assert called == {**start, "input": {"a": 12345678901234567890123, "b": "😀"}}


@pytest.mark.parametrize("given", [{}, {"url": "u"}])
def test_input_told_at_the_start_stays_when_no_piece_says_more(given: object) -> None:
    start: Event = {"type": "tool_use", "id": "t", "name": "f", "input": given}

    assert content(block(0, start, {"type": "input_json_delta", "partial_json": ""})) == [start]


@pytest.mark.parametrize("cut", ['{"a": "b', "3", '{"a":1}{', "]"])
def test_input_that_is_no_object_is_refused(cut: str) -> None:
    """Cut off by max_tokens: the SDK guesses what was meant, we do not."""
    start: Event = {"type": "tool_use", "id": "t", "name": "f", "input": {}}

    with pytest.raises(DialectError):
        content(block(0, start, {"type": "input_json_delta", "partial_json": cut}))


def test_thinking_gets_its_signature() -> None:
    told = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "hm", "estimated_tokens": 3},
        {"type": "thinking_delta", "thinking": "m"},
        {"type": "signature_delta", "signature": "sig"},
    )

    assert content(told) == [{"type": "thinking", "thinking": "hmm", "signature": "sig"}]


def test_citations_are_collected() -> None:
    told = block(
        0,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": {"n": 1}},
        {"type": "text_delta", "text": "so"},
        {"type": "citations_delta", "citation": {"n": 2}},
    )

    assert content(told) == [{"type": "text", "text": "so", "citations": [{"n": 1}, {"n": 2}]}]


def test_a_compaction_is_given_once() -> None:
    start = {"type": "compaction", "content": None, "encrypted_content": None}
    delta = {"type": "compaction_delta", "content": "c", "encrypted_content": "e"}

    assert content(block(0, start, delta)) == [
        {"type": "compaction", "content": "c", "encrypted_content": "e"}
    ]
    with pytest.raises(DialectError):
        content(block(0, start, delta, delta))


@pytest.mark.parametrize(
    "start",
    [
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"url": "u"}]},
        {"type": "of_tomorrow", "anything": {"nested": [1, None]}},
    ],
)
def test_what_comes_whole_is_carried_over_as_it_stands(start: object) -> None:
    assert content(block(0, start)) == [start]


def test_a_message_may_come_whole_at_its_start() -> None:
    """As it does where running code calls a tool."""
    message = {**dict(START["message"]), "content": [{"type": "t"}], "stop_reason": "tool_use"}

    assert message_of([{"type": "message_start", "message": message}, STOP]) == message


def test_later_counts_replace_earlier_ones_unless_they_are_null() -> None:
    start = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 4}
    message = {**dict(START["message"]), "usage": start}
    later = {"input_tokens": 61, "cache_read_input_tokens": None, "output_tokens": 9, "new": None}

    told = message_of([{"type": "message_start", "message": message}, end(usage=later), STOP])

    assert told["usage"] == {
        "input_tokens": 61,
        "output_tokens": 9,
        "cache_read_input_tokens": 4,
        "new": None,
    }
    assert start["output_tokens"] == 1, "the events are left as they were"


def test_what_stands_beside_the_last_delta_is_the_messages() -> None:
    told = message_of([START, end(context_management={"applied_edits": []}), STOP])

    assert told["context_management"] == {"applied_edits": []}


def test_a_fallback_relabels_the_message() -> None:
    fallback = {"type": "fallback", "from": {"model": "m-1"}, "to": {"model": "m-2"}}

    told = message_of([START, *block(0, fallback), end(), STOP])

    assert told["model"] == "m-2"
    assert usage_of([START, *block(0, fallback), end(), STOP])[0] == "m-2"


def test_pings_say_nothing() -> None:
    ping: Event = {"type": "ping"}

    assert message_of([ping, START, ping, end(), ping, STOP, ping]) == message_of(
        [START, end(), STOP]
    )


WHOLE = [START, *text("a"), end(), STOP]


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_a_stream_that_lacks_an_event_is_refused(at: int) -> None:
    delta = 2
    if at != delta:  # a text without its delta is an empty text
        with pytest.raises(DialectError):
            message_of(WHOLE[:at] + WHOLE[at + 1 :])


@pytest.mark.parametrize("at", range(len(WHOLE) + 1))
@pytest.mark.parametrize(
    "extra",
    [
        START,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"type": "of_tomorrow"},
        {"type": ["content_block_stop"]},
        {},
    ],
)
def test_errors_second_starts_and_unknown_events_are_refused(at: int, extra: Event) -> None:
    with pytest.raises(DialectError):
        message_of([*WHOLE[:at], extra, *WHOLE[at:]])


TEXT: Event = {"type": "text", "text": ""}


@pytest.mark.parametrize(
    "inside",
    [
        block(1, TEXT),
        block("0", TEXT),
        block(0, "text"),
        block(0, TEXT, {"type": "of_tomorrow"}),
        block(0, TEXT, {"text": "no type"}),
        block(0, TEXT, "delta"),
        block(0, TEXT, {"type": "text_delta", "text": 3}),
        block(0, {"type": "tool_use"}, {"type": "text_delta", "text": "misplaced"}),
        block(0, TEXT, {"type": "input_json_delta"}),
        block(0, TEXT, {"type": "citations_delta"}),
        [*text("a"), *text("the same index again")],
        [*text("a"), {"type": "content_block_stop", "index": 0}],
        text("a")[:1],
        [end(content=["forged"])],
        [{**end(), "delta": {"stop_reason": "end_turn", "id": "forged"}}],
        [{**end(), "delta": None}],
        [end(usage=7)],
    ],
)
def test_what_does_not_fit_is_refused(inside: list[Event]) -> None:
    with pytest.raises(DialectError):
        message_of([START, *inside, end(), STOP])


@pytest.mark.parametrize(
    "start",
    [
        {"type": "message_start"},
        {"type": "message_start", "message": {"content": "text", "usage": {}}},
        {"type": "message_start", "message": {"content": []}},
    ],
)
def test_a_start_without_content_or_usage_is_refused(start: Event) -> None:
    with pytest.raises(DialectError):
        message_of([start, end(), STOP])


def test_a_block_left_open_at_the_end_is_refused() -> None:
    with pytest.raises(DialectError, match="breaks off"):
        message_of([START, end(), *text("a")[:2], STOP])


def test_a_stream_without_a_stop_reason_is_refused() -> None:
    with pytest.raises(DialectError, match="stop reason"):
        message_of([START, end(None), STOP])


def test_usage_is_told_as_far_as_it_came() -> None:
    assert usage_of([]) == ("", {})
    assert usage_of([START]) == ("m-1", dict(START["message"])["usage"])
    assert usage_of([START, end(usage={"output_tokens": 5})])[1] == {
        "input_tokens": 10,
        "output_tokens": 5,
        "service_tier": "standard",
    }
    assert usage_of([{"type": "message_start", "message": {"model": 3, "usage": {}}}]) == ("", {})


def test_no_message_quotes_what_somebody_wrote() -> None:
    with pytest.raises(DialectError) as caught:
        message_of([START, {"type": "My password is hunter2"}])

    assert "hunter2" not in str(caught.value)
