"""A store in memory: for tests, for trying out, and to be read first. Nothing outlives it."""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakSet

from cachesaver.assignment import Outcome, Slot, assign, in_turn
from cachesaver.exchange import Sample
from cachesaver.locks import Lock, Paused
from cachesaver.ports import Grant, Policy, Run, StoreSummary
from cachesaver.stores.leases import Lease
from cachesaver.stores.membership import is_over

__all__ = ["MemoryStore"]


Key = tuple[int | None, str]
"""Replicate and draw."""


@dataclass(slots=True)
class Pool:
    """One fingerprint: its samples, and who is buying what."""

    question: bytes = b""
    samples: dict[int, Sample] = field(default_factory=dict[int, Sample])
    leases: dict[int, Lease] = field(default_factory=dict[int, Lease])
    bought: dict[str, int] = field(default_factory=dict[str, int])
    latest: dict[Key, int] = field(default_factory=dict[Key, int])
    """What a draw was given last, by whomever."""
    top: int = 0
    """Above every index ever reserved or stored."""


@dataclass(slots=True)
class Hold:
    """What a draw has, and what was remembered before, to be restored when it is given up."""

    index: int
    before: int | None
    """By the namespace."""
    latest: int | None
    """By all."""


@dataclass(slots=True)
class Taken:
    """What one run took of one fingerprint. `by_index` says what is taken, the rest is hints."""

    by_draw: dict[str, Hold] = field(default_factory=dict[str, Hold])
    by_index: dict[int, str] = field(default_factory=dict[int, str])
    cursor: int = 0
    """No index below is free, but those in `given_up`; outdated with `seen`."""
    seen: int = 0
    """What `Memory.freed` was when the cursor was set."""
    given_up: list[int] = field(default_factory=list[int])
    """A heap; some may have been taken again."""


@dataclass(slots=True)
class Memory:
    """What a namespace remembers of one fingerprint."""

    indexes: dict[Key, int] = field(default_factory=dict[Key, int])
    replicates: dict[int, int] = field(default_factory=dict[int, int])
    """Which replicate an index belongs to, for good."""
    unfilled: Counter[int] = field(default_factory=Counter[int])
    """How many draws of replicates were given an index before there was a sample."""
    freed: int = 0
    """How often a replicate gave an index back to its sisters."""


@dataclass(slots=True)
class Members:
    """Who is in a run."""

    owners: dict[str, str] = field(default_factory=dict[str, str])
    """By member."""
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    """Of the processes that joined."""
    lasting: bool | None = None
    drawn: float = field(default_factory=time.monotonic)
    """When the run was last drawn in."""


class MemoryView:
    """`assignment.View` of dictionaries."""

    def __init__(self, run: Run, pool: Pool, taken: Taken, memory: Memory, owner: str) -> None:
        self.replicate = run.replicate
        self.pool = pool
        self.taken = taken
        self.memory = memory
        self.owner = owner

    def held(self, draw: str) -> int | None:
        hold = self.taken.by_draw.get(draw)
        if hold is None:
            return None
        ours = self.taken.by_index.get(hold.index) == draw
        return hold.index if ours or self.is_free(hold.index) else None

    def remembered(self, draw: str) -> int | None:
        return self.memory.indexes.get((self.replicate, draw))

    def latest(self, draw: str) -> int | None:
        return self.pool.latest.get((self.replicate, draw))

    def bought(self, draw: str) -> int | None:
        return self.pool.bought.get(draw)

    def is_free(self, index: int) -> bool:
        if index in self.taken.by_index:
            return False
        return self.replicate is None or (
            self.memory.replicates.get(index, self.replicate) == self.replicate
        )

    def lowest_free(self) -> int:
        taken = self.taken
        if self.replicate is not None and taken.seen != self.memory.freed:
            taken.cursor, taken.seen = 0, self.memory.freed
        while taken.given_up and not self.is_free(taken.given_up[0]):
            heapq.heappop(taken.given_up)
        while not self.is_free(taken.cursor):
            taken.cursor += 1
        return min([taken.cursor, *taken.given_up[:1]])

    def lowest_with(self, slots: Container[Slot]) -> int | None:
        for index in range(self.lowest_free(), self.pool.top):
            if self.is_free(index) and self.slot(index) in slots:
                return index
        return None

    def next_new(self) -> int:
        index = self.pool.top
        while not self.is_free(index):
            index += 1
        return index

    def slot(self, index: int) -> Slot:
        if index in self.pool.samples:
            return Slot.STORED
        lease = self.pool.leases.get(index)
        return Slot.FLYING if lease is not None and lease.is_up(self.owner) else Slot.EMPTY

    def take(self, draw: str, index: int) -> None:
        """Assign *index* to *draw*, and let it be remembered."""
        if self.taken.by_index.get(index) == draw:
            return
        hold = self.taken.by_draw.get(draw)
        if hold is not None and self.taken.by_index.get(hold.index) == draw:
            self.give_up(hold.index)
        self.taken.by_index[index] = draw
        self.taken.by_draw[draw] = Hold(index, self.remembered(draw), self.latest(draw))
        self.memory.indexes[self.replicate, draw] = index
        self.pool.latest[self.replicate, draw] = index
        if self.replicate is not None:
            self.memory.replicates[index] = self.replicate
            self.memory.unfilled[index] += index not in self.pool.samples

    def give_up(self, index: int) -> None:
        """Undo `take`, but for the draw's first right to *index* in this run."""
        draw = self.taken.by_index.pop(index, None)
        if draw is None:
            return
        heapq.heappush(self.taken.given_up, index)
        hold, key = self.taken.by_draw[draw], (self.replicate, draw)
        _restore(self.memory.indexes, key, hold.before)
        if self.latest(draw) == index:  # else it was given another since, elsewhere
            _restore(self.pool.latest, key, hold.latest)
        if self.replicate is not None:
            self.memory.unfilled[index] -= 1
            if hold.before != index and self.memory.unfilled[index] <= 0:
                self.memory.replicates.pop(index, None)
                self.memory.freed += 1


def _restore(remembered: dict[Key, int], key: Key, before: int | None) -> None:
    if before is None:
        remembered.pop(key, None)
    else:
        remembered[key] = before


class MemoryStore:
    """`ports.Store` in the memory of this process.

    Used like::

        store = MemoryStore()
        (grant,) = store.acquire(run, fingerprint, [draw], owner=here(), policy=Policy.RESERVE)
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pools: dict[str, Pool] = {}
        self._taken: dict[Run, dict[str, Taken]] = {}
        self._members: defaultdict[str, Members] = defaultdict(Members)
        self._memories: dict[str, defaultdict[str, Memory]] = {}
        _STORES.add(self)

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._pools)} fingerprints>"

    def acquire(
        self, run: Run, fingerprint: str, draws: Sequence[str], *, owner: str, policy: Policy
    ) -> tuple[Grant, ...]:
        with self._lock:
            self._members[run.id].drawn = time.monotonic()
            view = self.view(run, fingerprint, owner)
            if len(draws) == 1:
                return (self._grant(view, fingerprint, draws[0], owner, policy),)
            grants: dict[int, Grant] = {}
            for place in in_turn(view, draws):
                grants[place] = self._grant(view, fingerprint, draws[place], owner, policy)
            return tuple([grants[place] for place in range(len(draws))])

    def look(self, fingerprints: Sequence[str], *, owner: str, leads: bool) -> tuple[Grant, ...]:
        if leads:
            return tuple([self.poll(each, 0, owner=owner) for each in fingerprints])
        with self._lock:
            pools = [self._pools.get(each, Pool()) for each in fingerprints]
            found = [pool.samples.get(0) for pool in pools]
        return tuple([Grant(index=-1 if each is None else 0, sample=each) for each in found])

    def poll(self, fingerprint: str, index: int, *, owner: str) -> Grant:
        with self._lock:
            pool = self.pool(fingerprint)
            if index in pool.samples:
                return Grant(index=index, sample=pool.samples[index])
            lease = pool.leases.get(index)
            if lease is not None and lease.is_up(owner):
                return Grant(index=index)
            return self._lead(pool, index, owner)

    def renew(self, fingerprint: str, index: int, token: str) -> bool:
        with self._lock:
            leases = self.pool(fingerprint).leases
            lease = leases.get(index)
            if lease is None or lease.token != token:
                return False
            leases[index] = lease.renewed()
            return True

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        """See `ports.Store.fill`; the future it returns is done."""
        del token  # who comes first, comes first: an empty slot takes a late fill too
        future: Future[Sample] = Future()
        with self._lock:
            pool = self.pool(fingerprint)
            kept = pool.samples.setdefault(index, sample)
            pool.question = pool.question or question
            pool.top = max(pool.top, index + 1)
            pool.leases.pop(index, None)
            if kept is sample:
                pool.bought.setdefault(sample.draw, index)
        future.set_result(kept)
        return future

    def release(
        self, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
    ) -> None:
        with self._lock:
            leases = self.pool(fingerprint).leases
            if index in leases and leases[index].token == token:
                del leases[index]
                if keeps:
                    return
                self.view(run, fingerprint, "").give_up(index)

    def join(self, run: str, *, owner: str) -> int:
        with self._lock:
            numbers = self._members[run].numbers
            return numbers.setdefault(owner, len(numbers))

    def enter(self, run: str, member: str, *, owner: str, lasting: bool = False) -> None:
        with self._lock:
            members = self._members[run]
            members.owners[member] = owner
            if members.lasting is None:
                members.lasting = lasting
        self.collect()

    def leave(self, run: str, member: str) -> None:
        with self._lock:
            if run in self._members:
                self._members[run].owners.pop(member, None)
                self._forget_if_over(run, left=True)

    def collect(self) -> None:
        with self._lock:
            for run in list(self._members):
                self._forget_if_over(run, left=False)

    def questions(self) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            found = [(key, pool.question) for key, pool in self._pools.items() if pool.samples]
        yield from sorted(found)

    def samples(self, fingerprint: str) -> Iterator[tuple[int, Sample]]:
        with self._lock:
            found = sorted(self.pool(fingerprint).samples.items(), key=lambda item: item[0])
        yield from found

    def summary(self) -> StoreSummary:
        with self._lock:
            filled = [len(pool.samples) for pool in self._pools.values() if pool.samples]
            return StoreSummary(
                fingerprints=len(filled),
                samples=sum(filled),
                namespaces=len(self._memories),
                size=0,
            )

    def verify(self) -> Iterator[str]:
        """See `ports.Store.verify`: memory does not rot."""
        yield from ()

    def close(self) -> None:
        """See `ports.Store.close`: there is nothing to let go of."""

    def pool(self, fingerprint: str) -> Pool:
        return self._pools.setdefault(fingerprint, Pool())

    def view(self, run: Run, fingerprint: str, owner: str) -> MemoryView:
        taken = self._taken.setdefault(run, {}).setdefault(fingerprint, Taken())
        memory = self._memories.setdefault(run.namespace, defaultdict(Memory))[fingerprint]
        return MemoryView(run, self.pool(fingerprint), taken, memory, owner)

    def _forget_if_over(self, run: str, *, left: bool) -> None:
        members = self._members[run]
        idle = time.monotonic() - members.drawn
        if is_over(members.owners.values(), lasting=members.lasting, left=left, idle=idle):
            del self._members[run]
            for taken in [taken for taken in self._taken if taken.id == run]:
                del self._taken[taken]

    def _grant(
        self, view: MemoryView, fingerprint: str, draw: str, owner: str, policy: Policy
    ) -> Grant:
        index, outcome = assign(view, draw, policy)
        if outcome is Outcome.MISSING:
            return Grant(index=-1)
        view.take(draw, index)
        pool = self._pools[fingerprint]
        if outcome is Outcome.LEAD:
            return self._lead(pool, index, owner)
        return Grant(index=index, sample=pool.samples.get(index))

    @staticmethod
    def _lead(pool: Pool, index: int, owner: str) -> Grant:
        lease = pool.leases[index] = Lease(owner=owner)
        pool.top = max(pool.top, index + 1)
        return Grant(index=index, token=lease.token)


_STORES: Final[WeakSet[MemoryStore]] = WeakSet()

_PAUSED: Final = Paused()


def _before_fork() -> None:
    """Let nobody be in the middle of a change, which the child would inherit half made."""
    for store in tuple(_STORES):
        _PAUSED.take(store._lock)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_PAUSED.let_go, after_in_child=_PAUSED.let_go
    )
