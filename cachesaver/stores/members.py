"""Runs in LMDB: who is in one, and how all it took is forgotten, a bounded piece at a time.

Bookkeeping on the transactions of claims it is handed; it opens and commits nothing. Everything of
one run stands under one prefix, `keys.run_prefix`; keys are described in keys.py.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from cachesaver.stores import keys
from cachesaver.stores.entries import Transaction, walk
from cachesaver.stores.keys import INDEX
from cachesaver.stores.membership import is_over

__all__ = ["State", "enter", "join", "next_over", "read_state", "strike", "sweep", "touch"]

_STATE = struct.Struct("<bd")

_UNKNOWN = -1

_RUNS = 64
"""Runs looked at in one transaction."""


class State(NamedTuple):
    """What is known of a run as a whole."""

    lasting: bool | None
    """Whether it outlives a gap between its members; None if nobody ever entered."""
    drawn: float
    """Unix time at which it was last drawn in, or a little before."""


def read_state(claims: Transaction, prefix: bytes) -> State | None:
    """Return the state of the run with *prefix*; None if nobody drew in it or entered it."""
    record = claims.get(prefix + b"a")
    if record is None:
        return None
    lasting, drawn = _STATE.unpack(record)
    return State(None if lasting == _UNKNOWN else bool(lasting), drawn)


def touch(claims: Transaction, prefix: bytes, *, lasting: bool | None = None) -> None:
    """Note that a run is drawn in now, and whether it is *lasting* where nobody has said so yet."""
    state = read_state(claims, prefix)
    known = lasting if state is None or state.lasting is None else state.lasting
    record = _STATE.pack(_UNKNOWN if known is None else known, time.time())
    claims.put(prefix + b"a", record)


def enter(claims: Transaction, prefix: bytes, member: str, *, owner: str, lasting: bool) -> None:
    """Note that *member*, of the process *owner*, is in a run."""
    touch(claims, prefix, lasting=lasting)
    key = keys.member_key(prefix, member)
    claims.put(key, owner.encode("utf-8", "surrogatepass"))


def strike(claims: Transaction, prefix: bytes, member: str) -> None:
    """Note that *member* has left."""
    claims.delete(keys.member_key(prefix, member))


def join(claims: Transaction, prefix: bytes, owner: str) -> int:
    """Return the number of *owner* among those who joined a run; give it one if need be."""
    key, counter = keys.joined_key(prefix, owner), keys.joined_key(prefix)
    known = claims.get(key)
    number: int = INDEX.unpack(known or claims.get(counter) or INDEX.pack(0))[0]
    if known is None:
        touch(claims, prefix)
        claims.put(key, INDEX.pack(number))
        claims.put(counter, INDEX.pack(number + 1))
    return number


def next_over(claims: Transaction, last: bytes) -> tuple[bytes, bool]:
    """Look at some runs after that with the prefix *last* for one to `sweep`.

    Returns:
        The prefix of the last run that was looked at, nothing after the last one there is; and
        whether that is the one.
    """
    for prefix in islice(_runs(claims, last), _RUNS):
        last = prefix
        if read_state(claims, prefix) is None or _is_over(claims, prefix, left=False):
            return prefix, True
    return (last, False) if next(_runs(claims, last), None) else (b"", False)


def sweep(claims: Transaction, prefix: bytes, limit: int, *, left: bool = False) -> int:
    """Delete some records of a run if it is over; return how many.

    Who is in it is asked each time, and what it took goes first, so that nothing goes any more
    once somebody enters.

    Args:
        claims: May be written.
        prefix: Of the run.
        limit: Delete about so many at most.
        left: Whether a member has just left.
    """
    if read_state(claims, prefix) is None:
        if not left and next(walk(claims, prefix), None) is not None:
            touch(claims, prefix)  # taken since the run was forgotten: it ages from now on
        return 0
    if not _is_over(claims, prefix, left=left):
        return 0
    doomed = [key for key, _ in islice(walk(claims, prefix + b"n"), limit)]
    if len(doomed) < limit:
        doomed = [key for key, _ in walk(claims, prefix)]
    for key in doomed:
        claims.delete(key)
    return len(doomed)


def _is_over(claims: Transaction, prefix: bytes, *, left: bool) -> bool:
    state = read_state(claims, prefix)
    if state is None:
        return False
    owners = [owner.decode("utf-8", "surrogatepass") for _, owner in walk(claims, prefix + b"m")]
    return is_over(owners, lasting=state.lasting, left=left, idle=time.time() - state.drawn)


def _runs(claims: Transaction, last: bytes) -> Iterator[bytes]:
    """Iterate the prefixes of the runs after *last*."""
    with claims.cursor() as cursor:
        while cursor.set_range(last + b"\xff" if last else b"R"):
            last = cursor.key()[: keys.RUN_PREFIX]
            if not last.startswith(b"R"):
                return
            yield last
