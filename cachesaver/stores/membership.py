"""When a run is over: the one rule, for every store. Pure but for asking who still lives."""

from __future__ import annotations

from collections.abc import Collection

from cachesaver.stores.processes import can_see, is_alive

__all__ = ["KEPT", "is_over"]

KEPT = 7 * 24 * 3600.0
"""Seconds for which a run that has no living member, but may get one again, is kept."""


def is_over(owners: Collection[str], *, lasting: bool | None, left: bool, idle: float) -> bool:
    """Tell whether all that a run took may be forgotten.

    Args:
        owners: The processes of the members that have not left, dead ones included.
        lasting: Whether the run outlives a gap between its members; None if nobody ever entered.
        left: Whether a member has just left, so that no members mean that all of them have.
        idle: Seconds since it was last drawn in.
    """
    living = [owner for owner in owners if is_alive(owner)]
    if any(can_see(owner) for owner in living):
        return False
    # Of a process in another container we only know that it drew some time ago.
    ended = lasting is False and not living and (left or bool(owners))
    return ended or idle >= KEPT
