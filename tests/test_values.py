"""Values of the way of a request: what `value` makes of a class."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cachesaver.asks import Ask
from cachesaver.batching import Hand
from cachesaver.canonical import Body
from cachesaver.identity import Question
from cachesaver.outcomes import Got, Served
from cachesaver.values import value


@value(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


@value(frozen=True, slots=True, eq=False)
class Sole:
    name: str


def test_a_value_is_equal_by_content_and_can_be_a_key() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2
    assert replace(Point(x=1), y=3) == Point(x=1, y=3)
    assert repr(Point(x=1)).endswith("Point(x=1, y=0)")


def test_one_that_is_like_no_other_is_a_key_by_itself() -> None:
    one, other = Sole("a"), Sole("a")

    assert one != other
    assert len({one, other}) == 2


def test_it_has_no_room_for_more_than_its_fields() -> None:
    with pytest.raises(AttributeError):
        Point(x=1).z = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("kind", [Ask, Body, Got, Hand, Question, Served])
def test_what_each_call_makes_is_filled_without_a_call_for_each_field(kind: type) -> None:
    assert "__setattr__" not in vars(kind)
