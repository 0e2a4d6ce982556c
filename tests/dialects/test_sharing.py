from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.sharing import add, cut, pile, share, total, usage_in

OPENAI = {
    "prompt_tokens": 19,
    "completion_tokens": 23,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 0},
}

COUNTS = st.integers(0, 10**9)
MONEY = st.decimals(0, 1000, places=9).map(float)
USAGES = st.fixed_dictionaries(
    {"prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS},
    optional={
        "prompt_tokens_details": st.dictionaries(st.text(), COUNTS),
        "completion_tokens_details": st.dictionaries(st.text(), COUNTS),
        "cost": MONEY,
        "cost_details": st.dictionaries(st.text(), MONEY | st.none()),
        "is_byok": st.booleans(),
        "model": st.text(),
        "extra": st.lists(COUNTS),
    },
)


def test_the_prompt_stays_whole_and_the_rest_is_shared_out() -> None:
    one, other = share(OPENAI, [1, 3])

    assert one == {
        "prompt_tokens": 19,
        "completion_tokens": 5,
        "total_tokens": 24,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0},
    }
    assert other["completion_tokens"] == 18
    assert other["total_tokens"] == 37


@given(USAGES, st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_the_shares_of_a_usage_add_up_to_it(usage: dict[str, Any], weights: list[int]) -> None:
    shares = share(usage, weights)

    assert add(shares) == usage
    assert sum(own["completion_tokens"] for own in shares) == usage["completion_tokens"]  # type: ignore[misc]  # numbers
    assert all(own["prompt_tokens"] == usage["prompt_tokens"] for own in shares)
    assert all(own["completion_tokens"] >= 0 for own in shares)  # type: ignore[operator]  # numbers


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 10**40, True, None, "x", [1]])
def test_what_counts_nothing_is_kept(odd: object) -> None:
    shares = share({"prompt_tokens": 1, "odd": odd}, [1, 1])

    assert [own["odd"] for own in shares] == [odd, odd]
    assert add(shares)["odd"] is odd


def test_answers_bought_apart_add_up_with_their_prompt_once() -> None:
    """Given two answers to one prompt, one of which found it cached, when added, it counts once."""
    first = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    later = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cost": 0.1}

    assert add([first, later]) == {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "cost": 0.1,
    }


def test_a_total_that_would_leave_one_out_is_not_given() -> None:
    assert total([{"usage": {"a": 1}}, {"usage": {"a": 2}}]) == {"a": 3}
    assert total([{"usage": {"a": 1}}, {"usage": None}]) is None
    assert total([{"usage": {"a": 1}}, {}]) is None


def test_usage_is_found_where_groq_puts_it_too() -> None:
    assert usage_in({"usage": {"a": 1}}) == {"a": 1}
    assert usage_in({"x_groq": {"usage": {"a": 2}}}) == {"a": 2}
    assert usage_in({"usage": [1]}) is None
    assert usage_in({}) is None


def test_mixed_numbers_are_added_and_strangers_left_out() -> None:
    assert add([{"x": 1}, {"x": 0.5}, {"x": "?"}]) == {"x": 1.5}
    assert add([{"d": {"x": 1}}, {"d": 5}]) == {"d": {"x": 1}}


@given(USAGES, st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_the_usage_of_inputs_read_apart_is_cut_and_piled_up(
    usage: dict[str, Any], weights: list[int]
) -> None:
    shares = cut(usage, weights)

    assert pile(shares) == usage
    assert sum(own["prompt_tokens"] for own in shares) == usage["prompt_tokens"]  # type: ignore[misc]  # numbers


def test_inputs_bought_apart_add_up_with_the_prompt_of_each() -> None:
    first = {"prompt_tokens": 10, "total_tokens": 10, "details": None, "service": "a"}
    later = {"prompt_tokens": 4, "total_tokens": 4, "details": {"cached": 1}, "cost": 0.5}

    assert pile([first, later]) == {
        "prompt_tokens": 14,
        "total_tokens": 14,
        "details": {"cached": 1},
        "service": "a",
        "cost": 0.5,
    }


def test_images_share_what_exceeds_their_input() -> None:
    """Given the words of images, which say `input_tokens`, then their total is shared out alike."""
    usage = {"input_tokens": 10, "output_tokens": 7, "total_tokens": 17}

    one, other = share(usage, [1, 1])

    assert (one["total_tokens"], other["total_tokens"]) == (13, 14)
    assert add([one, other]) == usage
