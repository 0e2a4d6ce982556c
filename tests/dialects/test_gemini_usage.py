from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.gemini_usage import share, total

COUNTED: dict[str, Any] = {
    "promptTokenCount": 10,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 7},
        {"modality": "IMAGE", "tokenCount": 3},
    ],
    "totalTokenCount": 10,
    "trafficType": "ON_DEMAND",
}


def test_larger_inputs_have_larger_shares() -> None:
    small, large = share(COUNTED, [1, 9])

    assert (small["promptTokenCount"], large["promptTokenCount"]) == (1, 9)
    assert small["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 0},
        {"modality": "IMAGE", "tokenCount": 0},
    ]
    assert large["trafficType"] == "ON_DEMAND"


COUNTS = st.integers(0, 10**6)
DETAILS = st.lists(st.sampled_from(["TEXT", "IMAGE", 1]), unique_by=str).flatmap(
    lambda kinds: st.tuples(*[COUNTS] * len(kinds)).map(
        lambda counts: [
            {"modality": kind, "tokenCount": count}
            for kind, count in zip(kinds, counts, strict=True)
        ]
    )
)
BLOCKS = st.dictionaries(
    st.sampled_from(["promptTokenCount", "totalTokenCount", "x", "y"]),
    COUNTS | DETAILS | st.text(max_size=3),
)


@given(BLOCKS, st.lists(st.integers(1, 10**4), min_size=1, max_size=9))
def test_the_shares_add_up_to_what_was_counted(block: Any, sizes: list[int]) -> None:
    assert total(share(block, sizes)) == block


@pytest.mark.parametrize("details", [[], [1, 2], ["a"], [{"modality": "TEXT"}], None, "text"])
def test_what_is_no_list_of_counts_is_kept_as_it_is(details: object) -> None:
    assert total(share({"details": details}, [1, 2])) == {"details": details}


def test_a_modality_that_only_some_have_is_summed_of_those() -> None:
    text, image = ([{"modality": kind, "tokenCount": 2}] for kind in ("TEXT", "IMAGE"))

    assert total([{"d": text}, {"d": image}, {"d": [*text, *text]}, {}]) == {
        "d": [
            {"modality": "TEXT", "tokenCount": 4},
            {"modality": "IMAGE", "tokenCount": 2},
            {"modality": "TEXT", "tokenCount": 2},
        ]
    }
