"""Lines and whole answers, each made of the other; the corpus is looked at in tests/corpus."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.ollama_stream import answer_of, is_complete, lines_of
from cachesaver.errors import DialectError

Line = dict[str, Any]

END: Line = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 9,
    "load_duration": 1,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 2,
    "eval_count": 5,
    "eval_duration": 3,
}
CALL: Line = {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"done": True}}}
OTHER: Line = {"function": {"index": 1, "name": "f", "arguments": {}}}


def told(at: str, done: bool = False, **message: Any) -> Line:  # noqa: FBT001, FBT002  # as they have it
    said = {"role": "assistant", "content": "", **message}
    return {"model": "m", "created_at": at, "message": said, **(END if done else {"done": False})}


def made(*lines: Line) -> Line:
    return answer_of(lines, dialect="d")


def test_a_message_is_the_last_line_with_what_all_of_them_said() -> None:
    answer = made(
        told("t1", thinking="Let"),
        told("t2", thinking=" me"),
        told("t3", content="Hel"),
        {**told("t4", content="lo"), "logprobs": [{"token": "lo"}]},
        told("t5", tool_calls=[CALL]),
        told("t6", tool_calls=[OTHER]),
        {**told("t7", done=True, content="!"), "logprobs": [{"token": "!"}]},
    )

    assert answer == {
        "model": "m",
        "created_at": "t7",
        "message": {
            "role": "assistant",
            "content": "Hello!",
            "thinking": "Let me",
            "tool_calls": [CALL, OTHER],
        },
        "logprobs": [{"token": "lo"}, {"token": "!"}],
        **END,
    }
    assert [*answer][:3] == ["model", "created_at", "message"]


def test_a_text_alone_keeps_its_context_and_its_calls() -> None:
    answer = made(
        {"model": "m", "created_at": "t1", "response": "", "thinking": "hm", "done": False},
        {"model": "m", "created_at": "t2", "response": "Hi", "done": False},
        {"model": "m", "response": "", **END, "context": [1, 2], "tool_calls": [CALL]},
    )

    assert answer == {
        "model": "m",
        "response": "Hi",
        "thinking": "hm",
        **END,
        "context": [1, 2],
        "tool_calls": [CALL],
    }


def test_a_last_line_without_a_message_as_until_2024() -> None:
    first = {**told("t1", content="Hi", images=None), "done": False}

    answer = made(first, {"model": "m", "created_at": "t2", **END})

    assert answer["message"] == {"role": "assistant", "content": "Hi", "images": None}


def test_numbers_of_an_earlier_line_are_replaced() -> None:
    assert made({**told("t1"), "eval_count": 1}, told("t2", done=True))["eval_count"] == 5


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [told("t")],
        [told("t", done=True), told("t", done=True)],
        [told("t", done=True), told("t")],
        [{"error": "x"}],
        [told("t"), {"error": "x"}],
        [{**told("t"), "error": "x"}, told("t", done=True)],
        [{**told("t"), "model": "other"}, told("t", done=True)],
        [told("t", role="user"), told("t", done=True)],
        [{**told("t"), "context": [1]}, told("t", done=True)],
        [{**told("t"), "message": "Hi"}, told("t", done=True)],
        [told("t", content=1), told("t", done=True)],
        [told("t", tool_calls={}), told("t", done=True)],
        [told("t", audio="x"), told("t", done=True)],
    ],
    ids=range(14),
)
def test_what_cannot_be_added_up_for_sure_is_refused(lines: list[Line]) -> None:
    with pytest.raises(DialectError):
        made(*lines)


def test_an_answer_is_told_in_the_order_it_was_said() -> None:
    answer = made(
        told("t1", thinking="hm"),
        {**told("t2", content="Hi"), "logprobs": [{"token": "Hi"}]},
        told("t3", tool_calls=[CALL, OTHER]),
        {**told("t4", done=True), "remote_host": "h"},
    )

    lines = [*lines_of(answer, dialect="d")]

    said = {"role": "assistant", "content": ""}
    shared = {"model": "m", "created_at": "t4", "remote_host": "h"}
    more = {**shared, "done": False}
    assert lines == [
        {**more, "message": {**said, "thinking": "hm"}, "logprobs": [{"token": "Hi"}]},
        {**more, "message": {**said, "content": "Hi"}},
        {**more, "message": {**said, "tool_calls": [CALL]}},
        {**more, "message": {**said, "tool_calls": [OTHER]}},
        {**shared, "message": said, **END},
    ]


def test_probabilities_that_no_line_has_a_place_for_are_told_last() -> None:
    answer = {**told("t", done=True), "logprobs": [{"token": ""}]}

    assert [*lines_of(answer, dialect="d")] == [answer]


@pytest.mark.parametrize("answer", [told("t"), {**told("t", done=True), "error": "x"}, {}])
def test_no_lines_of_what_is_no_complete_answer(answer: Line) -> None:
    assert not is_complete([answer])
    with pytest.raises(DialectError):
        list(lines_of(answer, dialect="d"))


TEXT = st.text(max_size=6)


@given(
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": TEXT},
        optional={
            "thinking": TEXT.filter(bool),
            "tool_calls": st.lists(st.sampled_from([CALL, OTHER]), min_size=1, max_size=3),
        },
    ),
    st.lists(st.fixed_dictionaries({"token": TEXT}), max_size=3),
)
def test_a_message_told_in_lines_is_the_same_message(message: Line, logprobs: list[Line]) -> None:
    more = {"logprobs": logprobs} if logprobs else {}
    answer = {"model": "m", "created_at": "t", "message": message, **END, **more}

    assert made(*lines_of(answer, dialect="d")) == answer


@given(TEXT, TEXT, st.lists(st.integers(), max_size=3))
def test_a_text_told_in_lines_is_the_same_text(text: str, thought: str, context: list[int]) -> None:
    thinking = {"thinking": thought} if thought else {}
    answer = {"model": "m", "response": text, **thinking, **END, "context": context}

    assert made(*lines_of(answer, dialect="d")) == answer
