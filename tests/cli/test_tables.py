"""Tables for a terminal."""

from __future__ import annotations

from cachesaver.cli.tables import counted, table


def test_columns_are_as_wide_as_their_widest_and_numbers_stand_right() -> None:
    said = table(("model", "samples"), [("gpt-5-mini", "1,234"), ("o3", "5")])

    assert said.splitlines() == [
        "model       samples",
        "gpt-5-mini    1,234",
        "o3                5",
    ]


def test_without_rows_there_is_the_head() -> None:
    assert table(("a", "b"), []) == "a  b"


def test_one_is_told_from_several() -> None:
    assert [counted(n, "answer") for n in (0, 1, 2000)] == [
        "0 answers",
        "1 answer",
        "2,000 answers",
    ]
