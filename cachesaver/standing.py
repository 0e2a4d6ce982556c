"""What the process is to know of the sessions that are open: what may leave it, and who counts for whom.

`wiring` tells it after each opening and closing, under its lock.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from cachesaver.doors import Door
from cachesaver.errors import StoreError
from cachesaver.places import Counted, epoch
from cachesaver.runs import announce, inherited, is_unnumbered, retract

if TYPE_CHECKING:
    from cachesaver.session import Session
    from cachesaver.tripwire import Replaying, Rule

__all__ = ["replaying", "tell"]

_JOINED: set[str] = set()
"""Runs that were joined, not started."""
_ARMED: list[Callable[[], None]] = []
"""What disarms the tripwire, while a session replays that answers."""


def tell(door: Door) -> None:
    """Let the process know of the sessions that stand behind *door* now."""
    _guard(door)
    _count_anew(door)
    if door.sessions:
        innermost = door.sessions[-1].gate
        announce(innermost.run_id, "" if is_unnumbered() else _slot(innermost))
    else:
        retract()


# --- what may leave (law 8)


def _guard(door: Door) -> None:
    """Let nothing out beneath the hooks where the session replays that answers."""
    before = _ARMED.copy()
    _ARMED.clear()
    opened = door.sessions if door.is_divided else door.sessions[-1:]
    replay = [each.gate for each in opened if each.gate.replays]
    if replay:
        from cachesaver import tripwire

        _ARMED.extend(tripwire.arm(_rule(door, each)) for each in replay)
    for disarm in before:
        disarm()


def _rule(door: Door, session: Session) -> Rule:
    from cachesaver import tripwire

    rule = replaying(session)
    if not door.is_divided:
        return rule
    return tripwire.OfContexts(rule, functools.partial(door.is_meant, session))


def replaying(session: Session) -> Replaying:
    """Return the rule for what may leave the process while *session* replays."""
    from cachesaver import tripwire

    chosen = session.settings
    return tripwire.Replaying(
        hosts=chosen.hosts,
        match=chosen.match,
        through_mocks=chosen.through_mocks,
        gateway=chosen.gateway,
        missed=session.missed,
    )


# --- who counts for whom


def _count_anew(door: Door) -> None:
    """Let what is started from now on count in the run of the session that answers there."""
    open_now = {each.gate.run_id: each.gate for each in door.sessions}
    # Who joins a run may do so again, and goes on counting then.
    _JOINED.update(run for run, each in open_now.items() if each.settings.run or run == inherited())
    epoch.lasting = frozenset(_JOINED | open_now.keys())
    last = _counted(door.sessions[-1].gate if door.sessions else None)
    epoch.now, epoch.slot, epoch.base = last.now, last.slot, last.base
    epoch.whose = (lambda: _counted(door.session())) if door.is_divided else None


def _counted(session: Session | None) -> Counted:
    if session is None:
        return Counted()
    return Counted(session.run_id, functools.partial(_slot, session), session.base)


def _slot(session: Session) -> str:
    try:
        return session.slot
    except StoreError:  # a job must be submitted as it would be without us
        return ""
