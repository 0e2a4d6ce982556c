"""The one thread of a process that writes samples durably: many at a time, one sync for all.

It also mirrors, lazily, what namespaces remember from the claims (which are not synced, so that
they are not trusted after the host went down) to the environment of samples.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from cachesaver.errors import StoreError
from cachesaver.exchange import Sample
from cachesaver.stores import keys, records
from cachesaver.stores.claims import (
    NUMBER,
    Table,
    Tables,
    Transaction,
    read_lease,
    read_sample,
)

if TYPE_CHECKING:
    from cachesaver.stores.session import Session

__all__ = ["Filling", "Writer"]

_log = logging.getLogger(__name__)

_LAZY = 1.0
"""Seconds for which a memory may wait to be mirrored: what a power cut may cost."""

_BATCH = 4096
"""Memories mirrored in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filling:
    """One call of `Store.fill`; *done* is resolved when its sample is on disk."""

    fingerprint: str
    index: int
    token: str
    sample: Sample
    question: bytes
    done: Future[Sample] = field(default_factory=Future[Sample])


class Writer:
    """Takes fillings from any thread and commits them in groups, in the order they came."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._queue: list[Filling] = []
        self._mirror_at: float | None = time.monotonic()  # another process may have left some
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="cachesaver-writer", daemon=True)
        self._thread.start()

    def put(self, filling: Filling) -> None:
        """Have *filling* written."""
        filling.done.set_running_or_notify_cancel()  # who no longer waits cannot stop it
        with self._changed:
            if self._closing:
                raise StoreError("the store is closed.", location=str(self._session.path))
            self._queue.append(filling)
            self._changed.notify()

    def remember(self) -> None:
        """Have the claims' memories mirrored some time soon."""
        if self._mirror_at is None:
            with self._changed:
                self._mirror_at = time.monotonic() + _LAZY
                self._changed.notify()

    def close(self) -> None:
        """Write all there is to write, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (group := self._next()) is not None:
            mirrors = not group or self._closing
            try:
                if group:
                    self._fill(group)
                if mirrors:
                    self._mirror()
            except Exception as error:  # noqa: BLE001  (whoever waits must hear of any)
                _fail(group, error, str(self._session.path))

    def _next(self) -> list[Filling] | None:
        """Wait for something to do: fillings, or none when it is time to mirror; None: end."""
        with self._changed:
            while not (self._queue or self._closing or self._is_time()):
                now = time.monotonic()
                self._changed.wait(None if self._mirror_at is None else self._mirror_at - now)
            if self._closing and not self._queue and self._mirror_at is None:
                return None
            group, self._queue = self._queue, []
            if not group or self._closing:
                self._mirror_at = None
            return group

    def _is_time(self) -> bool:
        return self._mirror_at is not None and self._mirror_at <= time.monotonic()

    def _fill(self, group: list[Filling]) -> None:
        sealed = [(filling, _sealed(filling)) for filling in group]
        good = [(filling, record) for filling, record in sealed if isinstance(record, bytes)]

        def write(txn: Transaction) -> list[Sample]:
            tables = self._session.tables
            return [_put(txn, tables, filling, record) for filling, record in good]

        try:
            kept = self._session.write(write) if good else []
        finally:
            self._end_leases(group)
        for filling, record in sealed:
            if isinstance(record, Exception):
                filling.done.set_exception(record)
        for (filling, _), sample in zip(good, kept, strict=True):
            filling.done.set_result(sample)

    def _end_leases(self, group: list[Filling]) -> None:
        """After the samples can be read: who sees no lease looks for a sample first."""

        def end(claims: Transaction, samples: Transaction) -> None:
            for filling in group:
                key = keys.lease_key(filling.fingerprint, filling.index)
                lease = read_lease(claims, key)
                stored = samples.get(
                    keys.sample_key(filling.fingerprint, filling.index),
                    db=self._session.tables.samples,
                )
                if lease is not None and (stored is not None or lease.token == filling.token):
                    claims.delete(key)

        self._session.claim(end)

    def _mirror(self) -> None:
        while dirty := self._session.look(_dirty):
            self._session.write(partial(self._copy, dirty))
            self._session.claim(partial(_clean, dirty))

    def _copy(self, dirty: list[tuple[bytes, bytes]], txn: Transaction) -> None:
        for key, value in dirty:
            txn.put(key, records.seal(key, value), db=self._session.tables.memory)


def _dirty(claims: Transaction) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    with claims.cursor() as cursor:
        if not cursor.set_range(b"D"):
            return found
        for key, value in cursor:
            if not key.startswith(b"D") or len(found) == _BATCH:
                break
            found.append((key[1:], value))
    return found


def _clean(dirty: list[tuple[bytes, bytes]], claims: Transaction, _: Transaction) -> None:
    for key, value in dirty:
        if claims.get(b"D" + key) == value:  # else it was changed since
            claims.delete(b"D" + key)


def _sealed(filling: Filling) -> bytes | Exception:
    key = keys.sample_key(filling.fingerprint, filling.index)
    try:
        return records.seal(key, records.encode(filling.sample))
    except (TypeError, ValueError, OverflowError) as error:
        return error


def _put(txn: Transaction, tables: Tables, filling: Filling, record: bytes) -> Sample:
    """Put a sealed sample where there is none that can be read; return what is there then."""
    fingerprint = filling.fingerprint
    try:
        winner = read_sample(txn, tables.samples, fingerprint, filling.index)
    except ValueError:
        winner = None  # damaged: bought again
    if winner is not None:
        return winner
    txn.put(keys.sample_key(fingerprint, filling.index), record, db=tables.samples)
    _put_once(
        txn,
        tables.bought,
        keys.bought_key(fingerprint, filling.sample.draw),
        NUMBER.pack(filling.index),
    )
    _put_once(txn, tables.questions, keys.fingerprint_key(fingerprint), filling.question)
    return filling.sample


def _put_once(txn: Transaction, table: Table, key: bytes, payload: bytes) -> None:
    record = txn.get(key, db=table)
    try:
        if record is not None:
            records.unseal(key, record)
            return
    except ValueError:
        pass  # damaged: written anew
    txn.put(key, records.seal(key, payload), db=table)


def _fail(group: list[Filling], error: Exception, location: str) -> None:
    if not isinstance(error, StoreError):
        error = StoreError(f"the store in {location} failed: {error!r}.", location=location)
    _log.warning("%s", error)
    for filling in group:
        if not filling.done.done():
            filling.done.set_exception(error)
