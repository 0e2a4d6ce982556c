"""Claims in LMDB: one fingerprint as one run sees it, inside one write transaction.

Bookkeeping on the two environments' transactions it is handed; it opens and commits nothing.
Keys are described in keys.py.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, NamedTuple

import lmdb

from cachesaver.assignment import Slot
from cachesaver.exchange import Sample
from cachesaver.ports import Run
from cachesaver.stores import keys, records
from cachesaver.stores.keys import INDEX
from cachesaver.stores.leases import Lease

__all__ = [
    "NUMBER",
    "Claims",
    "Slots",
    "Table",
    "Tables",
    "Transaction",
    "read_index",
    "read_lease",
    "read_sample",
    "walk",
    "write_lease",
]

if TYPE_CHECKING:  # lmdb's classes are generic, and named, in its stubs only
    Transaction = lmdb.Transaction[bytes]
    Table = lmdb._Database  # noqa: SLF001
else:
    Transaction = lmdb.Transaction
    Table = object

_NONE = -1

_HOLD = struct.Struct("<qqq")
"""Index; what the namespace remembered before; what the draw had been given last, anywhere."""

_HINTS = struct.Struct("<QQQ")
"""No index below is free but those given up; how many were; what `_freed` was at the time."""

NUMBER = struct.Struct("<q")

_LEASE = struct.Struct("<32sd")


class Tables(NamedTuple):
    """The sub-databases of the environment of samples."""

    samples: Table
    questions: Table
    bought: Table
    memory: Table


def read_sample(txn: Transaction, table: Table, fingerprint: str, index: int) -> Sample | None:
    """Return the sample at *index*, or None when there is none.

    Raises:
        ValueError: There is a record, but a damaged one.
    """
    key = keys.sample_key(fingerprint, index)
    record = txn.get(key, db=table)
    return None if record is None else records.decode(records.unseal(key, record))


def read_index(txn: Transaction, table: Table, key: bytes) -> int | None:
    """Return the sealed number under *key*; None when there is none, or a damaged one."""
    record = txn.get(key, db=table)
    if record is None:
        return None
    try:
        number: int = NUMBER.unpack(records.unseal(key, record))[0]
    except (ValueError, struct.error):
        return None
    return None if number == _NONE else number


def read_lease(txn: Transaction, key: bytes) -> Lease | None:
    """Return the lease under *key*."""
    record = txn.get(key)
    if record is None:
        return None
    token, since = _LEASE.unpack_from(record)
    return Lease(owner=record[_LEASE.size :].decode(), token=token.decode(), since=since)


def write_lease(txn: Transaction, key: bytes, lease: Lease) -> None:
    """Put *lease* under *key*."""
    owner = lease.owner.encode("utf-8", "surrogatepass")
    txn.put(key, _LEASE.pack(lease.token.encode("ascii"), lease.since) + owner)


def walk(txn: Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate key and value of the claims whose keys begin with *prefix*, in their order."""
    with txn.cursor() as cursor:
        if not cursor.set_range(prefix):
            return
        for key, value in cursor:
            if not key.startswith(prefix):
                return
            yield key, value


class Slots:
    """One fingerprint, whoever asks: what stands at its indexes, and who is buying.

    Attributes:
        found: The samples that were read on the way, by index.
        leads: Whether a lease was taken.
        damaged: Index and clause of the records that did not read back.
    """

    def __init__(
        self,
        claims: Transaction,
        samples: Transaction,
        tables: Tables,
        *,
        fingerprint: str,
        owner: str,
    ) -> None:
        self._claims = claims
        self._samples = samples
        self._tables = tables
        self._fingerprint = fingerprint
        self._owner = owner
        self._print = keys.digest(fingerprint)
        self.found: dict[int, Sample] = {}
        self.leads = False
        self.damaged: list[tuple[int, str]] = []

    def slot(self, index: int) -> Slot:
        """See `assignment.View.slot`; a damaged record is as good as none."""
        if index in self.found:
            return Slot.STORED
        try:
            sample = read_sample(self._samples, self._tables.samples, self._fingerprint, index)
        except ValueError as damage:
            self.damaged.append((index, str(damage)))
            sample = None
        if sample is not None:
            self.found[index] = sample
            return Slot.STORED
        lease = read_lease(self._claims, self._lease_key(index))
        return Slot.FLYING if lease is not None and lease.is_up(self._owner) else Slot.EMPTY

    def lead(self, index: int) -> str:
        """Take the lease of *index*; return its token."""
        lease = Lease(owner=self._owner)
        write_lease(self._claims, self._lease_key(index), lease)
        self.leads = True
        if index >= self._top():
            self._claims.put(b"X" + self._print, NUMBER.pack(index + 1))
        return lease.token

    def end_lease(self, index: int, token: str) -> bool:
        """End the lease of *index* that *token* names; tell whether there was one."""
        key = self._lease_key(index)
        lease = read_lease(self._claims, key)
        if lease is None or lease.token != token:
            return False
        return self._claims.delete(key)

    def _lease_key(self, index: int) -> bytes:
        return b"L%b%b" % (self._print, INDEX.pack(index))

    def _top(self) -> int:
        """Return what is above every index ever reserved or stored."""
        reserved = self._claims.get(b"X" + self._print)
        top: int = 0 if reserved is None else NUMBER.unpack(reserved)[0]
        head = keys.fingerprint_key(self._fingerprint) + b"\0"
        with self._samples.cursor(db=self._tables.samples) as cursor:
            above = cursor.set_range(head + b"\xff" * INDEX.size)
            if (cursor.prev() if above else cursor.last()) and cursor.key().startswith(head):
                top = max(top, keys.split_sample_key(cursor.key())[1] + 1)
        return top


class Claims(Slots):
    """`assignment.View` of two transactions, and what changes the claims of one run.

    Attributes:
        stale: Whether something is to be mirrored into the environment of samples.
    """

    def __init__(
        self,
        claims: Transaction,
        samples: Transaction,
        tables: Tables,
        *,
        run: Run,
        fingerprint: str,
        owner: str,
    ) -> None:
        super().__init__(claims, samples, tables, fingerprint=fingerprint, owner=owner)
        self._replicate = run.replicate
        space = keys.space_keys(run)
        self._run = space.taken + self._print
        self._namespace = space.remembered + self._print
        self._anywhere = space.latest + self._print
        self._space = space.replicates + self._print
        self.stale = False
        self._numbers: dict[bytes, int | None] = {}
        self._holds: dict[bytes, bytes | None] = {}

    def held(self, draw: str) -> int | None:
        """See `assignment.View.held`."""
        name = keys.digest(draw)
        hold = self._hold(name)
        if hold is None:
            return None
        index: int = _HOLD.unpack(hold)[0]
        ours = self._claims.get(b"%bt%b" % (self._run, INDEX.pack(index))) == name
        return index if ours or self.is_free(index) else None

    def remembered(self, draw: str) -> int | None:
        """See `assignment.View.remembered`."""
        return self._mirrored(self._namespace + keys.digest(draw))

    def latest(self, draw: str) -> int | None:
        """See `assignment.View.latest`."""
        return self._mirrored(self._anywhere + keys.digest(draw))

    def bought(self, draw: str) -> int | None:
        """See `assignment.View.bought`."""
        key = keys.bought_key(self._fingerprint, draw)
        return read_index(self._samples, self._tables.bought, key)

    def is_free(self, index: int) -> bool:
        """See `assignment.View.is_free`."""
        packed = INDEX.pack(index)
        if self._claims.get(b"%bt%b" % (self._run, packed)) is not None:
            return False
        if self._replicate is None:
            return True
        return self._mirrored(self._space + packed) in (None, self._replicate)

    def lowest_free(self) -> int:
        """See `assignment.View.lowest_free`."""
        before = self._hints()
        cursor, given_up, seen = before
        if seen != (freed := self._freed()):
            cursor = 0
        first = None
        while given_up and (first := self._first_given_up()) is not None:
            if self.is_free(first):
                break
            self._claims.delete(b"%bf%b" % (self._run, INDEX.pack(first)))
            given_up, first = given_up - 1, None
        while not self.is_free(cursor):
            cursor += 1
        if before != (cursor, given_up, freed):
            self._put_hints(cursor, given_up, freed)
        return cursor if first is None else min(cursor, first)

    def lowest_with(self, slots: Container[Slot]) -> int | None:
        """See `assignment.View.lowest_with`."""
        for index in range(self.lowest_free(), self._top()):
            if self.is_free(index) and self.slot(index) in slots:
                return index
        return None

    def next_new(self) -> int:
        """See `assignment.View.next_new`."""
        index = self._top()
        while not self.is_free(index):
            index += 1
        return index

    def take(self, draw: str, index: int) -> None:
        """Assign *index* to *draw*, and let it be remembered."""
        name, packed = keys.digest(draw), INDEX.pack(index)
        if not self._claims.put(b"%bt%b" % (self._run, packed), name, overwrite=False):
            return  # a repetition: only its holder is ever given a taken index
        hold = self._hold(name)
        if hold is not None and _HOLD.unpack(hold)[0] != index:
            self._leave(_HOLD.unpack(hold)[0], name)
        ours, everyones = self._namespace + name, self._anywhere + name
        before, latest = self._mirrored(ours), self._mirrored(everyones)
        hold = self._holds[name] = _HOLD.pack(
            index, _NONE if before is None else before, _NONE if latest is None else latest
        )
        self._claims.put(b"%bh%b" % (self._run, name), hold)
        if before != index:
            self._remember(ours, index)
        if latest != index:
            self._remember(everyones, index)
        if self._replicate is not None:
            self._own(index, self._replicate)

    def name_namespace(self, name: str) -> None:
        """Note that there is a namespace *name*."""
        key = b"W" + keys.digest(name)
        if self._claims.get(key) is None:
            self._keep(key, name.encode("utf-8", "surrogatepass"))

    def give_up(self, index: int) -> None:
        """Undo `take`, but for the draw's first right to *index* in this run."""
        packed = INDEX.pack(index)
        name = self._claims.pop(b"%bt%b" % (self._run, packed))
        if name is None:
            return
        if self._claims.put(b"%bf%b" % (self._run, packed), b"", overwrite=False):
            cursor, given_up, seen = self._hints()
            self._put_hints(cursor, given_up + 1, seen)
        hold = self._hold(name)
        _, before, latest = (_NONE,) * 3 if hold is None else _HOLD.unpack(hold)
        everyones = self._anywhere + name
        self._remember(self._namespace + name, before)
        if self._mirrored(everyones) == index:  # else it was given another since, elsewhere
            self._remember(everyones, latest)
        if self._replicate is not None and self._counted(index, -1) <= 0 and before != index:
            self._remember(self._space + packed, _NONE)
            self._claims.put(b"Y" + self._space[1:], INDEX.pack(self._freed() + 1))

    def _own(self, index: int, replicate: int) -> None:
        """Note that *index* belongs to *replicate*."""
        key = self._space + INDEX.pack(index)
        if self._mirrored(key) != replicate:
            self._remember(key, replicate)
        if index not in self.found:
            self._counted(index, 1)

    def _counted(self, index: int, more: int) -> int:
        """Return how many draws of replicates were given *index* unfilled, now *more*."""
        key = b"Z" + self._space[1:] + INDEX.pack(index)
        record = self._claims.get(key)
        count: int = more + (0 if record is None else NUMBER.unpack(record)[0])
        self._claims.put(key, NUMBER.pack(count))
        return count

    def _hold(self, name: bytes) -> bytes | None:
        """Return the record of what the draw *name* has; asked more than once for most."""
        if name not in self._holds:
            self._holds[name] = self._claims.get(b"%bh%b" % (self._run, name))
        return self._holds[name]

    def _leave(self, index: int, name: bytes) -> None:
        """Let the draw *name* give up *index*, if it still has that."""
        if self._claims.get(b"%bt%b" % (self._run, INDEX.pack(index))) == name:
            self.give_up(index)

    def _freed(self) -> int:
        """Return how often a replicate gave an index back to its sisters, if this is one."""
        if self._replicate is None:
            return 0
        freed = self._claims.get(b"Y" + self._space[1:])
        count: int = 0 if freed is None else INDEX.unpack(freed)[0]
        return count

    def _hints(self) -> tuple[int, int, int]:
        hints = self._claims.get(self._run + b"s")
        return (0, 0, 0) if hints is None else _HINTS.unpack(hints)

    def _put_hints(self, cursor: int, given_up: int, seen: int) -> None:
        self._claims.put(self._run + b"s", _HINTS.pack(cursor, given_up, seen))

    def _first_given_up(self) -> int | None:
        prefix = self._run + b"f"
        for key, _ in walk(self._claims, prefix):
            index: int = INDEX.unpack(key[len(prefix) :])[0]
            return index
        return None

    def _mirrored(self, key: bytes) -> int | None:
        """Return the number kept under *key*; asked more than once for most."""
        if key not in self._numbers:
            self._numbers[key] = self._read_number(key)
        return self._numbers[key]

    def _read_number(self, key: bytes) -> int | None:
        """Return the number under *key* in the claims, else (a new boot) in the mirror."""
        value = self._claims.get(key)
        if value is None:
            return read_index(self._samples, self._tables.memory, key)
        number: int = NUMBER.unpack(value)[0]
        return None if number == _NONE else number

    def _remember(self, key: bytes, number: int) -> None:
        self._numbers[key] = None if number == _NONE else number
        self._keep(key, NUMBER.pack(number))

    def _keep(self, key: bytes, value: bytes) -> None:
        self._claims.put(key, value)
        self._claims.put(b"D" + key, value)
        self.stale = True
