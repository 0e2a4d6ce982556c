"""The one thread of a process that writes samples durably: many at a time, one sync for all.

Beside that it runs errands: what is in upkeep.py, each when its time has come.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachesaver.errors import StoreError
from cachesaver.exchange import Sample
from cachesaver.stores import keys, records, upkeep
from cachesaver.stores.entries import (
    NUMBER,
    Table,
    Tables,
    Transaction,
    read_lease,
    read_sample,
)

if TYPE_CHECKING:
    from cachesaver.stores.session import Session

__all__ = ["Errand", "Filling", "Writer"]

_log = logging.getLogger(__name__)

_LAZY = 1.0
"""Seconds for which a memory may wait to be mirrored: what a power cut may cost."""


class Errand(enum.Enum):
    """What is done beside writing samples."""

    MIRROR = "mirror"
    RENEW = "renew"
    COLLECT = "collect"


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
    """Takes fillings from any thread and commits them in groups, in the order they came.

    One that closes leaves no memory behind that is not mirrored; the other errands can wait.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._queue: list[Filling] = []
        # Another process may have left memories, and runs whose members are dead.
        self._due: dict[Errand, float] = {Errand.MIRROR: 0.0, Errand.COLLECT: 0.0}
        self._collector = upkeep.Collector(session)
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
        self._soon(Errand.MIRROR, _LAZY)

    def leads(self) -> None:
        """Have the leases of this process renewed while there are any."""
        self._soon(Errand.RENEW, upkeep.RENEWAL)

    def collect(self) -> None:
        """Have runs that are over forgotten."""
        self._soon(Errand.COLLECT, 0)

    def _soon(self, errand: Errand, seconds: float) -> None:
        """Have *errand* done in *seconds*, or before."""
        if errand not in self._due:  # asked at every draw, and mostly known
            with self._changed:
                self._due.setdefault(errand, time.monotonic() + seconds)
                self._changed.notify()

    def close(self) -> None:
        """Write all there is to write, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            group, errand = found
            try:
                if group:
                    self._fill(group)
                if errand is not None:
                    self._do(errand)
            except Exception as error:  # noqa: BLE001  (whoever waits must hear of any)
                _fail(group, error, str(self._session.path))

    def _next(self) -> tuple[list[Filling], Errand | None] | None:
        """Wait for something to do: fillings, an errand, or both; None: end."""
        with self._changed:
            while not (self._queue or self._closing or self._wait() <= 0):
                self._changed.wait(self._wait())
            group, self._queue = self._queue, []
            if self._closing:
                self._due = {key: at for key, at in self._due.items() if key is Errand.MIRROR}
            if self._due and (self._closing or self._wait() <= 0):
                errand = min(self._due, key=self._due.__getitem__)
                del self._due[errand]
                return group, errand
            return (group, None) if group else None

    def _wait(self) -> float:
        """Return the seconds until the next errand is due."""
        return min(self._due.values(), default=threading.TIMEOUT_MAX) - time.monotonic()

    def _do(self, errand: Errand) -> None:
        if errand is Errand.MIRROR:
            upkeep.mirror(self._session)
        elif errand is Errand.RENEW:
            if upkeep.renew(self._session):
                self.leads()
        elif self._collector.step():
            self.collect()
        else:
            self._collector = upkeep.Collector(self._session)

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
                # Where nothing was stored, whoever bought gives up lease and index (`Store.release`).
                if lease is not None and stored is not None:
                    claims.delete(key)

        self._session.claim(end)


def _sealed(filling: Filling) -> bytes | Exception:
    key = keys.sample_key(filling.fingerprint, filling.index)
    try:
        return records.seal(key, records.encode(filling.sample))
    except (TypeError, ValueError, OverflowError) as error:
        return error


def _put(txn: Transaction, tables: Tables, filling: Filling, record: bytes) -> Sample:
    """Put a sealed sample where there is none that can be read; return what is there then."""
    fingerprint = filling.fingerprint
    key = keys.sample_key(fingerprint, filling.index)
    try:
        winner = read_sample(txn, tables.samples, key)
    except ValueError:
        winner = None  # damaged: bought again
    if winner is not None:
        return winner
    txn.put(key, record, db=tables.samples)
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
    if not group:  # else those who wait for it hear of it
        _log.warning("%s", error)
    for filling in group:
        if not filling.done.done():
            filling.done.set_exception(error)
