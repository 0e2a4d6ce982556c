"""The default store: one directory, any number of processes of one host, no server.

Samples are synced to disk before anyone is told that they are kept; claims (who draws what, and
leases) live beside them without sync, since they mean nothing after the host went down.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from cachesaver.assignment import Outcome, Slot, assign, in_turn
from cachesaver.errors import StoreError
from cachesaver.exchange import Sample
from cachesaver.ports import Grant, Policy, Run, StoreSummary
from cachesaver.stores import keys, members, records, session, upkeep
from cachesaver.stores.claims import Claims, Slots
from cachesaver.stores.entries import (
    Table,
    Tables,
    Transaction,
    read_lease,
    read_sample,
    walk,
    write_lease,
)
from cachesaver.stores.writer import Filling

__all__ = ["LmdbStore"]

_log = logging.getLogger(__name__)

_BATCH = 256
"""Records read in one transaction: none stays open while a caller looks at what was found."""

_BYTES = 1 << 23
"""So much of them at most, but for one."""

_SWEPT = 10_000
"""Claims deleted in one transaction, when the last member of a run leaves."""

_TOUCHED = 3600.0
"""Seconds for which it need not be noted again that a run is drawn in; `membership.KEPT` is longer."""


class LmdbStore:
    """`ports.Store` in the directory *path*, which is made if need be.

    Used like::

        store = LmdbStore(Path("~/.cache/cachesaver").expanduser())
        (grant,) = store.acquire(run, fingerprint, [draw], owner=here(), policy=Policy.RESERVE)

    It may be made before a fork and used on both sides of it.

    Raises:
        StoreUnavailableError: It cannot be opened; the message says why and what to do.
        StoreDamagedError: Its files are cut off, or none of LMDB's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._session: session.Session | None = session.open_session(self._path)

    def __repr__(self) -> str:
        return f"<LmdbStore {self._path}{'' if self._session else ' (closed)'}>"

    @property
    def location(self) -> Hashable:
        """The same for all stores that share these files; asks for no lock, as in a fresh fork."""
        return "lmdb", self._path.resolve()

    def acquire(
        self, run: Run, fingerprint: str, draws: Sequence[str], *, owner: str, policy: Policy
    ) -> tuple[Grant, ...]:
        opened, now = self._opened(), time.monotonic()
        untouched = now - opened.touched.get(run.id, -_TOUCHED) >= _TOUCHED

        def work(claims: Transaction, samples: Transaction) -> tuple[Claims, list[Grant]]:
            tables = opened.tables
            view = Claims(claims, samples, tables, run=run, fingerprint=fingerprint, owner=owner)
            if run.namespace not in opened.named:
                view.name_namespace(run.namespace)
            if untouched:
                members.touch(claims, keys.run_prefix(run.id))
            grants = _grants(view, draws, policy)
            view.settle()
            return view, grants

        view, grants = opened.claim(work)
        opened.named.add(run.namespace)
        if untouched:
            opened.touched[run.id] = now
        if view.stale:
            opened.writer.remember()
        if view.leads:
            opened.writer.leads()
        for index, damage in view.damaged:
            _log.warning("%s", _damage(self._path, fingerprint, index, damage))
        return tuple(grants)

    def look(self, fingerprints: Sequence[str], *, owner: str, leads: bool) -> tuple[Grant, ...]:
        opened, grants = self._opened(), dict[str, Grant]()
        for start in range(0, len(fingerprints), _BATCH):
            batch = fingerprints[start : start + _BATCH]
            found = opened.read(partial(self._first_of, batch))
            grants |= {
                each: Grant(index=-1 if sample is None else 0, sample=sample)
                for each, sample in zip(batch, found, strict=True)
            }
            missing = [each for each in batch if grants[each].sample is None]
            if leads and missing:
                grants |= self._led(opened, missing, owner)
        return tuple([grants[each] for each in fingerprints])

    def _first_of(self, fingerprints: Sequence[str], samples: Transaction) -> list[Sample | None]:
        return [self._readable(samples, each, 0) for each in fingerprints]

    def _led(
        self, opened: session.Session, fingerprints: Sequence[str], owner: str
    ) -> dict[str, Grant]:
        """Return sample 0 of each, or the lead of it, or neither where it is in flight."""

        def work(claims: Transaction, samples: Transaction) -> dict[str, Grant]:
            return {
                each: _taken_over(
                    Slots(claims, samples, opened.tables, fingerprint=each, owner=owner), 0
                )
                for each in fingerprints
            }

        grants = opened.claim(work)
        if any(grant.token for grant in grants.values()):
            opened.writer.leads()
        return grants

    def poll(self, fingerprint: str, index: int, *, owner: str) -> Grant:
        opened = self._opened()
        key = keys.lease_key(fingerprint, index)
        lease = opened.look(lambda claims: read_lease(claims, key))
        sample = opened.read(lambda samples: self._readable(samples, fingerprint, index))
        if sample is not None:
            return Grant(index=index, sample=sample)
        if lease is not None and lease.is_up(owner):
            return Grant(index=index)

        def take_over(claims: Transaction, samples: Transaction) -> Grant:
            slots = Slots(claims, samples, opened.tables, fingerprint=fingerprint, owner=owner)
            return _taken_over(slots, index)

        grant = opened.claim(take_over)
        if grant.token:
            opened.writer.leads()
        return grant

    def renew(self, fingerprint: str, index: int, token: str) -> bool:
        key = keys.lease_key(fingerprint, index)

        def work(claims: Transaction, _: Transaction) -> bool:
            lease = read_lease(claims, key)
            if lease is None or lease.token != token:
                return False
            write_lease(claims, key, lease.renewed())
            return True

        return self._opened().claim(work)

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        """See `ports.Store.fill`; a store that fails says so through the future."""
        filling = Filling(
            fingerprint=fingerprint, index=index, token=token, sample=sample, question=question
        )
        self._opened().writer.put(filling)
        return filling.done

    def release(
        self, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
    ) -> None:
        opened = self._opened()

        def work(claims: Transaction, samples: Transaction) -> bool:
            view = Claims(
                claims, samples, opened.tables, run=run, fingerprint=fingerprint, owner=""
            )
            if view.end_lease(index, token) and not keeps:
                view.give_up(index)
                view.settle()
            return view.stale

        if opened.claim(work):
            opened.writer.remember()

    def enter(self, run: str, member: str, *, owner: str, lasting: bool = False) -> None:
        opened, prefix = self._opened(), keys.run_prefix(run)

        def work(claims: Transaction, _: Transaction) -> None:
            members.enter(claims, prefix, member, owner=owner, lasting=lasting)

        opened.claim(work)
        opened.writer.collect()

    def leave(self, run: str, member: str) -> None:
        prefix = keys.run_prefix(run)

        def work(claims: Transaction, _: Transaction) -> int:
            members.strike(claims, prefix, member)
            return members.sweep(claims, prefix, _SWEPT, left=True)

        self._opened().touched.pop(run, None)
        while self._opened().claim(work):
            pass  # others get their turn between two transactions

    def join(self, run: str, *, owner: str) -> int:
        prefix = keys.run_prefix(run)
        return self._opened().claim(lambda claims, _: members.join(claims, prefix, owner))

    def collect(self) -> None:
        collector = upkeep.Collector(self._opened())
        while collector.step():
            pass

    def questions(self) -> Iterator[tuple[str, bytes]]:
        for key, record in self._records("questions"):
            try:
                yield key.decode("utf-8"), records.unseal(key, record)
            except ValueError as damage:
                _log.warning("%s", f"{self._path}: the question {key!r} is damaged: {damage}.")

    def samples(self, fingerprint: str) -> Iterator[tuple[int, Sample]]:
        """See `ports.Store.samples`; damaged ones are left out too."""
        head = keys.fingerprint_key(fingerprint) + b"\0"
        for key, record in self._records("samples", head):
            index = keys.split_sample_key(key)[1]
            try:
                yield index, records.decode(records.unseal(key, record))
            except ValueError as damage:
                _log.warning("%s", _damage(self._path, fingerprint, index, str(damage)))

    def summary(self) -> StoreSummary:
        opened = self._opened()
        names = opened.look(_fresh_names)  # first: what is no longer there is in `memory`
        names |= {key for key, _ in self._records("memory", b"W")}
        fingerprints, samples = opened.read(partial(_count, opened))
        return StoreSummary(
            fingerprints=fingerprints, samples=samples, namespaces=len(names), size=opened.size()
        )

    def verify(self) -> Iterator[str]:
        for name in Tables._fields:
            try:
                for key, record in self._records(name):
                    damage = _unreadable(name, key, record)
                    if damage:
                        yield f"{self._path}: {_named(name, key)} is damaged: {damage}."
            except StoreError as error:
                yield f"{error}"

    def close(self) -> None:
        opened, self._session = self._session, None
        if opened is not None:
            session.close(opened)

    def _opened(self) -> session.Session:
        """Return the session of the calling process, which may have been forked since."""
        opened = self._session
        if opened is None:
            raise StoreError(f"the store in {self._path} is closed.", location=str(self._path))
        if opened.pid != os.getpid():
            opened = self._session = session.open_session(self._path)
        return opened

    def _readable(self, samples: Transaction, fingerprint: str, index: int) -> Sample | None:
        key = keys.sample_key(fingerprint, index)
        try:
            return read_sample(samples, self._opened().tables.samples, key)
        except ValueError as damage:
            _log.warning("%s", _damage(self._path, fingerprint, index, str(damage)))
            return None

    def _records(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate the records of *table* whose keys begin with *prefix*.

        The session is asked for anew for every batch: there may be a fork in between.
        """
        last = b""
        while batch := self._batch(table, prefix, last):
            yield from batch
            last = batch[-1][0]

    def _batch(self, table: str, prefix: bytes, last: bytes) -> list[tuple[bytes, bytes]]:
        opened = self._opened()

        def work(samples: Transaction) -> list[tuple[bytes, bytes]]:
            return _walk(samples, getattr(opened.tables, table), prefix, last, _BATCH)

        return opened.read(work)


def _fresh_names(claims: Transaction) -> set[bytes]:
    """Return the keys of the namespaces' names that are not in `memory` yet."""
    return {key for key, _ in walk(claims, b"W")}


def _count(opened: session.Session, samples: Transaction) -> tuple[int, int]:
    """Return how many fingerprints and samples there are."""
    tables = opened.tables
    return samples.stat(tables.questions)["entries"], samples.stat(tables.samples)["entries"]


def _taken_over(slots: Slots, index: int) -> Grant:
    """What is stored at *index*; its lease where nobody has it."""
    token = slots.lead(index) if slots.slot(index) is Slot.EMPTY else ""
    return Grant(index=index, sample=slots.found.get(index), token=token)


def _grants(view: Claims, draws: Sequence[str], policy: Policy) -> list[Grant]:
    if len(draws) == 1:
        return [_grant(view, draws[0], policy)]
    grants: dict[int, Grant] = {}
    for place in in_turn(view, draws):
        grants[place] = _grant(view, draws[place], policy)
    return [grants[place] for place in range(len(draws))]


def _grant(view: Claims, draw: str, policy: Policy) -> Grant:
    index, outcome = assign(view, draw, policy)
    if index < 0:
        return Grant(index=-1)
    view.take(draw, index)
    if (sample := view.found.get(index)) is not None:
        return Grant(index=index, sample=sample)
    return Grant(index=index, token=view.lead(index) if outcome is Outcome.LEAD else "")


def _walk(
    txn: Transaction, table: Table | None, prefix: bytes, last: bytes, limit: int
) -> list[tuple[bytes, bytes]]:
    """Return up to *limit* records whose keys begin with *prefix* and come after *last*."""
    found: list[tuple[bytes, bytes]] = []
    size = 0
    with txn.cursor(db=table) if table is not None else txn.cursor() as cursor:
        if not cursor.set_range(last + b"\0" if last else prefix or b"\0"):
            return found
        for key, record in cursor:
            if not key.startswith(prefix) or len(found) == limit:
                break
            found.append((key, record))
            size += len(record)
            if size > _BYTES:
                break
    return found


def _damage(path: Path, fingerprint: str, index: int, damage: str) -> str:
    return f"{path}: sample {index} of {fingerprint[:12]} is damaged: {damage}. It is not used."


def _named(name: str, key: bytes) -> str:
    if name == "questions":
        return f"the question of {key.decode('utf-8', 'replace')}"
    if name == "samples":
        try:
            fingerprint, index = keys.split_sample_key(key)
        except ValueError:
            return f"the sample under {key!r}"
        return f"sample {index} of {fingerprint}"
    return f"the record {key.hex()} of {name}"


def _unreadable(name: str, key: bytes, record: bytes) -> str:
    """Return what is wrong with a record of the table *name*; nothing if it reads back."""
    try:
        payload = records.unseal(key, record)
        if name == "samples":
            keys.split_sample_key(key)
            records.decode(payload)
    except ValueError as damage:
        return str(damage)
    return ""
