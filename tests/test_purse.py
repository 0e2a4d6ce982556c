"""A purse never lets more go than it holds, and books what a call did cost."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from cachesaver.budget import Budget
from cachesaver.errors import BudgetExceededError, UnknownPriceError
from cachesaver.estimates import Estimate, estimated
from cachesaver.purse import UNBOUNDED, Amounts, Purse, Reservation

ONE = Estimate(model="m", samples=1, prompt=10, answer=20)


class TestPurse:
    def test_the_call_that_would_exceed_it_is_refused(self) -> None:
        purse = Purse(Budget(samples=3))
        purse.reserve(ONE).settle("m", {}, 1)
        purse.reserve(ONE)

        with pytest.raises(BudgetExceededError) as caught:
            purse.reserve(Estimate(model="m", samples=2))

        error = caught.value
        assert (error.unit, error.model) == ("samples", "m")
        assert [error.cap, error.spent, error.reserved, error.estimate] == [3, 1, 1, 2]
        assert "nothing was sent" in str(error)
        assert "budget='4 samples'" in str(error)
        assert purse.reserved.calls == 1

    def test_what_fits_exactly_goes(self) -> None:
        purse = Purse(Budget(samples=3, calls=1, tokens=30 + 40))

        purse.reserve(Estimate(model="m", samples=3, prompt=10, answer=20))

        assert purse.reserved == Amounts(tokens=70, samples=3, calls=1)

    def test_the_first_cap_that_is_too_small_is_told(self) -> None:
        with pytest.raises(BudgetExceededError, match="30 tokens") as caught:
            Purse(Budget(tokens=29, calls=0)).reserve(ONE)

        assert caught.value.unit == "tokens"

    def test_a_call_is_booked_by_what_it_cost(self) -> None:
        purse = Purse(Budget(tokens=1000))
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}

        purse.reserve(ONE).settle("m", usage, 1)

        assert purse.spent == Amounts(tokens=12, samples=1, calls=1)
        assert purse.reserved == Amounts()

    def test_a_call_that_costs_more_than_put_aside_is_booked_all_the_same(self) -> None:
        purse = Purse(Budget(tokens=40))
        purse.reserve(ONE).settle("m", {"input_tokens": 50, "output_tokens": 50}, 1)

        assert purse.spent.tokens == 100
        with pytest.raises(BudgetExceededError):
            purse.reserve(Estimate())

    def test_a_failed_call_costs_nothing(self) -> None:
        purse = Purse(Budget(calls=1))

        purse.reserve(ONE).cancel()

        assert purse.spent == purse.reserved == Amounts()
        purse.reserve(ONE)

    def test_the_first_ending_counts(self) -> None:
        purse = Purse(Budget(calls=5))
        settled, cancelled = purse.reserve(ONE), purse.reserve(ONE)

        settled.settle("m", {}, 1)
        settled.settle("m", {}, 1)
        settled.cancel()
        cancelled.cancel()
        cancelled.settle("m", {}, 1)

        assert purse.spent.calls == 1
        assert purse.reserved == Amounts()
        assert repr(settled) == f"<Reservation [over] {settled.wanted}>"

    def test_without_a_usage_block_a_call_is_booked_as_estimated(self) -> None:
        purse = Purse(Budget(tokens=1000))

        purse.reserve(ONE).settle("", {}, 1)

        assert purse.spent.tokens == 30

    def test_an_unbounded_answer_is_as_long_as_the_longest_seen(self) -> None:
        """Given no bound, then a constant, then per model the longest sample of this session."""
        purse = Purse(Budget(tokens=10**6))
        unbounded = Estimate(model="m", samples=2, prompt=10)
        first = purse.reserve(unbounded)
        usage = {"prompt_tokens": 10, "completion_tokens": 301}

        first.settle("m-2026", usage, 2)
        purse.reserve(ONE).settle("m", {"prompt_tokens": 10, "completion_tokens": 5}, 1)

        assert first.wanted.tokens == 10 + 2 * UNBOUNDED
        assert purse.reserve(unbounded).wanted.tokens == 10 + 2 * 151
        assert purse.reserve(Estimate(model="n")).wanted.tokens == UNBOUNDED

    def test_dollars_are_those_of_the_model(self) -> None:
        purse = Purse(Budget(usd=1))
        ask = estimated(
            {"model": "gpt-4o-mini", "max_tokens": 1000},
            url="https://api.openai.com/v1/chat/completions",
        )

        held = purse.reserve(ask)
        held.settle("gpt-4o-mini-2024-07-18", {"prompt_tokens": 1000, "completion_tokens": 100}, 1)

        assert Decimal("0.0006") <= held.wanted.usd < Decimal("0.00061")
        assert purse.spent.usd == Decimal("0.00021")

    def test_own_prices_hold_for_the_name_that_was_asked(self) -> None:
        purse = Purse(Budget(usd=1, prices={"mine": (10, 20)}))

        purse.reserve(Estimate(model="mine", answer=1)).settle(
            "other", {"prompt_tokens": 1000, "completion_tokens": 1000}, 1
        )

        assert purse.spent.usd == Decimal("0.03")

    def test_a_model_without_a_price_is_not_called(self) -> None:
        purse = Purse(Budget(usd=1))

        with pytest.raises(UnknownPriceError, match=r"cachesaver\.Budget"):
            purse.reserve(Estimate(model="rehearsal-1"))

        assert purse.reserved == Amounts()

    def test_a_price_lost_on_the_way_books_what_was_put_aside(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given a call that is over, when its tokens have no price, then it is still booked."""
        purse = Purse(Budget(usd=1, prices={"mine": (10, 20)}))
        held = purse.reserve(Estimate(model="mine", prompt=1000, answer=0))
        monkeypatch.setattr(purse._prices, "_own", {})

        held.settle("mine", {"prompt_tokens": 1, "completion_tokens": 0}, 1)

        assert purse.spent == Amounts(usd=Decimal("0.01"), tokens=1, samples=1, calls=1)

    def test_without_dollars_no_price_is_asked_for(self) -> None:
        Purse(Budget(calls=1)).reserve(Estimate(model="rehearsal-1"))

    def test_it_says_what_it_holds(self) -> None:
        assert repr(Purse(Budget(calls=1))).startswith("<Purse of 1 calls: spent Amounts(usd=")

    def test_threads_never_spend_more_together(self) -> None:
        """Given ten samples, when twenty threads want five each, then ten go out and none is lost."""
        purse, refused = Purse(Budget(samples=10)), list[BudgetExceededError]()
        start = threading.Barrier(20)

        def spend() -> None:
            start.wait(30)
            for _ in range(5):
                try:
                    purse.reserve(ONE).settle("m", {}, 1)
                except BudgetExceededError as error:
                    refused.append(error)

        threads = [threading.Thread(target=spend) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert purse.spent.samples == 10
        assert purse.reserved == Amounts()
        assert len(refused) == 90


class Machine(RuleBasedStateMachine):
    """Against two sums: what is under way, and what is over."""

    held = Bundle[Reservation]("held")

    def __init__(self) -> None:
        super().__init__()
        self.purse = Purse(Budget(samples=10, tokens=500))
        self.under_way: list[Reservation] = []
        self.spent = Amounts()

    @rule(target=held, samples=st.integers(1, 4), answer=st.integers(1, 60))
    def reserve(self, samples: int, answer: int) -> Any:
        ask = Estimate(model="m", samples=samples, prompt=5, answer=answer)
        wanted = Amounts(samples=samples, tokens=5 + samples * answer, calls=1)
        would_be = self.spent + self.reserved + wanted
        try:
            reservation = self.purse.reserve(ask)
        except BudgetExceededError:
            assert would_be.samples > 10 or would_be.tokens > 500
            return multiple()  # pyright: ignore[reportUnknownVariableType]  # of nothing
        assert would_be.samples <= 10
        assert would_be.tokens <= 500
        assert reservation.wanted == wanted
        self.under_way.append(reservation)
        return reservation

    @rule(reservation=consumes(held), tokens=st.integers(0, 100), samples=st.integers(0, 4))
    def settle(self, reservation: Reservation, tokens: int, samples: int) -> None:
        reservation.settle("m", {"prompt_tokens": 5, "completion_tokens": tokens}, samples)
        self.under_way.remove(reservation)
        self.spent += Amounts(tokens=5 + tokens, samples=samples, calls=1)

    @rule(reservation=consumes(held), again=st.booleans())
    def cancel(self, reservation: Reservation, again: bool) -> None:  # noqa: FBT001
        reservation.cancel()
        self.under_way.remove(reservation)
        if again:
            reservation.settle("m", {}, 1)

    @property
    def reserved(self) -> Amounts:
        return sum((each.wanted for each in self.under_way), Amounts())

    @invariant()
    def it_adds_up(self) -> None:
        assert (self.purse.spent, self.purse.reserved) == (self.spent, self.reserved)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
