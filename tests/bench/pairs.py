"""Measuring two things turn by turn.

Processor time, of this process and of the children it waited for: on a machine that others use too,
the clock on the wall measures the others.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Least", "Pair", "least", "paired"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Least:
    """What the quickest blocks of calls took: nobody else was at work then. Seconds for one call.

    Attributes:
        more: Of ours than of theirs.
        theirs: Of theirs.
        noise: By how much a block of theirs differs from the next one of theirs, in the middle.
    """

    more: float
    theirs: float
    noise: float


def least(
    block: Callable[[int], object],
    *,
    switch: Callable[[bool], object],
    calls: int = 40,
    blocks: int = 150,
) -> Least:
    """Time *blocks* short blocks of *calls* calls, with ours and with theirs in turn.

    For differences of a microsecond: a block is over before a busy machine turns to another.

    Args:
        block: Makes as many calls as it is told.
        switch: Called before each block: whether ours is to be there.
    """
    found: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(blocks + 1):
        for is_ours in (True, False) if turn % 2 else (False, True):
            switch(is_ours)
            block(_SETTLING)
            start = _used()
            block(calls)
            found[is_ours].append((_used() - start) / calls)
    kept = {is_ours: times[1:] for is_ours, times in found.items()}
    steps = [abs(one - other) for one, other in itertools.pairwise(kept[False])]
    return Least(
        more=min(kept[True]) - min(kept[False]),
        theirs=min(kept[False]),
        noise=statistics.median(steps),
    )


_SETTLING = 64
"""Calls until a process runs as one that switches nothing: where an attribute of a class was looked up by
its version, CPython 3.11 fails to 53 times before it looks at what is there now."""


def _timed(call: Callable[[], object], calls: int) -> float:
    start = _used()
    for _ in range(calls):
        call()
    return (_used() - start) / calls


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime
