"""Finding, for a question that is not stored, the stored one most like it. Bounded in time."""

from __future__ import annotations

from itertools import islice

from cachesaver.ports import Store

__all__ = ["nearest"]

_LOOKED_AT = 2000
"""Questions compared at the most."""

_READ = 65_536
"""Bytes of a question that are compared: its first, and its last."""


def nearest(store: Store, canonical: bytes) -> bytes | None:
    """Return the stored question most like *canonical*, or None if none is of its kind.

    Of its kind: the same dialect and endpoint. Alike: the longest common beginning and end.
    """
    first = canonical.partition(b"\n")[0]
    kin = (
        question
        for _, question in islice(store.questions(), _LOOKED_AT)
        if question.partition(b"\n")[0] == first
    )
    return max(kin, key=lambda question: _likeness(question, canonical), default=None)


def _likeness(one: bytes, other: bytes) -> float:
    first = _common(one[:_READ], other[:_READ])
    last = _common(one[-_READ:][::-1], other[-_READ:][::-1])
    return (first + last) / (len(one) + len(other))


def _common(one: bytes, other: bytes) -> int:
    """Length of the common beginning, found by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
