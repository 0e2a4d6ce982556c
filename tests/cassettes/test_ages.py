"""Lengths of time, and what is older than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cachesaver.cassettes.ages import age, is_expired, told
from cachesaver.cassettes.format import Document, document
from cachesaver.errors import ConfigurationError

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def recorded(*dates: str | None, errors: bool = False) -> Document:
    answers = [{} if when is None else {"recorded": when} for when in dates]
    if errors:
        return document("f", {"asks": ["q"]}, [], answers)
    return document("f", {"asks": ["q"]}, answers)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("30d", timedelta(days=30)),
        ("2 w", timedelta(weeks=2)),
        ("12h", timedelta(hours=12)),
        ("5m", timedelta(minutes=5)),
        ("1s", timedelta(seconds=1)),
        (timedelta(days=1), timedelta(days=1)),
    ],
)
def test_lengths_of_time(given: str | timedelta, meant: timedelta) -> None:
    assert age(given) == meant


@pytest.mark.parametrize("given", ["", "30", "d", "a month", "-1d", "1.5d"])
def test_what_is_none(given: str) -> None:
    with pytest.raises(ConfigurationError, match="30d"):
        age(given)


def test_one_old_answer_is_enough() -> None:
    new, old = "2026-11-01T12:00:00.000Z", "2026-11-01T11:59:59.999Z"

    assert not is_expired(recorded(new), NOON)
    assert is_expired(recorded(new, old), NOON)
    assert is_expired(recorded(old, errors=True), NOON)
    assert is_expired(recorded(None), NOON)


def test_the_oldest_is_named() -> None:
    many = [
        recorded("2026-10-03T00:00:00Z", "2026-10-02T00:00:00Z"),
        recorded("2026-10-04T00:00:00Z"),
    ]

    assert "of 2026-10-02 and may have none older than 30 days" in told(
        many, "a.cassette", timedelta(days=30)
    )
    assert "2 questions" in told(many, "a.cassette", timedelta(days=30))
    assert "without a date" in told([recorded(None)], "a.cassette", timedelta(days=30))
