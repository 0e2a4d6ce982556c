"""Parameters are checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from cachesaver.local import ParameterError, Params
from cachesaver.local.params import BOUNDS


@pytest.mark.parametrize(("name", "bounds"), sorted(BOUNDS.items()))
def test_both_bounds_are_allowed_and_nothing_beyond(name: str, bounds: tuple[Any, Any]) -> None:
    low, high = bounds

    if name != "top_p":
        Params(**{name: low})
    Params(**{name: high})

    for beyond in (low - 1, high + 1):
        with pytest.raises(ParameterError, match=f"{name} must be from") as raised:
            Params(**{name: beyond})
        assert raised.value.parameter == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "hot"),
        ("temperature", float("nan")),
        ("temperature", True),
        ("temperature", None),
        ("top_k", 1.5),
        ("max_tokens", True),
    ],
)
def test_what_is_no_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match="must be a"):
        Params(**{name: value})  # type: ignore[arg-type]  # the mistake


def test_a_top_p_of_zero_would_leave_nothing() -> None:
    with pytest.raises(ParameterError, match="top_p must be above 0"):
        Params(top_p=0.0)


def test_a_bias_out_of_bounds_is_refused() -> None:
    with pytest.raises(ParameterError, match="logit_bias must be from -100 to 100"):
        Params(logit_bias={3: 101})


@pytest.mark.parametrize(
    ("params", "greedy", "filtered", "penalised"),
    [
        (Params(), False, False, False),
        (Params(temperature=0, top_k=3), True, False, False),
        (Params(top_k=3), False, True, False),
        (Params(top_p=0.9), False, True, False),
        (Params(min_p=0.1), False, True, False),
        (Params(presence_penalty=1), False, False, True),
        (Params(frequency_penalty=1), False, False, True),
        (Params(repetition_penalty=2), False, False, True),
    ],
)
def test_what_a_draw_needs(
    params: Params, *, greedy: bool, filtered: bool, penalised: bool
) -> None:
    assert params.is_greedy == greedy
    assert params.is_filtered == filtered
    assert params.is_penalised == penalised
