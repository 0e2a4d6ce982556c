from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.gemini_candidates import joined, taken_apart

Object = dict[str, Any]

PAIR: Object = {
    "candidates": [
        {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "index": 0},
        {"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP", "index": 1},
    ],
    "usageMetadata": {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 24,
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
        "trafficType": "ON_DEMAND",
    },
    "modelVersion": "m",
    "responseId": "r",
}


def test_each_candidate_is_the_first_of_its_own_response() -> None:
    one, two = taken_apart(PAIR)

    assert [each["candidates"] for each in (one, two)] == [
        [PAIR["candidates"][0]],
        [{**PAIR["candidates"][1], "index": 0}],
    ]
    assert two["modelVersion"] == "m"


def test_the_prompt_is_counted_in_each_and_the_rest_shared_out() -> None:
    one, two = taken_apart(PAIR)

    assert one["usageMetadata"] == {
        **PAIR["usageMetadata"],
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 1,
        "totalTokenCount": 20,
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    }
    assert two["usageMetadata"] == {
        **PAIR["usageMetadata"],
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 1,
        "totalTokenCount": 19,
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
    }


def test_candidates_that_count_their_own_tokens_get_those() -> None:
    told = copy.deepcopy(PAIR)
    told["candidates"][0]["tokenCount"], told["candidates"][1]["tokenCount"] = 1, 6

    samples: list[Object] = taken_apart(told)

    assert [each["usageMetadata"]["candidatesTokenCount"] for each in samples] == [1, 6]


def test_samples_of_several_calls_are_joined_with_the_prompt_paid_once() -> None:
    one = {
        "candidates": [{"finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 3,
            "totalTokenCount": 13,
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
        },
        "responseId": "r1",
    }
    two = {
        "candidates": [{"finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 4,
            "totalTokenCount": 19,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5}],
        },
        "responseId": "r2",
    }

    assert joined([one, two]) == {
        "candidates": [{"finishReason": "STOP", "index": 0}, {"finishReason": "STOP", "index": 1}],
        "usageMetadata": {
            "promptTokenCount": 10,
            "candidatesTokenCount": 8,
            "thoughtsTokenCount": 4,
            "totalTokenCount": 22,
            "candidatesTokensDetails": [
                {"modality": "TEXT", "tokenCount": 3},
                {"modality": "IMAGE", "tokenCount": 5},
            ],
        },
        "responseId": "r1",
    }


@pytest.mark.parametrize("numbers", [[None, 1], [None, None], [0, 1]])
def test_a_zero_that_was_left_out_stays_out(numbers: list[int | None]) -> None:
    told = {
        "candidates": [
            {"finishReason": "STOP"} | ({} if number is None else {"index": number})
            for number in numbers
        ]
    }

    assert joined(taken_apart(told)) == told


def test_a_sample_without_a_number_gets_one_among_numbered_ones() -> None:
    numbered: Object = {"candidates": [{"finishReason": "STOP", "index": 0}]}
    bare: Object = {"candidates": [{"finishReason": "STOP"}]}

    assert joined([numbered, bare, bare])["candidates"] == [
        {"finishReason": "STOP", "index": 0},
        {"finishReason": "STOP", "index": 1},
        {"finishReason": "STOP", "index": 2},
    ]


COUNT: st.SearchStrategy[Any] = (
    st.integers(-5, 10**30) | st.none() | st.booleans() | st.text(max_size=2)
)
DETAILS: st.SearchStrategy[Any] = st.lists(
    st.fixed_dictionaries({"modality": st.sampled_from(["TEXT", "IMAGE", 1]), "tokenCount": COUNT}),
    max_size=3,
)


@st.composite
def responses(draw: st.DrawFn) -> Object:
    count = draw(st.integers(2, 8))
    numbered = draw(st.booleans())
    candidates: list[Object] = [
        {
            "content": {"parts": [{"text": draw(st.text(max_size=2))}]},
            **({"index": place} if numbered or place else {}),
            **draw(st.fixed_dictionaries({}, optional={"tokenCount": COUNT})),
        }
        for place in range(count)
    ]
    usage = st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(
                (
                    "promptTokenCount",
                    "candidatesTokenCount",
                    "thoughtsTokenCount",
                    "totalTokenCount",
                    "toolUsePromptTokenCount",
                    "ofTomorrow",
                ),
                COUNT,
            ),
            "promptTokensDetails": DETAILS,
            "candidatesTokensDetails": DETAILS | COUNT,
        },
    )
    more: Object = draw(st.fixed_dictionaries({}, optional={"usageMetadata": usage | COUNT}))
    return {"candidates": candidates, **more}


@given(responses())
def test_what_is_taken_apart_joins_to_what_it_was(told: Object) -> None:
    before = copy.deepcopy(told)
    samples = taken_apart(told)

    assert joined(samples) == told == before
    assert len(samples) == len(told["candidates"])
