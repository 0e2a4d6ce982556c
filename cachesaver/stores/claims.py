"""Claims in LMDB: one fingerprint as one run sees it, inside one write transaction.

Bookkeeping on the two environments' transactions it is handed; it opens and commits nothing.
Keys are described in keys.py.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping

from cachesaver.assignment import Slot
from cachesaver.exchange import Sample
from cachesaver.ports import Run
from cachesaver.stores import keys
from cachesaver.stores.entries import (
    NONE,
    NUMBER,
    Tables,
    Transaction,
    read_fresh,
    read_index,
    read_lease,
    read_sample,
    walk,
    write_fresh,
    write_lease,
)
from cachesaver.stores.keys import INDEX
from cachesaver.stores.leases import Lease

__all__ = ["Claims", "Slots"]

_STORED = Slot.STORED
"""Looked up once, as in `assignment`."""

_HOLD = struct.Struct("<qqq")
"""Index; what the namespace remembered before; what the draw had been given last, anywhere."""

_HINTS = struct.Struct("<QQQ")
"""No index below is free but those given up; how many were; what `_freed` was at the time."""


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
        self._owner = owner
        self._print = keys.digest(fingerprint)
        self._head = keys.fingerprint_key(fingerprint) + b"\0"
        self.found: dict[int, Sample] = {}
        self.leads = False
        self.damaged: list[tuple[int, str]] = []

    def slot(self, index: int) -> Slot:
        """See `assignment.View.slot`; a damaged record is as good as none."""
        if index in self.found:
            return _STORED
        try:
            key = self._head + INDEX.pack(index)
            sample = read_sample(self._samples, self._tables.samples, key)
        except ValueError as damage:
            self.damaged.append((index, str(damage)))
            sample = None
        if sample is not None:
            self.found[index] = sample
            return _STORED
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
        with self._samples.cursor(db=self._tables.samples) as cursor:
            above = cursor.set_range(self._head + b"\xff" * INDEX.size)
            if (cursor.prev() if above else cursor.last()) and cursor.key().startswith(self._head):
                top = max(top, keys.split_sample_key(cursor.key())[1] + 1)
        return top


Known = tuple[int | None, int | None]
"""What the namespace remembers of a draw, and what anybody was given last."""

Hints = tuple[int, int, int]
"""See `_HINTS`."""


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
        self._space = keys.space_keys(run)
        self._run = self._space.taken + self._print
        self._taken = self._run + b"t"
        self.stale = False
        self._noted: Hints | None = None
        self._hints: Hints | None = None
        self._fresh: dict[bytes, dict[bytes, int]] = {}
        self._known: dict[bytes, Known] = {}
        self._holds: dict[bytes, bytes | None] = {}

    def held(self, draw: str) -> int | None:
        """See `assignment.View.held`."""
        name = keys.digest(draw)
        hold = self._hold(name)
        if hold is None:
            return None
        index: int = _HOLD.unpack(hold)[0]
        ours = self._claims.get(self._taken + INDEX.pack(index)) == name
        return index if ours or self.is_free(index) else None

    def remembered(self, draw: str) -> int | None:
        """See `assignment.View.remembered`."""
        return self._known_of(keys.digest(draw))[0]

    def latest(self, draw: str) -> int | None:
        """See `assignment.View.latest`."""
        return self._known_of(keys.digest(draw))[1]

    def bought(self, draw: str) -> int | None:
        """See `assignment.View.bought`."""
        return read_index(self._samples, self._tables.bought, self._head + keys.digest(draw))

    def is_free(self, index: int) -> bool:
        """See `assignment.View.is_free`."""
        packed = INDEX.pack(index)
        if self._claims.get(self._taken + packed) is not None:
            return False
        if self._replicate is None:
            return True
        owner = self._kept(self._space.replicates, packed)
        return owner is None or owner == self._replicate

    def lowest_free(self) -> int:
        """See `assignment.View.lowest_free`."""
        cursor, given_up, seen = self._read_hints()
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
        self._hints = cursor, given_up, freed
        return cursor if first is None else min(cursor, first)

    def lowest_with(self, slots: Container[Slot]) -> int | None:
        """See `assignment.View.lowest_with`."""
        first = self.lowest_free()
        if self.slot(first) in slots:  # mostly: then nobody need ask how far it goes on
            return first
        for index in range(first + 1, self._top()):
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
        name = keys.digest(draw)
        if not self._claims.put(self._taken + INDEX.pack(index), name, overwrite=False):
            return  # a repetition: only its holder is ever given a taken index
        hold = self._hold(name)
        if hold is not None and _HOLD.unpack(hold)[0] != index:
            self._leave(_HOLD.unpack(hold)[0], name)
        before, latest = self._known_of(name)
        hold = self._holds[name] = _HOLD.pack(
            index, NONE if before is None else before, NONE if latest is None else latest
        )
        self._claims.put(self._run + b"h" + name, hold)
        news = {} if before == index else {self._space.remembered: index}
        if latest != index:
            news[self._space.latest] = index
        if news:
            self._keep(name, news)
        if self._replicate is not None:
            self._own(index, self._replicate)
        if self._hints is not None and self._hints[0] == index:
            self._hints = index + 1, *self._hints[1:]

    def settle(self) -> None:
        """Note where whoever draws next is to look for free indexes; when all is done."""
        if self._hints is not None and self._hints != self._noted:
            self._claims.put(self._run + b"s", _HINTS.pack(*self._hints))

    def name_namespace(self, name: str) -> None:
        """Note that there is a namespace *name*."""
        key = b"W" + keys.digest(name)
        if self._samples.get(key, db=self._tables.memory) is None:
            self._claims.put(key, name.encode("utf-8", "surrogatepass"))
            self.stale = True

    def give_up(self, index: int) -> None:
        """Undo `take`, but for the draw's first right to *index* in this run."""
        packed = INDEX.pack(index)
        name = self._claims.pop(self._taken + packed)
        if name is None:
            return
        if self._claims.put(b"%bf%b" % (self._run, packed), b"", overwrite=False):
            cursor, given_up, seen = self._read_hints()
            self._hints = cursor, given_up + 1, seen
        hold = self._hold(name)
        _, before, latest = (NONE,) * 3 if hold is None else _HOLD.unpack(hold)
        news = {self._space.remembered: before}
        if self._known_of(name)[1] == index:  # else it was given another since, elsewhere
            news[self._space.latest] = latest
        self._keep(name, news)
        if self._replicate is not None and self._counted(index, -1) <= 0 and before != index:
            self._keep(packed, {self._space.replicates: NONE})
            self._claims.put(self._of_sisters(b"Y"), INDEX.pack(self._freed() + 1))

    def _own(self, index: int, replicate: int) -> None:
        """Note that *index* belongs to *replicate*."""
        head, packed = self._space.replicates, INDEX.pack(index)
        if self._kept(head, packed) != replicate:
            self._keep(packed, {head: replicate})
        if index not in self.found:
            self._counted(index, 1)

    def _counted(self, index: int, more: int) -> int:
        """Return how many draws of replicates were given *index* unfilled, now *more*."""
        key = self._of_sisters(b"Z") + INDEX.pack(index)
        record = self._claims.get(key)
        count: int = more + (0 if record is None else NUMBER.unpack(record)[0])
        self._claims.put(key, NUMBER.pack(count))
        return count

    def _hold(self, name: bytes) -> bytes | None:
        """Return the record of what the draw *name* has; asked more than once for most."""
        if name in self._holds:
            return self._holds[name]
        hold = self._holds[name] = self._claims.get(self._run + b"h" + name)
        return hold

    def _leave(self, index: int, name: bytes) -> None:
        """Let the draw *name* give up *index*, if it still has that."""
        if self._claims.get(self._taken + INDEX.pack(index)) == name:
            self.give_up(index)

    def _freed(self) -> int:
        """Return how often a replicate gave an index back to its sisters, if this is one."""
        if self._replicate is None:
            return 0
        freed = self._claims.get(self._of_sisters(b"Y"))
        count: int = 0 if freed is None else INDEX.unpack(freed)[0]
        return count

    def _read_hints(self) -> Hints:
        if self._hints is None:
            hints = self._claims.get(self._run + b"s")
            self._hints = self._noted = (0, 0, 0) if hints is None else _HINTS.unpack(hints)
        return self._hints

    def _first_given_up(self) -> int | None:
        prefix = self._run + b"f"
        for key, _ in walk(self._claims, prefix):
            index: int = INDEX.unpack(key[len(prefix) :])[0]
            return index
        return None

    def _of_sisters(self, kind: bytes) -> bytes:
        """Return the key of what is counted for all replicates of the namespace."""
        return kind + self._space.replicates[1:] + self._print

    def _known_of(self, name: bytes) -> Known:
        """Return what is remembered of the draw *name*; asked more than once for most."""
        known = self._known.get(name)
        if known is None:
            space = self._space
            known = self._kept(space.remembered, name), self._kept(space.latest, name)
            self._known[name] = known
        return known

    def _kept(self, head: bytes, name: bytes) -> int | None:
        """Return the number kept under *head* and *name*: the news, else what lasts."""
        number = self._fresh_of(name).get(head)
        if number is None:
            return read_index(self._samples, self._tables.memory, head + self._print + name)
        return None if number == NONE else number

    def _fresh_of(self, name: bytes) -> dict[bytes, int]:
        """Return what is kept of *name* and not in `memory` yet; asked more than once for most."""
        fresh = self._fresh.get(name)
        if fresh is None:
            record = self._claims.get(b"D" + self._print + name)
            fresh = self._fresh[name] = {} if record is None else read_fresh(record)
        return fresh

    def _keep(self, name: bytes, numbers: Mapping[bytes, int]) -> None:
        """Keep *numbers*, by head."""
        self._known.pop(name, None)
        fresh = self._fresh_of(name)
        fresh.update(numbers)
        write_fresh(self._claims, self._print + name, fresh)
        self.stale = True
