"""How old what a cassette holds may be. Pure, but for the warning that is a class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cachesaver.cassettes.format import NEVER, Document, recorded
from cachesaver.errors import ConfigurationError

__all__ = ["CassetteExpiredWarning", "OnExpiry", "age", "is_expired", "told"]

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class CassetteExpiredWarning(UserWarning):
    """A cassette is older than `max_age` allows."""


class OnExpiry(StrEnum):
    """What happens to a cassette that is older than it may be."""

    WARN = "warn"
    """It is used, with a `CassetteExpiredWarning`."""
    FAIL = "fail"
    """It is not used: `cachesaver.errors.CassetteError`."""
    RERECORD = "rerecord"
    """The questions that are too old are recorded anew; others as the mode has it."""


def age(given: str | timedelta) -> timedelta:
    """Return the length of time that *given* names, such as "30d", "2w" or "12h".

    Raises:
        ConfigurationError: It names none.
    """
    if isinstance(given, timedelta):
        return given
    found = re.fullmatch(r"(\d+)\s*([smhdw])", given.strip())
    if found is None:
        raise ConfigurationError(f"max_age={given!r} is no length of time; write '30d' or '12h'.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def is_expired(document: Document, before: datetime) -> bool:
    """Tell whether an answer of *document* was recorded *before* that, or nobody knows when."""
    return any(each < before for each in _dates((document,)))


def told(documents: Iterable[Document], location: str, most: timedelta) -> str:
    """Return one sentence on *documents*, the questions of the cassette at *location* that are too old."""
    dates = [*_dates(found := [*documents])]
    oldest = min(dates)
    when = "without a date" if oldest == NEVER else f"of {oldest:%Y-%m-%d}"
    questions = "1 question" if len(found) == 1 else f"{len(found)} questions"
    return (
        f"the cassette {location} has answers {when} and may have none older than {most}: "
        f"{questions}; record them anew, with record_mode='all' or on_expiry='rerecord'."
    )


def _dates(documents: Iterable[Document]) -> Iterable[datetime]:
    """Iterate when the answers of *documents* were recorded; what has no date is as old as can be."""
    for each in documents:
        yield from map(recorded, (*each.answers, *each.errors))
