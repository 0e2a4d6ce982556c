"""The rule draw -> sample index (contract.md, "Assignment"), written once for every store.

Pure: it reads one fingerprint, as one run sees it, through `View` and returns a `Decision`. It
never changes anything, and must not come to know a backend, a lock or a clock.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Sequence
from typing import Protocol

from cachesaver.ports import Policy

__all__ = ["Decision", "Outcome", "Slot", "View", "assign", "in_turn"]


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

    def latest(self, draw: str) -> int | None:
        """Return the index *draw* was given last, in any namespace by a run of this replicate."""
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

    def lowest_with(self, slots: Container[Slot]) -> int | None:
        """Return the lowest free index at which one of *slots* stands, if there is one."""
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

# Members of enums, looked up once: each time costs 0.1 to 0.2 us (Python 3.11).
_READ, _FRESH, _RECALL, _APART = Policy.READ, Policy.FRESH, Policy.RECALL, Policy.APART
_EMPTY, _FLYING, _STORED, _HIT = Slot.EMPTY, Slot.FLYING, Slot.STORED, Outcome.HIT

_READABLE = (_STORED, _FLYING)

_AT_ONCE = (_STORED,)


def in_turn(view: View, draws: Sequence[str]) -> Sequence[int]:
    """Return the places in *draws* in the order in which `assign` is to be asked.

    First those whose own index is known, the surest knowledge first, so that a draw that is new
    takes none of theirs; the others in their order.
    """
    if len(draws) == 1:
        return (0,)
    recalls = (view.held, *_memories(view))

    def rank(place: int) -> int:
        known = (at for at, recall in enumerate(recalls) if recall(draws[place]) is not None)
        return next(known, len(recalls))

    return sorted(range(len(draws)), key=rank)


def assign(view: View, draw: str, policy: Policy) -> Decision:
    """Decide which index *draw* gets.

    Strictly the lowest free index where nothing is known of the draw, stored or in flight:
    preferring what is already there would fill the head of the list with short answers. Draws
    handed over together are decided one after the other (`in_turn`), each seeing what the ones
    before took.
    """
    index = _own(view, draw, policy)
    if index is None and policy is not _RECALL:
        index = _any(view, policy)
    if index is None:
        return _MISSING
    slot = view.slot(index)
    if slot is _STORED:
        return index, _HIT
    if slot is _FLYING:
        return index, Outcome.WAIT
    return _MISSING if policy in _RESERVES_NOTHING else (index, Outcome.LEAD)


_RESERVES_NOTHING = (Policy.STORED, Policy.RECALL)


def _memories(view: View) -> tuple[Callable[[str], int | None], ...]:
    """What tells the index of a draw that holds none in this run, the surest first."""
    return view.remembered, view.latest, view.bought


def _own(view: View, draw: str, policy: Policy) -> int | None:
    """Return the index that is *draw*'s own and serves, if there is one."""
    index = view.held(draw)
    if index is not None and _serves(view, index, policy):
        return index
    if policy is _FRESH:
        return None
    for recall in _memories(view):
        index = recall(draw)
        if index is not None and view.is_free(index) and _serves(view, index, policy):
            return index
    return None


def _serves(view: View, index: int, policy: Policy) -> bool:
    # An empty slot keeps its draw, so that a crashed run resumes where it was; but not from those
    # who could not fill it.
    if policy is _READ:
        return view.slot(index) is not _EMPTY
    return policy is not _APART or view.slot(index) is _STORED


def _any(view: View, policy: Policy) -> int | None:
    """Return the index for a draw that has none of its own, if there is one."""
    if policy is _READ:
        return view.lowest_with(_READABLE)
    if policy is _FRESH:
        return view.next_new()
    if policy is _APART:
        index = view.lowest_with(_AT_ONCE)
        return view.next_new() if index is None else index
    return view.lowest_free()
