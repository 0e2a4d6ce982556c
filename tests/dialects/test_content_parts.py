from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.content_parts import joined
from cachesaver.errors import DialectError


def text(said: str, **more: Any) -> Any:
    return {"type": "text", "text": said, **more}


def thinking(*parts: Any, **more: Any) -> Any:
    return {"type": "thinking", "thinking": list(parts), **more}


def together(*pieces: Any) -> list[object]:
    return reduce(lambda old, new: joined(old, new, dialect="d"), pieces, [])


REFERENCE: Any = {"type": "reference", "reference_ids": [1]}


PIECES: list[tuple[list[Any], list[Any]]] = [
    # https://docs.mistral.ai/capabilities/reasoning: thoughts in parts, then text as text.
    (
        ["", [thinking(text("a"))], [thinking(text("b"))], "c", "d"],
        [thinking(text("ab")), text("cd")],
    ),
    ([[thinking(text("a"))], [text("b")], [text("c")]], [thinking(text("a")), text("bc")]),
    (["a", [text("b")], None, ""], [text("ab")]),
    # A reference stands between two texts.
    (["a", [REFERENCE], "b", [REFERENCE]], [text("a"), REFERENCE, text("b"), REFERENCE]),
    ([[REFERENCE], [REFERENCE]], [REFERENCE, REFERENCE]),
    # What comes in one chunk was told apart by who sent it.
    ([[text("a"), text("b")], "c"], [text("a"), text("bc")]),
    ([[thinking(text("a"), REFERENCE)], [thinking(text("b"))]],
     [thinking(text("a"), REFERENCE, text("b"))]),
    # A thought that is closed is followed by another one; its signature comes when it may.
    (
        [[thinking(text("a"))], [thinking(text("b"), closed=True)], [thinking(text("c"))]],
        [thinking(text("ab"), closed=True), thinking(text("c"))],
    ),
    ([[thinking(text("a"))], [thinking(signature="s")]], [thinking(text("a"), signature="s")]),
    # What is said of one piece of text alone stays with it.
    (["a", [text("b", id="x")], "c"], [text("a"), text("b", id="x"), text("c")]),
    (["a", [{"type": "text", "text": 1}]], [text("a"), {"type": "text", "text": 1}]),
    ([[{}], [{}]], [{}, {}]),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "parts"), PIECES)
def test_pieces_become_parts(pieces: list[Any], parts: list[Any]) -> None:
    assert together(*pieces) == parts


@pytest.mark.parametrize("new", [1, {}, [1], ["a"], [text("a"), None], [thinking(1)]])
def test_what_is_neither_text_nor_parts_is_refused(new: Any) -> None:
    with pytest.raises(DialectError, match=r"^d: "):
        together([thinking(text("a"))], new)


def test_what_was_there_is_left_as_it_was() -> None:
    old: list[Any] = [thinking(text("a"))]

    joined(old, [thinking(text("b"))], dialect="d")

    assert old == [thinking(text("a"))]


@given(st.lists(st.text(max_size=4), min_size=1), st.lists(st.text(max_size=4)))
def test_however_thought_and_text_are_cut_they_are_the_same(
    thoughts: list[str], texts: list[str]
) -> None:
    pieces = [*([thinking(text(each))] for each in thoughts), *texts]

    assert [part for part in together(*pieces) if part != text("")] == [
        thinking(text("".join(thoughts))) if any(thoughts) else thinking(text("")),
        *([text("".join(texts))] if any(texts) else []),
    ]


@given(st.lists(st.sampled_from([text("a"), thinking(text("b")), REFERENCE]), max_size=4))
def test_parts_that_come_at_once_stay_as_they_are(parts: list[Any]) -> None:
    assert joined(None, parts, dialect="d") == parts
