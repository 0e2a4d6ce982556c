"""Events and whole texts, each made of the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.tgi_stream import (
    answer_of,
    events_of,
    is_answer,
    is_complete,
    prompt_tokens_in,
    usage_of,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Response

Body = dict[str, Any]


def token(text: str) -> Body:
    return {"id": 5, "text": text, "logprob": -0.5, "special": False}


def event(index: int, text: str, **more: Any) -> Body:
    said = {"index": index, "token": token(text), "generated_text": None, "details": None}
    return {**said, **more}


END: Body = {"finish_reason": "length", "generated_tokens": 2, "seed": None}
TOLD = [
    event(1, "Hi"),
    event(2, " you", generated_text="Hi you", details={**END, "input_length": 4}),
]
ANSWER: Body = {
    "generated_text": "Hi you",
    "details": {**END, "prefill": [], "tokens": [token("Hi"), token(" you")]},
}


def told(answer: Body, length: int | None = 4) -> list[Body]:
    return [*events_of(answer, prompt_tokens=length, dialect="d")]


def test_events_become_a_text_with_its_tokens_and_back() -> None:
    assert answer_of(TOLD, dialect="d") == ANSWER
    assert told(ANSWER) == TOLD


def test_how_long_the_prompt_was_is_told_where_it_is_known() -> None:
    """As by servers before 2.2, which never said."""
    assert told(ANSWER, None)[-1]["details"] == END


def test_without_details_a_stream_is_a_text_alone() -> None:
    plain = [TOLD[0], {**TOLD[1], "details": None}]

    assert answer_of(plain, dialect="d") == {"generated_text": "Hi you"}


def test_other_tokens_stand_beside_those_that_were_said() -> None:
    tops = [{**TOLD[0], "top_tokens": [token("Ho")]}, TOLD[1]]

    answer = answer_of(tops, dialect="d")

    assert answer["details"]["top_tokens"] == [[token("Ho")], []]  # type: ignore[index]  # an object
    assert told(answer) == tops


@pytest.mark.parametrize(
    "events",
    [
        [],
        TOLD[:1],
        [*TOLD, TOLD[0]],
        [TOLD[1], TOLD[1]],
        [TOLD[0], {"error": "x", "error_type": "generation"}],
        [{**TOLD[0], "error": "x"}, TOLD[1]],
        [{**TOLD[0], "more": 1}, TOLD[1]],
        [TOLD[0], {**TOLD[1], "details": {**END, "more": 1}}],
        [TOLD[0], {**TOLD[1], "details": 5}],
    ],
    ids=range(9),
)
def test_what_cannot_be_put_together_for_sure_is_refused(events: list[Body]) -> None:
    with pytest.raises(DialectError):
        answer_of(events, dialect="d")


UNTOLD: list[Body] = [
    {"prefill": [token("p")]},
    {"best_of_sequences": []},
    {"more": 1},
    {"tokens": []},
    {"tokens": None},
    {"top_tokens": [[]]},
    {"top_tokens": 1},
]


@pytest.mark.parametrize("change", UNTOLD)
def test_details_that_no_event_tells_are_refused(change: Body) -> None:
    with pytest.raises(DialectError):
        told({**ANSWER, "details": {**ANSWER["details"], **change}})


@pytest.mark.parametrize("answer", [{"generated_text": "Hi"}, {"details": ANSWER["details"]}, {}])
def test_a_text_without_its_tokens_is_not_streamed(answer: Body) -> None:
    with pytest.raises(DialectError):
        told(answer)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=5), st.integers(0, 99))
def test_any_text_told_in_events_is_the_same_text(texts: list[str], length: int) -> None:
    tokens = [token(text) for text in texts]
    end = {**END, "generated_tokens": len(tokens)}
    answer = {
        "generated_text": "".join(texts),
        "details": {**end, "prefill": [], "tokens": tokens},
    }

    assert answer_of(told(answer, length), dialect="d") == answer


def test_an_answer_has_a_text_and_no_error() -> None:
    assert is_answer({"generated_text": ""})
    assert not is_answer({"generated_text": None})
    assert not is_answer({"generated_text": "x", "error": "y"})
    assert is_complete(TOLD)


def test_tokens_are_counted_in_the_details_or_in_the_headers() -> None:
    bare = Response(status=200)
    headers = (("x-prompt-tokens", "4"), ("x-generated-tokens", "2"))
    counted = Response(status=200, headers=headers)

    assert usage_of(TOLD[-1], bare) == {"input_length": 4, "generated_tokens": 2}
    assert usage_of(ANSWER, counted) == {"input_length": 4, "generated_tokens": 2}
    assert usage_of({"generated_text": "x"}, counted) == {"input_length": 4, "generated_tokens": 2}
    assert usage_of(ANSWER, bare) == {"generated_tokens": 2}
    assert usage_of({"generated_text": "x"}, bare) == {}
    assert prompt_tokens_in({}, counted) == 4


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "²", "9" * 20])
def test_a_header_that_is_no_number_says_nothing(value: str) -> None:
    assert prompt_tokens_in({}, Response(status=200, headers=(("x-prompt-tokens", value),))) is None
