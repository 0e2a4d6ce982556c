"""Dollars: the user's own prices, and those of genai-prices as it is installed."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from cachesaver.errors import ConfigurationError, UnknownPriceError
from cachesaver.prices import Prices, check_prices
from cachesaver.usage import Tokens, tokens_of

OPENAI = "https://api.openai.com/v1/chat/completions"
MILLION = Tokens(prompt=1_000_000, answer=1_000_000)


def test_a_model_costs_what_its_provider_asks() -> None:
    """gpt-4o-mini, a model whose price is not going to change any more: 0.15 and 0.60 dollars."""
    assert Prices({}).cost(MILLION, "gpt-4o-mini", url=OPENAI) == Decimal("0.75")


def test_behind_a_proxy_a_model_costs_the_same() -> None:
    assert Prices({}).cost(MILLION, "gpt-4o-mini", url="http://localhost:1/v1") == Decimal("0.75")


def test_who_sells_a_model_is_told_by_the_address() -> None:
    """Given a name that only one provider uses, then it has a price there and nowhere else."""
    name, url = "llama-3.1-8b-instant", "https://api.groq.com/openai/v1/chat/completions"

    assert Prices({}).cost(MILLION, name, url=url) == Decimal("0.13")
    with pytest.raises(UnknownPriceError):
        Prices({}).cost(MILLION, name, url=OPENAI)


def test_cached_tokens_are_cheaper_and_not_counted_twice() -> None:
    """0.075 dollars for what was cached, instead of 0.15 and not beside it."""
    tokens = Tokens(prompt=1_000_000, cached=1_000_000)

    assert Prices({}).cost(tokens, "gpt-4o-mini", url=OPENAI) == Decimal("0.075")


def test_reasoning_is_part_of_the_answer() -> None:
    told = {"prompt_tokens": 0, "completion_tokens": 1_000_000, "total_tokens": 1_000_000}
    details = {"completion_tokens_details": {"reasoning_tokens": 900_000}}
    tokens = tokens_of({**told, **details})

    assert tokens is not None
    assert Prices({}).cost(tokens, "gpt-4o-mini", url=OPENAI) == Decimal("0.6")


def test_what_is_written_to_a_cache_costs_more() -> None:
    """Claude Sonnet 4.5: 3 dollars, 3.75 where it is written for five minutes, 6 for an hour."""
    written = Tokens(prompt=100_000, written=100_000)
    for_an_hour = Tokens(prompt=100_000, written=100_000, written_hour=100_000)
    url = "https://api.anthropic.com/v1/messages"

    costs = [Prices({}).cost(each, "claude-sonnet-4-5", url=url) for each in (written, for_an_hour)]

    assert costs == [Decimal("0.375"), Decimal("0.6")]


def test_audio_in_a_cached_prompt_has_a_price() -> None:
    tokens = Tokens(prompt=1000, cached=500, heard=500, answer=10)

    cost = Prices({}).cost(tokens, "gemini-2.5-flash")

    assert cost > Prices({}).cost(Tokens(prompt=1000, answer=10), "gemini-2.5-flash")


def test_the_first_name_that_has_a_price_counts() -> None:
    prices = Prices({})

    assert prices.cost(MILLION, "", "not-there", "gpt-4o-mini") == Decimal("0.75")


def test_a_price_of_ones_own_goes_before_under_any_name() -> None:
    prices = Prices({"mine": (Decimal(1), Decimal(2)), "gpt-4o-mini": (Decimal(0), Decimal(0))})

    assert prices.cost(MILLION, "gpt-4o", "mine") == 3
    assert prices.cost(MILLION, "gpt-4o-mini", url=OPENAI) == 0


@pytest.mark.parametrize("url", ["", OPENAI])
def test_a_model_without_a_price_is_an_error(url: str) -> None:
    with pytest.raises(UnknownPriceError, match="'rehearsal-1'") as caught:
        Prices({}).cost(MILLION, "rehearsal-1", url=url)

    assert caught.value.model == "rehearsal-1"


def test_without_the_package_own_prices_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices = Prices({"mine": (Decimal(1), Decimal(2))})

    assert prices.cost(MILLION, "mine") == 3
    with pytest.raises(UnknownPriceError):
        prices.cost(MILLION, "gpt-4o-mini", url=OPENAI)


def test_without_the_package_and_own_prices_it_is_said_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent: dict[str, object] = {}
    monkeypatch.setattr("cachesaver.prices.find_spec", absent.get)

    check_prices({"mine": (1, 2)})
    with pytest.raises(ConfigurationError, match=r"pip install 'cachesaver\[prices\]'"):
        check_prices({})
