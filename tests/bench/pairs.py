"""Measuring two things turn by turn.

Processor time, of this process and of the children it waited for: on a machine that others use too,
the clock on the wall measures the others.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Pair", "paired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Medians over all turns: seconds for one call of each, their ratio and their difference."""

    ours: float
    theirs: float
    ratio: float
    more: float


def paired(
    ours: Callable[[], object], theirs: Callable[[], object], *, calls: int, turns: int = 15
) -> Pair:
    """Time *calls* calls of each in turn, *turns* times; one turn before that does not count."""
    found = [(_timed(ours, calls), _timed(theirs, calls)) for _ in range(turns + 1)][1:]
    return Pair(
        ours=statistics.median(a for a, _ in found),
        theirs=statistics.median(b for _, b in found),
        ratio=statistics.median(a / b for a, b in found),
        more=statistics.median(a - b for a, b in found),
    )


def _timed(call: Callable[[], object], calls: int) -> float:
    start = _used()
    for _ in range(calls):
        call()
    return (_used() - start) / calls


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime
