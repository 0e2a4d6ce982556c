from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.local.app.stops import Scanner, held_back


def scan(stops: list[str], pieces: list[str]) -> tuple[list[str], int | None]:
    scanner = Scanner(stops)
    said = [*map(scanner.feed, pieces), scanner.rest()]
    return said, scanner.cut


@pytest.mark.parametrize(
    ("stops", "pieces", "said", "cut"),
    [
        (["END"], ["a", "b"], ["a", "b", ""], None),
        (["END"], ["aE", "N", "Db"], ["a", "", "", ""], 1),
        (["END"], ["aE", "Nx"], ["a", "ENx", ""], None),
        (["END"], ["aEN"], ["a", "EN"], None),
        (["b", "abc"], ["xab", "c"], ["xa", "", ""], 2),
        (["\n\n"], ["a\n", "b\n", "\nc"], ["a", "\nb", "", ""], 3),
        (["aab"], ["aa", "ab"], ["", "a", ""], 1),
        ([], ["x"], ["x", ""], None),
        (["x"], ["x", "more"], ["", "", ""], 0),
    ],
)
def test_text_is_cut_at_the_first_stop(
    stops: list[str], pieces: list[str], said: list[str], cut: int | None
) -> None:
    assert scan(stops, pieces) == (said, cut)


@given(
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3),
    st.lists(st.text("abc", max_size=3), max_size=12),
)
def test_it_is_cut_where_the_whole_text_would_be(stops: list[str], pieces: list[str]) -> None:
    """Given any borders of tokens, then what is said ends where the earliest stop *completes*."""
    text = "".join(pieces)
    said, cut = scan(stops, pieces)

    if cut is None:
        assert "".join(said) == text
        assert not any(stop in text for stop in stops)
    else:
        assert "".join(said) == text[:cut]
        assert any(text[cut:].startswith(stop) for stop in stops)


@pytest.mark.parametrize(
    ("text", "wanted", "count"),
    [
        ("", ["ab"], 0),
        ("xa", ["ab"], 1),
        ("xab", ["abc", "b1"], 2),
        ("ab", ["ab"], 0),
        ("a", [], 0),
    ],
)
def test_what_may_begin_one_is_held_back(text: str, wanted: list[str], count: int) -> None:
    assert held_back(text, wanted) == count


@given(st.text("abc", max_size=8), st.lists(st.text("abc", max_size=4), max_size=3))
def test_it_is_the_longest_end_that_begins_one_of_them(text: str, wanted: list[str]) -> None:
    begun = [
        count
        for count in range(1, len(text) + 1)
        if any(len(each) > count and each.startswith(text[-count:]) for each in wanted)
    ]

    assert held_back(text, wanted) == max(begun, default=0)
