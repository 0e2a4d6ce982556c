"""The laws under fire: hypothesis looks for a history of processes, failures and deaths that breaks one.

Unlike `cachesaver.stores.machine` it does not foretell which index a draw gets. It holds what the
store answers against the contract: nobody gets a sample twice (law 1), nothing is bought that no run
needs (law 2), a program that is run again draws the same (law 3), and no index or sample is lost.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cachesaver.exchange import Sample
from cachesaver.ports import Grant, Policy, Run, Store
from cachesaver.stores.leases import Lease
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.memory import MemoryStore, MemoryView
from cachesaver.stores.processes import here
from cachesaver.stores.testing import QUESTION, F, a_sample, dead_owner

RUNS = [
    Run(id=name, namespace=namespace, replicate=replicate)
    for name, namespace, replicate in (
        ("1", "n", None),
        ("1", "m", None),
        ("2", "n", None),
        ("3", "r", 0),
        ("3", "r", 1),
        ("4", "r", 0),
    )
]
DRAWS = "abcdef"
MEMBERS = ("parent", "child")

runs = st.sampled_from(RUNS)
ids = st.sampled_from(["1", "2", "3", "4"])
policies = st.just(Policy.RESERVE) | st.sampled_from(
    [Policy.RESERVE, Policy.READ, Policy.STORED, Policy.APART]
)
names = st.lists(st.sampled_from(DRAWS), min_size=1, max_size=3, unique=True)
programs = st.lists(st.sampled_from(DRAWS), min_size=1, unique=True)


class Model:
    """What was answered so far, as far as the laws speak of it."""

    def __init__(self) -> None:
        self.samples: dict[int, Sample] = {}
        self.leads: dict[int, str] = {}  # whose lease the last one is; dead or alive
        self.has: defaultdict[Run, dict[str, int]] = defaultdict(dict)
        self.asked: defaultdict[Run, set[str]] = defaultdict(set)
        self.owned: dict[tuple[str, int], int] = {}  # by namespace and index: the replicate
        self.top = 0
        self.apart = 0  # bought by those who may not wait
        self.members: defaultdict[str, set[str]] = defaultdict(set)
        self.lasting: dict[str, bool] = {}

    def state(self, index: int) -> str:
        """Return what is to become of a draw at *index*."""
        flying = self.leads.get(index) == here()
        return "hit" if index in self.samples else "wait" if flying else "lead"

    def note(self, run: Run, draw: str, index: int) -> None:
        """Note that *draw* was given *index*, and hold it against law 1."""
        others = {name: had for name, had in self.has[run].items() if name != draw}
        assert index not in others.values(), f"{draw} got {index}, which {others} have"
        self.has[run][draw] = index
        if run.replicate is not None:
            owner = self.owned.setdefault((run.namespace, index), run.replicate)
            assert owner == run.replicate, f"{index} is of replicate {owner}"

    def give_up(self, run: Run, index: int) -> None:
        """Note that whoever has *index* in *run* has it no more."""
        for draw in [draw for draw, had in self.has[run].items() if had == index]:
            del self.has[run][draw]
            if not any(index in self.has[twin].values() for twin in RUNS if _are_twins(twin, run)):
                self.owned.pop((run.namespace, index), None)

    def leave(self, run: str, member: str) -> None:
        """Note that *member* is gone, and with the last one all that the run took."""
        self.members[run].discard(member)
        if not (self.members[run] or self.lasting[run]):
            del self.lasting[run]
            for over in [over for over in self.has if over.id == run]:
                self.has[over].clear()

    def needed(self) -> int:
        """Return the most samples that any run had a need for, its sister replicates included."""
        count = {run: len(draws) for run, draws in self.asked.items()}

        def sisters(run: Run) -> int:
            others = [other for other in count if other.namespace == run.namespace]
            return sum(count[other] for other in others if other.replicate != run.replicate)

        return max(
            (own + (0 if run.replicate is None else sisters(run)) for run, own in count.items()),
            default=0,
        )


def _are_twins(one: Run, other: Run) -> bool:
    return (one.namespace, one.replicate) == (other.namespace, other.replicate)


class LawMachine(RuleBasedStateMachine):
    """Drives two handles on one store. See `machine`."""

    new: ClassVar[staticmethod[[], Store]]
    handle: ClassVar[staticmethod[[Store], Store]]
    reopened: ClassVar[staticmethod[[Store], Store]]

    def __init__(self) -> None:
        super().__init__()
        first = type(self).new()
        self.stores = [first, type(self).handle(first)]
        self.model = Model()
        self.tokens: dict[int, str] = {}  # the last one of each index
        self.fresh = itertools.count()

    @rule(run=runs, draws=names, policy=policies, alive=st.booleans(), which=st.integers(0, 1))
    def draw(self, run: Run, draws: list[str], policy: Policy, *, alive: bool, which: int) -> None:
        self.drawn(run, draws, policy, here() if alive else dead_owner(), self.stores[which])

    @rule(index=st.integers(0, 5), alive=st.booleans(), which=st.integers(0, 1))
    def poll(self, index: int, *, alive: bool, which: int) -> None:
        if index < self.model.top:
            owner = here() if alive else dead_owner()
            self.check(self.stores[which].poll(F, index, owner=owner), owner)

    @rule(index=st.integers(0, 5), draw=st.sampled_from(DRAWS), right=st.booleans())
    def fill(self, index: int, draw: str, *, right: bool) -> None:
        """Whoever comes first, with whichever token: also the dead, and those who gave up."""
        if index < self.model.top:
            self.land(index, draw, self.tokens[index] if right else "0" * 32)

    @rule(index=st.integers(0, 5), run=runs, keeps=st.booleans())
    def fail(self, index: int, run: Run, *, keeps: bool) -> None:
        if index in self.model.leads and index not in self.model.samples:
            self.stores[0].release(run, F, index, self.tokens[index], keeps=keeps)
            del self.model.leads[index]
            if not keeps:
                self.model.give_up(run, index)

    @rule(run=ids, lasting=st.booleans())
    def enter(self, run: str, *, lasting: bool) -> None:
        """A parent and its child."""
        for which, member in enumerate(MEMBERS):
            self.stores[which].enter(run, member, owner=here(), lasting=lasting)
        self.model.members[run] |= set(MEMBERS)
        self.model.lasting.setdefault(run, lasting)

    @rule(run=ids, member=st.sampled_from(MEMBERS), dies=st.booleans())
    def leave(self, run: str, member: str, *, dies: bool) -> None:
        """One of them, in whichever order; who draws then in the run, draws for those who stay."""
        if member not in self.model.members[run]:
            return
        if dies:
            self.stores[1].enter(run, member, owner=dead_owner(), lasting=False)
        else:
            self.stores[1].leave(run, member)
        self.stores[0].collect()
        self.model.leave(run, member)
        for each in [each for each in RUNS if each.id == run]:
            self.drawn(each, [f"new {next(self.fresh)}"])

    @rule()
    def reopen(self) -> None:
        self.stores[1].close()
        first = type(self).reopened(self.stores[0])
        self.stores = [first, type(self).handle(first)]

    @rule(run=runs, other=runs, program=programs, chance=st.randoms(use_true_random=False))
    def replay(self, run: Run, other: Run, program: list[str], chance: Any) -> None:
        """Law 3: a program draws the same again in its namespace, and in new ones, in any order."""
        got = list[dict[str, int]]()
        for namespace in (run.namespace, run.namespace, "fresh", "fresher"):
            number = next(self.fresh)
            name = namespace if namespace == run.namespace else f"{namespace} {number}"
            again = Run(id=f"again {number}", namespace=name, replicate=run.replicate)
            order = chance.sample(program, len(program))
            got.append(dict(zip(order, self.completed(again, order), strict=True)))
            if len(got) == 1 and other.namespace != run.namespace:
                self.completed(Run(id=f"beside {number}", namespace=other.namespace), program)

        assert got == [got[0]] * 4

    @invariant()
    def no_sample_is_lost_or_overwritten(self) -> None:
        assert dict(self.stores[1].samples(F)) == self.model.samples

    @invariant()
    def no_more_is_bought_than_one_run_needed(self) -> None:
        assert self.model.top <= self.model.needed() + self.model.apart

    def teardown(self) -> None:
        """No index is lost: one who draws as much as there is gets all of it, and the next new one."""
        try:
            everything = [f"last {number}" for number in range(self.model.top + 1)]
            grants = self.drawn(Run(id="last", namespace="last"), everything)
            assert sorted(grant.index for grant in grants) == list(range(len(everything)))
        finally:
            for store in self.stores:
                store.close()

    def completed(self, run: Run, program: Sequence[str]) -> list[int]:
        """Draw *program* in *run* one by one, and let all arrive that is missing."""
        indexes = [self.drawn(run, [draw])[0].index for draw in program]
        for draw, index in zip(program, indexes, strict=True):
            if index not in self.model.samples:
                self.land(index, draw, self.tokens[index])
        return indexes

    def drawn(
        self,
        run: Run,
        draws: Sequence[str],
        policy: Policy = Policy.RESERVE,
        owner: str = "",
        store: Store | None = None,
    ) -> tuple[Grant, ...]:
        owner = owner or here()
        grants = (store or self.stores[0]).acquire(run, F, draws, owner=owner, policy=policy)
        self.model.asked[run] |= set(draws)
        for draw, grant in zip(draws, grants, strict=True):
            if grant.index >= 0:
                had = self.model.has[run].get(draw, grant.index)
                assert had == grant.index or policy in {Policy.READ, Policy.APART}
                self.model.apart += policy is Policy.APART and grant.token != ""
                if had != grant.index:  # it moved, and what it had is free for those beside it
                    self.model.give_up(run, had)
        for draw, grant in zip(draws, grants, strict=True):
            if grant.index >= 0:
                self.model.note(run, draw, grant.index)
                self.check(grant, owner)
        return grants

    def check(self, grant: Grant, owner: str) -> None:
        """Hold a grant against what stands in its slot."""
        state = self.model.state(grant.index)
        found = "hit" if grant.sample is not None else "lead" if grant.token else "wait"
        dead = self.model.leads.get(grant.index) == owner  # its own lease, whoever asks
        assert found == ("wait" if state == "lead" and dead else state), (grant, state)
        assert grant.sample == self.model.samples.get(grant.index)
        if grant.token:
            self.model.leads[grant.index] = owner
            self.tokens[grant.index] = grant.token
            self.model.top = max(self.model.top, grant.index + 1)

    def land(self, index: int, draw: str, token: str) -> None:
        """Let a sample arrive."""
        sample = a_sample(draw, b"%d" % len(self.model.samples))
        future = self.stores[0].fill(F, index, token, sample, question=QUESTION)
        assert future.result(60) == self.model.samples.setdefault(index, sample)
        self.model.leads.pop(index, None)


def handle_on_memory(store: Store) -> Store:
    """Return what another process would have: the same samples and claims, in a store of its own."""
    assert isinstance(store, MemoryStore)
    other = type(store)()
    for name in ("_lock", "_pools", "_taken", "_members", "_memories"):
        setattr(other, name, getattr(store, name))
    return other


def handle_on_lmdb(store: Store) -> Store:
    assert isinstance(store, LmdbStore)
    return LmdbStore(store._path)


def reopened_lmdb(store: Store) -> Store:
    store.close()
    return handle_on_lmdb(store)


def machine(
    new: Callable[[], Store],
    handle: Callable[[Store], Store],
    reopened: Callable[[Store], Store],
) -> type[LawMachine]:
    """Return a machine over what *new* makes, with a second *handle*, and both *reopened*."""
    made = {
        "new": staticmethod(new),
        "handle": staticmethod(handle),
        "reopened": staticmethod(reopened),
    }
    return type("Machine", (LawMachine,), made)


def over_memory() -> type[LawMachine]:
    return machine(MemoryStore, handle_on_memory, handle_on_memory)


def history(examples: int, **more: Any) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
        **more,
    )


def test_memory_keeps_the_laws() -> None:
    run_state_machine_as_test(over_memory(), settings=history(100))


def test_lmdb_keeps_the_laws(tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())

    run_state_machine_as_test(
        machine(lambda: LmdbStore(next(folders)), handle_on_lmdb, reopened_lmdb),
        settings=history(40),
    )


# The test of the test: each of these breaks a law, and is found.

acquire, fill, leave = MemoryStore.acquire, MemoryStore.fill, MemoryStore.leave
view = MemoryStore.view


def first_come_first_index(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    samples = self.pool(fingerprint).samples
    lowest = next(each for each in itertools.count() if each not in samples or each == index)
    return fill(self, fingerprint, lowest, token, sample, question=question)


def counted_in_ram(self: MemoryStore, run: Run, fingerprint: str, owner: str) -> MemoryView:
    """Each handle, and so each process and each life of it, counts for itself."""
    found = view(self, run, fingerprint, owner)
    counters: defaultdict[Run, Iterator[int]] = self.__dict__.setdefault(
        "counters", defaultdict(itertools.count)
    )
    found.lowest_free = lambda: next(counters[run])  # type: ignore[method-assign]  # in RAM
    return found


def last_fill_wins(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    self.pool(fingerprint).samples.pop(index, None)
    return fill(self, fingerprint, index, token, sample, question=question)


def no_sister_matters(self: MemoryView, index: int) -> bool:
    return index not in self.taken.by_index


def forgets_while_members_live(self: MemoryStore, run: str, member: str) -> None:
    self._members[run].owners.clear()
    leave(self, run, member)


def moves_and_keeps_both(self: MemoryView, draw: str, index: int) -> None:
    self.taken.by_draw.pop(draw, None)
    take(self, draw, index)


take = MemoryView.take

MUTANTS: Mapping[str, tuple[type, str, Callable[..., Any]]] = {
    "samples are appended as they come": (MemoryStore, "fill", first_come_first_index),
    "the last fill wins": (MemoryStore, "fill", last_fill_wins),
    "what is taken is counted in RAM": (MemoryStore, "view", counted_in_ram),
    "a release is forgotten": (MemoryStore, "release", lambda *_, **__: None),
    "the lease of a dead process holds for ever": (Lease, "is_up", lambda *_: True),
    "replicates are ignored": (MemoryView, "is_free", no_sister_matters),
    "what was given last is forgotten": (MemoryView, "latest", lambda *_: None),
    "a run is forgotten while members live": (MemoryStore, "leave", forgets_while_members_live),
    "a draw that moves keeps both": (MemoryView, "take", moves_and_keeps_both),
    "a new index is bought every time": (MemoryView, "lowest_free", MemoryView.next_new),
    "everything is free": (MemoryView, "is_free", lambda *_: True),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_machine_finds(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, name, method = MUTANTS[mutant]
    monkeypatch.setattr(target, name, method)

    with pytest.raises(Exception):  # noqa: B017, PT011  (a mutant may break in any way)
        run_state_machine_as_test(
            over_memory(),
            settings=history(200, phases=[Phase.generate], report_multiple_bugs=False),
        )
