"""The test of the tests: each fault, planted in the memory store, is found by the contract."""

# A fault is planted from behind, in few words:
# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from cachesaver.assignment import Slot, in_turn
from cachesaver.exchange import Sample
from cachesaver.ports import Policy, Run
from cachesaver.stores import memory
from cachesaver.stores.leases import Lease
from cachesaver.stores.memory import MemoryStore, MemoryView
from cachesaver.stores.processes import here
from cachesaver.stores.testing import StoreContract

Method = Callable[..., Any]
Fault = tuple[type, Mapping[str, Method]]

acquire, fill, release = MemoryStore.acquire, MemoryStore.fill, MemoryStore.release


def first_come_first_index(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    pool = self.pool(fingerprint)
    if index not in pool.samples:
        index = next(i for i in range(index + 1) if i not in pool.samples)
    return fill(self, fingerprint, index, token, sample, question=question)


def last_fill_wins(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    self.pool(fingerprint).samples.pop(index, None)
    return fill(self, fingerprint, index, token, sample, question=question)


def loser_keeps_its_own(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    fill(self, fingerprint, index, token, sample, question=question)
    future: Future[Sample] = Future()
    future.set_result(sample)
    return future


def late_fill_is_refused(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    lease = self.pool(fingerprint).leases.get(index)
    if lease is not None and lease.token == token:
        return fill(self, fingerprint, index, token, sample, question=question)
    future: Future[Sample] = Future()
    future.set_result(sample)
    return future


def lease_outlives_the_fill(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    lease = self.pool(fingerprint).leases.get(index)
    future = fill(self, fingerprint, index, token, sample, question=question)
    if lease is not None:
        self.pool(fingerprint).leases[index] = lease
    return future


def last_question_wins(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    self.pool(fingerprint).question = question
    return fill(self, fingerprint, index, token, sample, question=question)


def loser_counts_as_bought(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    future = fill(self, fingerprint, index, token, sample, question=question)
    self.pool(fingerprint).bought[sample.draw] = index
    return future


def seams_are_lost(
    self: MemoryStore, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
) -> Future[Sample]:
    whole = replace(sample, response=replace(sample.response, chunks=(sample.response.body,)))
    return fill(self, fingerprint, index, token, whole, question=question)


def any_token_releases(
    self: MemoryStore, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
) -> None:
    lease = self.pool(fingerprint).leases.get(index)
    release(self, run, fingerprint, index, lease.token if lease else token, keeps=keeps)


def released_slot_stays_taken(
    self: MemoryStore, run: Run, fingerprint: str, index: int, token: str, *, keeps: bool = False
) -> None:
    lease = self.pool(fingerprint).leases.get(index)
    if lease is not None and lease.token == token:
        del self.pool(fingerprint).leases[index]


def failed_draw_loses_its_index(self: MemoryView, draw: str) -> int | None:
    hold = self.taken.by_draw.get(draw)
    return hold.index if hold and self.taken.by_index.get(hold.index) == draw else None


def failure_is_remembered(self: MemoryView, index: int) -> None:
    if self.taken.by_index.pop(index, None) is not None:
        self.taken.given_up.append(index)


def failure_is_given(self: MemoryView, index: int) -> None:
    latest = dict(self.pool.latest)
    give_up(self, index)
    self.pool.latest.update(latest)


def failure_restores_all(self: MemoryView, index: int) -> None:
    draw = self.taken.by_index.get(index)
    if draw is not None:
        self.pool.latest[self.replicate, draw] = index
    give_up(self, index)


def gives_back_a_twins(self: MemoryView, index: int) -> None:
    self.memory.unfilled.clear()
    give_up(self, index)


def latest_of_all(self: MemoryView, draw: str) -> int | None:
    return next((index for key, index in self.pool.latest.items() if key[1] == draw), None)


give_up = MemoryView.give_up


def stored_goes_before_free(self: MemoryView) -> int:
    stored = [index for index in sorted(self.pool.samples) if self.is_free(index)]
    return stored[0] if stored else lowest_free(self)


lowest_free, next_new = MemoryView.lowest_free, MemoryView.next_new
lowest_with = MemoryView.lowest_with


def everything_serves(self: MemoryView, slots: Container[Slot]) -> int | None:
    return lowest_with(self, set(Slot))


def moved_draw_keeps_both(self: MemoryView, draw: str, index: int) -> None:
    self.taken.by_draw.pop(draw, None)
    take(self, draw, index)


def move_is_not_remembered(self: MemoryView, draw: str, index: int) -> None:
    moves = draw in self.taken.by_draw
    before = self.remembered(draw)
    take(self, draw, index)
    if moves and before is not None:
        self.memory.indexes[self.replicate, draw] = before


def always_keeps(self: MemoryStore, *args: Any, keeps: bool = False) -> None:
    release(self, *args, keeps=True)


def never_keeps(self: MemoryStore, *args: Any, keeps: bool = False) -> None:
    release(self, *args)


def in_their_order(self: MemoryStore, run: Run, key: str, draws: Any, **named: Any) -> Any:
    return tuple(acquire(self, run, key, [draw], **named)[0] for draw in draws)


def results_in_turn(self: MemoryStore, run: Run, key: str, draws: Any, **named: Any) -> Any:
    turns = in_turn(self.view(run, key, named["owner"]), draws)
    grants = acquire(self, run, key, draws, **named)
    return tuple(grants[place] for place in turns)


def first_never_taken(self: MemoryView) -> int:
    return len(self.taken.by_index)


def memory_is_for_all_replicates(self: MemoryView, index: int) -> bool:
    return index not in self.taken.by_index


def take_slowly(self: MemoryView, draw: str, index: int) -> None:
    time.sleep(0.002)
    take(self, draw, index)


def retaken_index_is_given_up(self: MemoryView, draw: str, index: int) -> None:
    hold = self.taken.by_draw.get(draw)
    take(self, draw, index)
    if hold is not None and hold.index == index:
        self.taken.by_index.pop(index, None)


take = MemoryView.take


def without_lock(self: MemoryStore) -> None:
    init(self)
    setattr(self, "_lock", nullcontext())  # noqa: B010  (of another type)


init = MemoryStore.__init__


def with_policy(policies: Mapping[Policy, Policy]) -> Method:
    def mutant(self: MemoryStore, *args: Any, owner: str, policy: Policy) -> Any:
        return acquire(self, *args, owner=owner, policy=policies.get(policy, policy))

    return mutant


def in_reverse(self: MemoryStore, run: Run, fingerprint: str, draws: Any, **named: Any) -> Any:
    return acquire(self, run, fingerprint, draws[::-1], **named)[::-1]


def poll_leads_always(self: MemoryStore, fingerprint: str, index: int, *, owner: str) -> Any:
    pool = self.pool(fingerprint)
    if index not in pool.samples:
        pool.leases.pop(index, None)
    return poll(self, fingerprint, index, owner=owner)


poll = MemoryStore.poll


def poll_never_leads(self: MemoryStore, fingerprint: str, index: int, *, owner: str) -> Any:
    return replace(poll(self, fingerprint, index, owner=owner), token="")


def join_counts_calls(self: MemoryStore, run: str, *, owner: str) -> int:
    numbers = self._members[run].numbers
    return numbers.setdefault(f"call {len(numbers)}", len(numbers))


def leave_forgets_all(self: MemoryStore, run: str, member: str) -> None:
    leave(self, run, member)
    self._taken.clear()


def leave_forgets_always(self: MemoryStore, run: str, member: str) -> None:
    self._members[run].owners.clear()
    leave(self, run, member)


def leave_forgets_the_namespace(self: MemoryStore, run: str, member: str) -> None:
    leave(self, run, member)
    self._memories.clear()


def leave_forgets_one_namespace(self: MemoryStore, run: str, member: str) -> None:
    kept = [(key, value) for key, value in self._taken.items() if key.id == run][1:]
    leave(self, run, member)
    self._taken.update(kept)


def enter_says(lasting: bool) -> Method:  # noqa: FBT001  (the value itself)
    def mutant(self: MemoryStore, *args: Any, owner: str, **_: Any) -> None:
        enter(self, *args, owner=owner, lasting=lasting)

    return mutant


def last_who_enters_says(self: MemoryStore, run: str, member: str, **named: Any) -> None:
    self._members[run].lasting = None
    enter(self, run, member, **named)


def dead_members_live(
    self: MemoryStore, run: str, member: str, *, owner: str, **named: Any
) -> None:
    enter(self, run, member, owner=here(), **named)


enter, leave = MemoryStore.enter, MemoryStore.leave


def by_text(self: MemoryStore, fingerprint: str) -> Iterator[tuple[int, Sample]]:
    yield from sorted(self.pool(fingerprint).samples.items(), key=lambda item: str(item[0]))


def all_questions(self: MemoryStore) -> Iterator[tuple[str, bytes]]:
    yield from sorted((key, pool.question) for key, pool in self._pools.items())


def unsorted_questions(self: MemoryStore) -> Iterator[tuple[str, bytes]]:
    yield from [(key, pool.question) for key, pool in self._pools.items() if pool.samples]


FAULTS: dict[str, Fault] = {
    "appends in the order of completion": (MemoryStore, {"fill": first_come_first_index}),
    "the last fill wins": (MemoryStore, {"fill": last_fill_wins}),
    "the loser is given its own sample": (MemoryStore, {"fill": loser_keeps_its_own}),
    "a late fill is refused": (MemoryStore, {"fill": late_fill_is_refused}),
    "a lease outlives its fill": (MemoryStore, {"fill": lease_outlives_the_fill}),
    "the last question wins": (MemoryStore, {"fill": last_question_wins}),
    "what lost counts as bought": (MemoryStore, {"fill": loser_counts_as_bought}),
    "the seams of a stream are lost": (MemoryStore, {"fill": seams_are_lost}),
    "release is forgotten": (MemoryStore, {"release": lambda *_, **__: None}),
    "any token releases": (MemoryStore, {"release": any_token_releases}),
    "a released slot stays taken": (MemoryStore, {"release": released_slot_stays_taken}),
    "a draw that failed loses its index": (MemoryView, {"held": failed_draw_loses_its_index}),
    "a failure is remembered": (MemoryView, {"give_up": failure_is_remembered}),
    "an index is held by no draw": (MemoryView, {"held": lambda *_: None}),
    "what is stored goes before what is free": (
        MemoryView,
        {"lowest_free": stored_goes_before_free},
    ),
    "the lowest free index is always 0": (MemoryView, {"lowest_free": lambda _: 0}),
    "the lowest free index is how many are taken": (
        MemoryView,
        {"lowest_free": first_never_taken},
    ),
    "the lowest free index is a new one": (MemoryView, {"lowest_free": next_new}),
    "everything is free": (MemoryView, {"is_free": lambda *_: True, "lowest_free": lambda _: 0}),
    "memory gives what is taken": (MemoryView, {"is_free": lambda _, i: i > 0}),
    "replicates share": (MemoryView, {"is_free": memory_is_for_all_replicates}),
    "nothing is remembered": (MemoryView, {"remembered": lambda *_: None}),
    "what was given elsewhere is forgotten": (MemoryView, {"latest": lambda *_: None}),
    "what was given elsewhere goes before memory": (
        MemoryView,
        {"remembered": MemoryView.latest, "latest": MemoryView.remembered},
    ),
    "what was bought goes before what was given": (
        MemoryView,
        {"latest": MemoryView.bought, "bought": MemoryView.latest},
    ),
    "what failed elsewhere was given": (MemoryView, {"give_up": failure_is_given}),
    "a failure forgets what was given since": (MemoryView, {"give_up": failure_restores_all}),
    "what a twin run has is given back": (MemoryView, {"give_up": gives_back_a_twins}),
    "what one replicate was given all are": (MemoryView, {"latest": latest_of_all}),
    "nothing was bought for a draw": (MemoryView, {"bought": lambda *_: None}),
    "what was bought goes before memory": (
        MemoryView,
        {"remembered": MemoryView.bought, "bought": MemoryView.remembered},
    ),
    "a new index is the lowest free one": (MemoryView, {"next_new": lowest_free}),
    "a new index is how many there are": (
        MemoryView,
        {"next_new": lambda self: len(self.pool.samples | self.pool.leases)},
    ),
    "reading sees nothing": (MemoryView, {"lowest_with": lambda *_: None}),
    "reading gives empty slots": (MemoryView, {"lowest_with": everything_serves}),
    "what is stored is reserved": (
        MemoryStore,
        {"acquire": with_policy({Policy.STORED: Policy.RESERVE})},
    ),
    "what is stored is only read": (
        MemoryStore,
        {"acquire": with_policy({Policy.STORED: Policy.READ})},
    ),
    "what is recalled is stored": (
        MemoryStore,
        {"acquire": with_policy({Policy.RECALL: Policy.STORED})},
    ),
    "what is recalled is reserved": (
        MemoryStore,
        {"acquire": with_policy({Policy.RECALL: Policy.RESERVE})},
    ),
    "who may not wait waits": (
        MemoryStore,
        {"acquire": with_policy({Policy.APART: Policy.RESERVE})},
    ),
    "who may not wait buys": (MemoryStore, {"acquire": with_policy({Policy.APART: Policy.FRESH})}),
    "a draw that moved keeps both": (MemoryView, {"take": moved_draw_keeps_both}),
    "an index that is taken again is free": (MemoryView, {"take": retaken_index_is_given_up}),
    "a move is not remembered": (MemoryView, {"take": move_is_not_remembered}),
    "a release always keeps": (MemoryStore, {"release": always_keeps}),
    "a release never keeps": (MemoryStore, {"release": never_keeps}),
    "new draws do not stand back": (MemoryStore, {"acquire": in_their_order}),
    "draws come back in turn": (MemoryStore, {"acquire": results_in_turn}),
    "a slot in flight is as good as empty": (
        MemoryView,
        {"slot": lambda self, i: Slot.STORED if i in self.pool.samples else Slot.EMPTY},
    ),
    "reading reserves": (MemoryStore, {"acquire": with_policy({Policy.READ: Policy.RESERVE})}),
    "fresh reserves": (MemoryStore, {"acquire": with_policy({Policy.FRESH: Policy.RESERVE})}),
    "reserving is fresh": (MemoryStore, {"acquire": with_policy({Policy.RESERVE: Policy.FRESH})}),
    "draws are assigned in reverse": (MemoryStore, {"acquire": in_reverse}),
    "the dead live": (Lease, {"is_up": lambda *_: True}),
    "nobody lives": (Lease, {"is_up": lambda *_: False}),
    "a poll always leads": (MemoryStore, {"poll": poll_leads_always}),
    "a poll never leads": (MemoryStore, {"poll": poll_never_leads}),
    "every lease is renewed": (MemoryStore, {"renew": lambda *_: True}),
    "no lease is renewed": (MemoryStore, {"renew": lambda *_: False}),
    "joining counts calls": (MemoryStore, {"join": join_counts_calls}),
    "leaving does nothing": (MemoryStore, {"leave": lambda *_: None}),
    "leaving forgets every run": (MemoryStore, {"leave": leave_forgets_all}),
    "leaving forgets a run whose members live": (MemoryStore, {"leave": leave_forgets_always}),
    "leaving forgets the namespace": (MemoryStore, {"leave": leave_forgets_the_namespace}),
    "leaving forgets one namespace only": (MemoryStore, {"leave": leave_forgets_one_namespace}),
    "collecting does nothing": (MemoryStore, {"collect": lambda *_: None}),
    "no run lasts": (MemoryStore, {"enter": enter_says(lasting=False)}),
    "every run lasts": (MemoryStore, {"enter": enter_says(lasting=True)}),
    "who enters last says whether a run lasts": (MemoryStore, {"enter": last_who_enters_says}),
    "dead members live": (MemoryStore, {"enter": dead_members_live}),
    "samples come in the order of text": (MemoryStore, {"samples": by_text}),
    "questions come unasked": (MemoryStore, {"questions": all_questions}),
    "questions come unsorted": (MemoryStore, {"questions": unsorted_questions}),
    "a sound store is called damaged": (MemoryStore, {"verify": lambda _: iter(["damaged"])}),
    "there is no lock": (MemoryStore, {"__init__": without_lock}),
}


class Contract(StoreContract):
    """The contract of a class given later, and not collected by pytest."""

    __test__ = False

    def store(self) -> MemoryStore:
        return MemoryStore()


def failures() -> Iterator[str]:
    for name in [name for name in dir(Contract) if name.startswith("test_")]:
        try:
            getattr(Contract(), name)()
        except Exception as error:  # noqa: BLE001  (a mutant may break in any way)
            yield f"{name}: {type(error).__name__}"


@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_finds(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, methods = FAULTS[fault]
    for name, method in methods.items():
        monkeypatch.setattr(target, name, method)
    if fault == "there is no lock":
        monkeypatch.setattr(MemoryView, "take", take_slowly)

    assert next(failures(), None) is not None


def test_the_contract_finds_nothing_where_nothing_is_planted() -> None:
    assert list(failures()) == []
    assert memory.MemoryView is MemoryView
