"""How a budget can be said, and that what is not understood is refused."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from typing import Any

import pytest

from cachesaver.budget import Budget, budget_of
from cachesaver.errors import ConfigurationError


class TestSaying:
    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            (5, Budget(usd=5)),
            (0.25, Budget(usd=0.25)),
            (0, Budget(usd=0)),
            (Decimal("0.1"), Budget(usd=Decimal("0.1"))),
            ("5", Budget(usd=5)),
            ("$5.50", Budget(usd=5.5)),
            ("5 $", Budget(usd=5)),
            ("1 dollar", Budget(usd=1)),
            (" 200_000 tokens ", Budget(tokens=200_000)),
            ("500 Samples", Budget(samples=500)),
            ("1 call", Budget(calls=1)),
            ("100.0 calls", Budget(calls=100)),
            ("5 usd, 100 calls", Budget(usd=5, calls=100)),
            ("$5,100 calls", Budget(usd=5, calls=100)),
            (Budget(samples=3), Budget(samples=3)),
        ],
    )
    def test_what_is_understood(self, given: object, meant: Budget) -> None:
        assert budget_of(given) == meant

    @pytest.mark.parametrize("given", [None, "", "  "])
    def test_no_budget(self, given: object) -> None:
        assert budget_of(given) is None

    @pytest.mark.parametrize(
        "given",
        [
            *(-1, True, float("nan"), float("inf"), [3]),
            *("-3", "1e3", "five", "5 apples", "200,000 tokens", "5 $ tokens", "$5 calls", ","),
            *("5 calls, 6 calls", "1.5 samples", "5 usd 3 calls", "1_0.0.0 usd"),
        ],
    )
    def test_what_is_not_is_refused_in_one_sentence(self, given: object) -> None:
        with pytest.raises(ConfigurationError, match=r"write budget=5 \(dollars\)") as caught:
            budget_of(given)

        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({}, "the budget has no cap"),
            ({"usd": -1}, "the budget says usd=-1, which is not a number from 0"),
            ({"usd": "5"}, "the budget says usd='5'"),
            ({"tokens": 1.5}, "the budget says tokens=1.5, which is not a whole number from 0"),
            ({"samples": -1}, "samples=-1"),
            ({"calls": True}, "calls=True"),
            ({"usd": 1, "prices": {"m": 3}}, "prices holds 3 for 'm': give dollars per million"),
            ({"usd": 1, "prices": {"m": (3, -1)}}, "a price of -1"),
            ({"usd": 1, "prices": [("m", 1, 2)]}, "prices must be a mapping"),
        ],
    )
    def test_a_budget_is_valid_from_birth(self, given: dict[str, Any], says: str) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
            Budget(**given)

        assert "\n" not in str(caught.value)

    def test_it_is_spelt_as_it_is_read(self) -> None:
        budget = Budget(usd=Decimal("1E+2"), tokens=200_000, samples=5, calls=1)

        assert str(budget) == "100 usd, 200000 tokens, 5 samples, 1 calls"
        assert budget_of(str(budget)) == budget

    def test_it_can_be_given_to_worker_processes(self) -> None:
        budget = Budget(usd=5, calls=3, prices={"m": (1, 2.5)})

        assert pickle.loads(pickle.dumps(budget)) == budget  # noqa: S301  # our own

    def test_prices_do_not_change_behind_its_back(self) -> None:
        prices: dict[str, tuple[float, float]] = {"m": (1, 2)}
        budget = Budget(usd=1, prices=prices)

        prices["m"] = (0, 0)

        assert budget.prices["m"] == (1, 2)
