"""What an LMDB store does beside its work, in the thread that writes: small steps, never in a hurry.

It moves what is remembered from the claims (which are not synced, so that they are not trusted
after the host went down) to the environment of samples, renews the leases of this process, and
forgets runs that are over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from cachesaver.stores import keys, members, records
from cachesaver.stores.entries import NUMBER, Transaction, read_fresh, read_lease, walk, write_lease
from cachesaver.stores.leases import UNSEEN_LEASE
from cachesaver.stores.processes import here

if TYPE_CHECKING:
    from cachesaver.stores.session import Session

__all__ = ["RENEWAL", "Collector", "mirror", "renew"]

RENEWAL = UNSEEN_LEASE / 3
"""Seconds after which a lease is renewed."""

_BATCH = 1024
"""Memories mirrored in one transaction."""

_SWEPT = 1000
"""Claims deleted in one transaction."""


def mirror(session: Session) -> None:
    """Move what is remembered since the last time to the samples.

    What comes meanwhile is left for the next time: there is always more while others draw.
    """
    copied = _BATCH
    while copied == _BATCH and session.look(_is_dirty):
        found = session.transfer(partial(_copy, session))
        session.claim(partial(_settle, found))
        copied = len(found)


def _is_dirty(claims: Transaction) -> bool:
    return next(_dirty(claims), None) is not None


def _dirty(claims: Transaction) -> Iterator[tuple[bytes, bytes]]:
    return chain(walk(claims, b"W"), walk(claims, b"D"))


def _copy(session: Session, samples: Transaction, claims: Transaction) -> list[tuple[bytes, bytes]]:
    copied = list(islice(_dirty(claims), _BATCH))
    memories = [memory for key, record in copied for memory in _memories(key, record)]
    with samples.cursor(db=session.tables.memory) as cursor:
        cursor.putmulti([(key, records.seal(key, value)) for key, value in memories])
    return copied


def _memories(key: bytes, record: bytes) -> list[tuple[bytes, bytes]]:
    """Return what is to be kept in `memory` of a *record* of the claims."""
    if key.startswith(b"W"):
        return [(key, record)]
    numbers = read_fresh(record)
    return [(head + key[1:], NUMBER.pack(number)) for head, number in numbers.items()]


def _settle(copied: list[tuple[bytes, bytes]], claims: Transaction, _: Transaction) -> None:
    """Let what was *copied* be news no more."""
    for key, record in copied:
        if claims.get(key) == record:  # else it was written anew since
            claims.delete(key)


def renew(session: Session) -> bool:
    """Renew the leases of this process that have aged; tell whether it has any.

    For processes that cannot see it, such as those of another container: to them it is dead when
    its lease has not been renewed for `UNSEEN_LEASE`.
    """
    ours = session.look(partial(_ours, here()))
    old = [key for key, since in ours.items() if time.time() - since >= RENEWAL]
    if old:
        session.claim(partial(_renew, here(), old))
    return bool(ours)


def _ours(owner: str, claims: Transaction) -> dict[bytes, float]:
    leases = [(key, read_lease(claims, key)) for key, _ in walk(claims, b"L")]
    return {key: lease.since for key, lease in leases if lease and lease.owner == owner}


def _renew(owner: str, old: list[bytes], claims: Transaction, _: Transaction) -> None:
    for key in old:
        lease = read_lease(claims, key)
        if lease is not None and lease.owner == owner:
            write_lease(claims, key, lease.renewed())


class Collector:
    """Goes once through all runs and forgets those that are over.

    It begins anywhere, so that it is not the same runs that are left when it never comes to an end.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = self._first = keys.run_prefix(os.urandom(16).hex())
        self._wrapped = False

    def step(self) -> bool:
        """Look at some runs, or forget a piece of one; tell whether there is more to do."""
        last, found = self._session.look(lambda claims: members.next_over(claims, self._last))
        if found and self._session.claim(partial(_sweep, last)):
            return True  # and the next step finds it again, or nothing of it
        self._last = last
        if last:
            return not self._wrapped or last < self._first
        once, self._wrapped = self._wrapped, True
        return not once


def _sweep(prefix: bytes, claims: Transaction, _: Transaction) -> int:
    return members.sweep(claims, prefix, _SWEPT)
