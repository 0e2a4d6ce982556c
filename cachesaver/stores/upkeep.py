"""What an LMDB store does beside its work, in the thread that writes: small steps, never in a hurry.

It mirrors what is remembered from the claims (which are not synced, so that they are not trusted
after the host went down) to the environment of samples, renews the leases of this process, and
forgets runs that are over.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

from cachesaver.stores import keys, members, records
from cachesaver.stores.claims import Transaction, read_lease, walk, write_lease
from cachesaver.stores.leases import UNSEEN_LEASE
from cachesaver.stores.processes import here

if TYPE_CHECKING:
    from cachesaver.stores.session import Session

__all__ = ["RENEWAL", "Collector", "mirror", "renew"]

RENEWAL = UNSEEN_LEASE / 3
"""Seconds after which a lease is renewed."""

_BATCH = 4096
"""Memories mirrored in one transaction."""

_SWEPT = 1000
"""Claims deleted in one transaction."""


def mirror(session: Session) -> None:
    """Copy what is remembered since the last time."""
    while dirty := session.look(_dirty):
        session.write(partial(_copy, session, dirty))
        session.claim(partial(_clean, dirty))


def _dirty(claims: Transaction) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for key, value in walk(claims, b"D"):
        if len(found) == _BATCH:
            break
        found.append((key[1:], value))
    return found


def _copy(session: Session, dirty: list[tuple[bytes, bytes]], txn: Transaction) -> None:
    for key, value in dirty:
        txn.put(key, records.seal(key, value), db=session.tables.memory)


def _clean(dirty: list[tuple[bytes, bytes]], claims: Transaction, _: Transaction) -> None:
    for key, value in dirty:
        if claims.get(b"D" + key) == value:  # else it was changed since
            claims.delete(b"D" + key)


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
