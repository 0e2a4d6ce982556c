from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from cachesaver import errors
from cachesaver.errors import (
    BudgetError,
    BudgetExceededError,
    CachesaverError,
    ConfigurationError,
    DialectError,
    NotRecordedError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    UnknownPriceError,
)

EXCEEDED = BudgetExceededError(
    unit="usd",
    cap=Decimal(5),
    spent=Decimal("4.90"),
    reserved=Decimal(0),
    estimate=Decimal("0.25"),
    model="gpt-5-mini",
)


def test_every_error_is_one_of_ours_and_stands_in_the_tree_at_the_head() -> None:
    classes = {getattr(errors, name) for name in errors.__all__}

    assert all(issubclass(each, CachesaverError) for each in classes)
    assert all(each.__name__ in str(errors.__doc__) for each in classes)


def test_a_dialect_error_names_its_dialect() -> None:
    error = DialectError("no choices", dialect="openai.chat")

    assert error.dialect == "openai.chat"
    assert str(error) == "openai.chat: no choices"


@pytest.mark.parametrize("kind", [StoreError, StoreUnavailableError, StoreDamagedError])
def test_a_store_error_knows_where(kind: type[StoreError]) -> None:
    error = kind("it is full", location="/data/store")

    assert error.location == "/data/store"
    assert str(error) == "it is full"


def test_a_configuration_error_is_a_sentence() -> None:
    assert str(ConfigurationError("say mode='replay'")) == "say mode='replay'"


def test_what_is_not_recorded_is_told_with_what_to_do() -> None:
    """Given a miss, then the message says what was wanted, what was found, and what to do next."""
    error = NotRecordedError(
        "POST https://api.test/v1",
        fingerprint="0123456789abcdef" * 4,
        namespace="exp1",
        wanted=3,
        free=1,
        near="The nearest differs in temperature.",
    )

    assert (error.fingerprint, error.namespace) == ("0123456789abcdef" * 4, "exp1")
    for part in ("POST https://api.test/v1", "3 sample(s)", "'exp1'", "1 of", "0123456789ab"):
        assert part in str(error)
    assert "The nearest differs in temperature." in str(error)
    assert "mode='cache'" in str(error)


def test_a_budget_that_is_too_small_is_told_with_what_to_do() -> None:
    """Given the facts, then the message has what was wanted, what is left, and what to do next."""
    assert str(EXCEEDED) == (
        "a call to gpt-5-mini may cost 0.25 usd, and the budget of 5 usd has 0.1 left: 4.9 spent, 0 "
        "reserved by calls under way; nothing was sent.\n"
        "Raise the budget, as in budget='5.15 usd', or bound the call, as by max_tokens. What was "
        "bought is stored, and free in the next run."
    )
    assert (EXCEEDED.cap, EXCEEDED.estimate) == (Decimal(5), Decimal("0.25"))


def test_one_of_a_unit_is_one_and_nothing_left_is_nothing() -> None:
    """Given more spent than there was, by an answer longer than estimated, then nothing is left."""
    one = Decimal(1)
    error = BudgetExceededError(
        unit="calls", cap=one, spent=one + one, reserved=Decimal(), estimate=one, model=""
    )

    assert str(error).startswith(
        "a call may cost 1 call, and the budget of 1 call has 0 left: 2 spent"
    )


def test_an_unknown_price_is_told_with_what_to_write_instead() -> None:
    error = UnknownPriceError("mine")

    assert error.model == "mine"
    assert "cachesaver.Budget(usd=5, prices={'mine': (1.25, 10)})" in str(error)
    assert "budget='200000 tokens'" in str(error)


def test_what_a_budget_forbids_has_one_root() -> None:
    assert all(isinstance(each, BudgetError) for each in (EXCEEDED, UnknownPriceError("mine")))


@pytest.mark.parametrize(
    "error",
    [
        EXCEEDED,
        UnknownPriceError("mine"),
        ConfigurationError("say mode='replay'"),
        DialectError("no choices", dialect="openai.chat"),
        StoreDamagedError("it is full", location="/data/store"),
        NotRecordedError("POST x", fingerprint="f", namespace="n", wanted=3, free=1, near="none"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_home_from_worker_processes(error: CachesaverError) -> None:
    """Given an error of a worker, when pickled, then its parent sees it, and is not left hanging."""
    home = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own

    assert type(home) is type(error)
    assert (str(home), vars(home)) == (str(error), vars(error))
