"""The words for what is recorded, and which of them go together."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TypeVar

from cachesaver.cassettes.store import Exhausted
from cachesaver.errors import ConfigurationError

__all__ = ["RecordMode", "exhausted", "one_of", "record_mode"]

_W = TypeVar("_W", bound=StrEnum)


class RecordMode(StrEnum):
    """What is answered from the cassette, and what is recorded. The names are vcrpy's."""

    NONE = "none"
    """Answer from the cassette; what is not in it raises. Nothing is recorded."""
    ONCE = "once"
    """Record where there is no cassette yet; else as NONE."""
    NEW_EPISODES = "new_episodes"
    """Answer from the cassette, and record what is not in it."""
    ALL = "all"
    """Record everything anew; what is not asked stays."""
    REWRITE = "rewrite"
    """Forget the cassette, then record."""
    VERIFY = "verify"
    """Ask for everything, record nothing, and raise if the answers have another shape than recorded."""


def record_mode(given: str | RecordMode | None) -> RecordMode:
    """Return the mode *given*, or that of the environment. Raises ConfigurationError."""
    asked = given or os.environ.get("CACHESAVER_RECORD_MODE") or RecordMode.ONCE
    return one_of(RecordMode, "record_mode", asked)


def one_of(words: type[_W], option: str, given: str) -> _W:
    """Return which of *words* is *given* for *option*. Raises ConfigurationError."""
    try:
        return words(given)
    except ValueError:
        known = ", ".join(words)
        raise ConfigurationError(f"{option}={given!r} is unknown; write one of {known}.") from None


def exhausted(given: str | Exhausted | None, mode: RecordMode) -> Exhausted:
    """Return what is *given*, or goes with *mode*. Raises ConfigurationError: they do not go together."""
    if given is None:
        return Exhausted.ERROR if mode is RecordMode.NONE else Exhausted.EXTEND
    asked = one_of(Exhausted, "exhausted", given)
    if asked is Exhausted.EXTEND and mode is RecordMode.NONE:
        raise ConfigurationError(
            "record_mode='none' records nothing, so exhausted='extend' cannot be; "
            "write record_mode='new_episodes', or another word for exhausted."
        )
    if asked is Exhausted.ERROR and mode is not RecordMode.NONE and mode is not RecordMode.ONCE:
        raise ConfigurationError(
            f"record_mode={str(mode)!r} records what is not there, so exhausted='error' cannot be; "
            "write record_mode='none', or leave exhausted out."
        )
    return asked
