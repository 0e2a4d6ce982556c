"""Diffs of questions: whole, or as much as people read."""

from __future__ import annotations

import json
import time

from cachesaver.differences import difference


def question(*texts: str) -> bytes:
    messages = [{"content": text} for text in texts]
    return (
        b"cachesaver/1 openai.chat POST\nhttps://a.test\n/v1\n\n\n"
        + json.dumps({"messages": messages}).encode()
    )


def test_a_whole_one_has_everything() -> None:
    told = difference(question("a" * 500, "b"), question("a" * 499 + "c", "b"))

    assert f'-      "content": "{"a" * 500}"' in told
    assert told.startswith("--- stored\n+++ asked\n")


def test_a_brief_one_shows_where_long_lines_differ() -> None:
    one, other = "x" * 9000 + "today" + "z" * 9000, "x" * 9000 + "tomorrow" + "z" * 9000

    told = difference(question(one), question(other), brief=True)

    assert [line.strip("-+xz…") for line in told.splitlines() if "to" in line[2:]][-2:] == [
        "today",
        "tomorrow",
    ]
    assert max(map(len, told.splitlines())) < 210


def test_a_brief_one_is_short_and_quick_whatever_it_is_of() -> None:
    one = question(*[f"question {number}" for number in range(50_000)])
    other = question(*[f"query {number % 7}" for number in range(50_000)])

    begun = time.monotonic()
    told = difference(one, other, brief=True)

    assert time.monotonic() - begun < 5
    assert len(told.splitlines()) == 61
    assert told.endswith("…")


def test_equal_ones_differ_in_nothing() -> None:
    assert difference(question("a"), question("a"), brief=True) == ""
