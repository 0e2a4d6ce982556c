"""Measuring two things turn by turn.

Processor time, of this process and of the children it waited for: on a machine that others use too,
the clock on the wall measures the others.
"""

from __future__ import annotations

import asyncio
import math
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["Block", "Pair", "Switched", "awaited", "paired", "repeated", "switched"]


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


Block = Callable[[int], float]
"""Makes as many calls as it is told, and returns what they took, in seconds of processor time."""


def repeated(call: Callable[[], object]) -> Block:
    """Return a block of *call*."""

    def block(calls: int) -> float:
        start = time.process_time()
        for _ in range(calls):
            call()
        return time.process_time() - start

    return block


def awaited(runner: asyncio.Runner, call: Callable[[], Awaitable[object]]) -> Block:
    """Return a block of *call*; that a task begins for it does not count."""

    async def several(calls: int) -> float:
        start = time.process_time()
        for _ in range(calls):
            await call()
        return time.process_time() - start

    return lambda calls: runner.run(several(calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """Medians of pairs of short blocks: seconds for one call.

    Attributes:
        more: Of ours than of theirs.
        low: What *more* is at least, in 19 cases of 20.
        high: What it is at most.
        theirs: Of theirs.
    """

    more: float
    low: float
    high: float
    theirs: float


def switched(
    block: Block, switch: Callable[[bool], object], *, calls: int = 20, pairs: int = 500
) -> Switched:
    """Time *pairs* pairs of short blocks of *calls* calls, with ours and with theirs in turn.

    For differences of a microsecond: a pair is over before a busy machine turns to another.

    Args:
        block: Of calls.
        switch: Called before each block: whether ours is to be there.
        calls: In a block.
        pairs: One before them does not count.
    """
    found: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(pairs + 1):
        for is_ours in (True, False) if turn % 2 else (False, True):
            switch(is_ours)
            block(_SETTLING)
            found[is_ours].append(block(calls) / calls)
    more = sorted(one - other for one, other in zip(found[True][1:], found[False][1:], strict=True))
    edge = int(pairs / 2 - 0.98 * math.sqrt(pairs))  # of the median's interval, by order statistics
    return Switched(
        more=statistics.median(more),
        low=more[edge],
        high=more[pairs - 1 - edge],
        theirs=statistics.median(found[False][1:]),
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
