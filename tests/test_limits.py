"""What one call may ask for: documented, then learnt."""

from __future__ import annotations

import orjson
import pytest

from cachesaver.dialects.base import BaseDialect
from cachesaver.exchange import Request
from cachesaver.identity import Question, identify
from cachesaver.limits import Limits


class Eight(BaseDialect):
    name = "eight"
    max_count = 8


class Any(BaseDialect):
    name = "any"
    max_count = None


def question(
    dialect: BaseDialect | None = None, url: str = "https://a.test/v1", model: str = "m"
) -> Question:
    request = Request(method="POST", url=url, body=orjson.dumps({"model": model}))
    return identify(request, dialect or Any())


def test_at_first_the_dialect_decides() -> None:
    assert Limits().most(question()) is None
    assert Limits().most(question(Eight())) == 8


def test_a_body_that_cannot_be_written_anew_asks_for_one() -> None:
    """Given a key that stands twice, then what more than one would be asked for is nobody's guess."""
    twice = Request(method="POST", url="https://a.test/v1", body=b'{"model":"m","model":"n"}')

    assert Limits().most(identify(twice, Any())) == 1


def test_a_refusal_for_good_leaves_one() -> None:
    limits = Limits()

    limits.refused(question(), 5, for_good=True)

    limits.gave(question(), 1, 1)
    assert limits.most(question()) == 1


def test_a_refusal_of_today_halves_and_what_is_given_doubles() -> None:
    limits, asked = Limits(), question()

    limits.refused(asked, 8, for_good=False)
    assert limits.most(asked) == 4
    limits.gave(asked, 3, 3)
    assert limits.most(asked) == 4
    limits.gave(asked, 4, 4)
    assert limits.most(asked) == 8


def test_nothing_is_less_than_one() -> None:
    limits = Limits()

    limits.refused(question(), 1, for_good=False)

    assert limits.most(question()) == 1


@pytest.mark.parametrize(("got", "most"), [(3, 3), (10, 8)])
def test_so_many_as_were_given_are_asked_for_but_not_more_than_documented(
    got: int, most: int
) -> None:
    limits = Limits()

    limits.gave(question(Eight()), 11, got)

    assert limits.most(question(Eight())) == most


def test_who_gives_what_it_is_asked_for_teaches_nothing() -> None:
    limits = Limits()

    limits.gave(question(), 5, 5)

    assert limits.most(question()) is None


@pytest.mark.parametrize(
    "other",
    [
        question(model="other"),
        question(url="https://b.test/v1"),
        # Gemini's
        question(url="https://a.test/v1/models/other:generateContent"),
        question(Eight()),
    ],
    ids=["model", "origin", "path", "dialect"],
)
def test_another_model_endpoint_or_dialect_is_another_matter(other: Question) -> None:
    limits, before = Limits(), Limits().most(other)

    limits.refused(question(), 5, for_good=True)

    assert limits.most(other) == before
