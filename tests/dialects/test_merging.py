from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.merging import as_list, as_object, extend, is_index, latest, merge
from cachesaver.errors import DialectError


def merged(*deltas: dict[str, Any]) -> dict[str, Any]:
    into: dict[str, Any] = {}
    for delta in deltas:
        merge(into, delta, dialect="d")
    return into


@pytest.mark.parametrize(
    ("deltas", "whole"),
    [  # pyright: ignore[reportUnknownArgumentType]  # it gives the union of so many up
        # Text is appended; null says nothing, first or later.
        ([{"content": "a"}, {"content": None}, {"content": "b"}], {"content": "ab"}),
        ([{"content": None}, {"content": "b"}], {"content": "b"}),
        # What names something is stated again, not appended (Mistral, DeepSeek; gpt-oss).
        ([{"role": "assistant"}, {"role": "assistant"}], {"role": "assistant"}),
        ([{"role": "assistant"}, {"role": ""}], {"role": "assistant"}),
        ([{"channel": "analysis"}, {"channel": "final"}], {"channel": "final"}),
        # Lists with an index go by it, whatever the order.
        (
            [
                {"tool_calls": [{"index": 1, "id": "b"}, {"index": 0, "id": "a"}]},
                {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]},
                {"tool_calls": [{"index": 0, "function": {"name": "", "arguments": "}"}}]},
            ],
            {
                "tool_calls": [
                    {"index": 1, "id": "b"},
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                ]
            },
        ),
        # Several fragments of one index in one delta, also the first.
        (
            [{"x": [{"index": 0, "t": "a"}, {"index": 0, "t": "b"}]}],
            {"x": [{"index": 0, "t": "ab"}]},
        ),
        # Whole tool calls without an index follow each other (Mistral, Ollama).
        (
            [{"tool_calls": [{"id": "a"}]}, {"tool_calls": [{"id": "b"}]}],
            {"tool_calls": [{"id": "a"}, {"id": "b"}]},
        ),
        # OpenRouter: two items of one index and different types.
        (
            [{"r": [{"index": 0, "type": "t"}]}, {"r": [{"index": 0, "type": "e"}]}],
            {"r": [{"index": 0, "type": "t"}, {"index": 0, "type": "e"}]},
        ),
        # OpenRouter, before pieces had an index: one text, for all else said of it is the same.
        (
            [{"reasoning_details": [{"type": "t", "text": x}]} for x in "ab"],
            {"reasoning_details": [{"type": "t", "text": "ab"}]},
        ),
        (
            [{"reasoning_details": [{"text": "a"}, {"text": "b"}]}, {"reasoning_details": []}],
            {"reasoning_details": [{"text": "a"}, {"text": "b"}]},
        ),
        ([{"annotations": [{"u": 1}]}, {"annotations": [{"u": 1}]}], {"annotations": [{"u": 1}] * 2}),
        (
            [{"annotations": [{"index": 0}, {"index": 0}]}, {"annotations": [{"index": False}]}],
            {"annotations": [{"index": 0}, {"index": 0}, {"index": False}]},
        ),
        ([{"c": [{"u": 1}]}, {"c": [{"u": 1}]}], {"c": [{"u": 1}]}),
        ([{"token_ids": [1, 2]}, {"token_ids": [1, 2]}], {"token_ids": [1, 2, 1, 2]}),
        ([{"audio": {"data": "A"}}, {"audio": {"data": "B", "expires_at": 9}}],
         {"audio": {"data": "AB", "expires_at": 9}}),
        ([{"k": 1}, {"k": 2.5}], {"k": 2.5}),
    ],
)  # fmt: skip
def test_deltas_become_the_whole(deltas: list[dict[str, Any]], whole: dict[str, Any]) -> None:
    assert merged(*deltas) == whole


@pytest.mark.parametrize(
    "deltas",
    [
        [{"content": "a"}, {"content": ["b"]}],
        [{"content": {}}, {"content": "b"}],
        [{"name": "get"}, {"name": "set"}],
        # Gemini's compatible API: two calls under one index. One call must not come of it.
        [{"tool_calls": [{"index": 0, "id": "a"}]}, {"tool_calls": [{"index": 0, "id": "b"}]}],
        [{"tool_calls": [{"id": "a"}]}, {"tool_calls": [{"id": "a"}, {}]}],
        [{"tool_calls": [{"id": "a"}]}, {"tool_calls": [{"function": {"arguments": "x"}}]}],
        [{"x": [{"index": -1}]}],
        [{"x": [{"index": True}]}],
        [{"x": [{"index": "0"}]}],
        [{"x": [{"index": 10**9}]}],
        [{"c": [{"u": 1}]}, {"c": [{"u": 2}]}],
        # Not pieces of one text for certain: of another kind, encrypted, or several at once.
        [{"reasoning_details": [{"type": "t", "text": "a"}]},
         {"reasoning_details": [{"type": "s", "text": "b"}]}],
        [{"reasoning_details": [{"data": "a"}]}, {"reasoning_details": [{"data": "b"}]}],
        [{"reasoning_details": [{"text": 1}]}, {"reasoning_details": [{"text": 2}]}],
        [{"reasoning_details": [{"text": "a"}]},
         {"reasoning_details": [{"text": "b"}, {"text": "c"}]}],
        [{"reasoning_details": ["a"]}, {"reasoning_details": [{"text": "b"}]}],
    ],
)  # fmt: skip
def test_what_would_be_a_guess_is_refused(deltas: list[dict[str, Any]]) -> None:
    with pytest.raises(DialectError, match=r"^d: "):
        merged(*deltas)


def test_the_pieces_are_left_as_they_were() -> None:
    """Given a delta, when later ones are added to what came of it, then it has not changed."""
    first = {"a": {"t": "x"}, "l": [{"index": 0, "t": "x"}], "n": [1]}

    merged(first, {"a": {"t": "y"}, "l": [{"index": 0, "t": "y"}], "n": [2]})

    assert first == {"a": {"t": "x"}, "l": [{"index": 0, "t": "x"}], "n": [1]}


@given(st.lists(st.text(max_size=5), min_size=1))
def test_however_text_is_cut_it_is_the_same(pieces: list[str]) -> None:
    assert merged(*[{"content": piece} for piece in pieces]) == {"content": "".join(pieces)}


def test_lists_of_an_object_grow() -> None:
    into: dict[str, object] = {}

    for piece in ({"content": [1], "refusal": None}, {"content": [2], "refusal": [3]}):
        extend(into, piece, dialect="d")

    assert into == {"content": [1, 2], "refusal": [3]}
    with pytest.raises(DialectError):
        extend(into, {"content": "x"}, dialect="d")


def test_null_takes_nothing_back_and_objects_grow() -> None:
    assert latest(1, None) == 1
    assert latest(1, 2) == 2
    assert latest({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}


def test_forms_are_asked_for() -> None:
    assert as_object({}, "x", dialect="d") == {}
    assert as_list([], "x", dialect="d") == []
    with pytest.raises(DialectError, match="d: x is not an object"):
        as_object([], "x", dialect="d")
    with pytest.raises(DialectError, match="d: x is not a list"):
        as_list({}, "x", dialect="d")


@pytest.mark.parametrize(
    ("value", "is_one"), [(0, True), (4095, True), (4096, False), (True, False), (None, False)]
)
def test_an_index_is_a_small_number(value: object, *, is_one: bool) -> None:
    assert is_index(value) is is_one
