"""Request bodies whose form nobody guarantees: read leniently, refused politely, never a crash."""

from __future__ import annotations

import pytest

from cachesaver.rehearsal.reading import (
    integer,
    listed,
    mapped,
    number,
    pick,
    required,
    texts,
    without,
)
from cachesaver.rehearsal.values import Message, RejectedError

ODD: tuple[object, ...] = (None, 1, 1.5, True, "text", [], {})


def test_what_has_another_form_reads_as_empty() -> None:
    assert [mapped(value) for value in ODD] == [{}] * len(ODD)
    assert [listed(value) for value in ODD] == [[]] * len(ODD)
    assert (mapped({"a": 1}), listed([1])) == ({"a": 1}, [1])


def test_nulls_and_named_fields_are_left_out() -> None:
    assert without({"a": 1, "b": None, "n": 2}, ["n"]) == {"a": 1}


def test_the_first_spelling_that_is_there_counts() -> None:
    assert pick({"a": None, "b": 0, "c": 1}, "a", "b", "c") == 0
    assert pick({}, "a") is None


@pytest.mark.parametrize("body", [{}, {"x": None}, {"x": ""}, {"x": []}, {"x": 5}])
def test_a_required_field_must_be_there_filled_and_of_its_kind(body: dict[str, object]) -> None:
    with pytest.raises(RejectedError) as caught:
        required(body, "x", str)

    assert (caught.value.status, caught.value.param) == (400, "x")


@pytest.mark.parametrize("value", [-0.1, 2.1, "1", True, float("nan")])
def test_a_number_is_within_its_bounds(value: object) -> None:
    with pytest.raises(RejectedError):
        number({"x": value}, "x", 1.0, 2.0)


def test_a_number_has_its_default() -> None:
    assert number({}, "x", 1.0, 2.0) == number({"x": None}, "x", 1.0, 2.0) == 1.0
    assert number({"x": 0}, "x", 1.0, 2.0) == 0.0


@pytest.mark.parametrize("value", [0, 129, 1.0, "1", True])
def test_an_integer_is_within_its_bounds(value: object) -> None:
    with pytest.raises(RejectedError):
        integer({"x": value}, "x", 1, 128)


def test_an_integer_may_be_missing() -> None:
    assert integer({}, "x") is None
    assert integer({"x": 128}, "x", 1, 128) == 128


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello", Message(role="user", text="hello")),
        (None, Message(role="user", text="")),
        ([{"type": "text", "text": "a"}, {"text": "b"}], Message(role="user", text="a\nb")),
        (["a", {"type": "image"}, 5], Message(role="user", text="a", attachments=2)),
        ([{"text": 5}], Message(role="user", text="", attachments=1)),
    ],
)
def test_content_is_text_and_attachments(content: object, message: Message) -> None:
    assert texts("user", content) == message
