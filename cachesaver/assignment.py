"""The rule draw -> sample index (contract.md, "Assignment"), written once for every store.

Pure: it reads one fingerprint, as one run sees it, through `View` and returns a `Decision`. It
never changes anything, and must not come to know a backend, a lock or a clock.
"""

from __future__ import annotations

import enum
from typing import Protocol

from cachesaver.ports import Policy

__all__ = ["Decision", "Outcome", "Slot", "View", "assign"]


class Slot(enum.Enum):
    """What stands at an index of a fingerprint."""

    EMPTY = "empty"
    """Nothing that can be read back, and nobody alive is buying it."""
    FLYING = "flying"
    """Nothing yet; a living process holds its lease."""
    STORED = "stored"
    """A sample."""


class View(Protocol):
    """One fingerprint as one run sees it. A store writes one; `assign` reads it.

    An index is *free* when no draw of this run has it and, where the run is a replicate, no
    sister replicate of its namespace has or had it.
    """

    def held(self, draw: str) -> int | None:
        """Return the index *draw* got in this run, unless it was given up and another has it."""
        ...

    def remembered(self, draw: str) -> int | None:
        """Return the index the namespace gave *draw* last time, in whichever run."""
        ...

    def bought(self, draw: str) -> int | None:
        """Return the index of the sample that was first bought for *draw*, by whomever."""
        ...

    def is_free(self, index: int) -> bool:
        """Tell whether *index* is free, whatever stands there."""
        ...

    def lowest_free(self) -> int:
        """Return the lowest free index, stored or not; in amortised O(log n)."""
        ...

    def lowest_readable(self) -> int | None:
        """Return the lowest free index that is not empty, if there is one."""
        ...

    def next_new(self) -> int:
        """Return the lowest free index above all that were ever reserved or stored."""
        ...

    def slot(self, index: int) -> Slot:
        """Return what stands at *index*."""
        ...


class Outcome(enum.Enum):
    """What becomes of a draw."""

    HIT = "hit"
    WAIT = "wait"
    LEAD = "lead"
    MISSING = "missing"


Decision = tuple[int, Outcome]
"""The index assigned (-1 when none is), and what becomes of the draw there."""

_MISSING = (-1, Outcome.MISSING)

_OUTCOMES = {Slot.EMPTY: Outcome.LEAD, Slot.FLYING: Outcome.WAIT, Slot.STORED: Outcome.HIT}


def assign(view: View, draw: str, policy: Policy) -> Decision:
    """Decide which index *draw* gets.

    Strictly the lowest free index where nothing is known of the draw, stored or in flight:
    preferring what is already there would fill the head of the list with short answers. Draws
    handed over together are decided one after the other, each seeing what the ones before took.
    """
    index = _index(view, draw, policy)
    return _MISSING if index is None else (index, _OUTCOMES[view.slot(index)])


def _index(view: View, draw: str, policy: Policy) -> int | None:
    reads = policy is Policy.READ

    def serves(index: int | None) -> bool:
        # An empty slot keeps its draw, so that a crashed run resumes where it was; but not from
        # those who could not fill it.
        return index is not None and not (reads and view.slot(index) is Slot.EMPTY)

    if serves(held := view.held(draw)):
        return held
    if policy is Policy.FRESH:
        return view.next_new()
    for recall in (view.remembered, view.bought):
        index = recall(draw)
        if index is not None and view.is_free(index) and serves(index):
            return index
    return view.lowest_readable() if reads else view.lowest_free()
