"""A store against a model of twenty lines: hypothesis looks for calls on which they part.

For tests, like testing.py; needs hypothesis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cachesaver.exchange import Sample
from cachesaver.ports import Grant, Policy, Run, Store
from cachesaver.stores.processes import here
from cachesaver.stores.testing import QUESTION, F, a_sample, dead_owner

__all__ = ["Model", "StoreMachine", "machine"]

_RUNS = [
    Run(id="1", namespace="n"),
    Run(id="2", namespace="n"),
    Run(id="1", namespace="m"),
    Run(id="4", namespace="r", replicate=0),
    Run(id="5", namespace="r", replicate=1),
    Run(id="6", namespace="r", replicate=0),
]


_STATES = {Policy.READ: ("hit", "wait"), Policy.APART: ("hit",)}
"""What may stand at an index that serves, where not everything may."""


class Model:
    """What a store should do, for one fingerprint; slow, and short enough to be seen right."""

    def __init__(self) -> None:
        self.samples: dict[int, Sample] = {}
        self.leases: dict[int, tuple[str, str]] = {}  # owner and token
        self.asker = here()
        self.top = 0
        self.bought: dict[str, int] = {}
        self.taken: dict[Run, dict[int, str]] = {run: {} for run in _RUNS}
        self.last: dict[tuple[Run, str], tuple[int, int | None, int | None]] = {}
        self.latest: dict[tuple[int | None, str], int | None] = {}
        self.memory: dict[tuple[str, int | None, str], int] = {}
        self.belongs: dict[tuple[str, int], int | None] = {}
        self.unfilled: Counter[tuple[str, int]] = Counter()
        self.members: dict[str, dict[str, bool]] = {}  # by run and member, whether it lives
        self.lasting: dict[str, bool] = {}

    def free(self, run: Run, index: int) -> bool:
        """Tell whether *index* is neither taken in *run* nor a sister replicate's."""
        owner = self.belongs.get((run.namespace, index), run.replicate)
        return index not in self.taken[run] and (run.replicate is None or owner == run.replicate)

    def state(self, index: int) -> str:
        """Return what stands at *index*."""
        flying = index in self.leases and self.leases[index][0] in {here(), self.asker}
        return "hit" if index in self.samples else "wait" if flying else "lead"

    def choose(self, run: Run, draw: str, policy: Policy) -> int:
        """Return the index *draw* is to get; -1 if it gets none."""
        states = _STATES.get(policy, ("hit", "wait", "lead"))

        def fits(index: int) -> bool:
            held = self.taken[run].get(index) == draw
            return (held or self.free(run, index)) and self.state(index) in states

        known = self.known(run, draw)[: 1 if policy is Policy.FRESH else 4]
        own = [index for index in known if index is not None and fits(index)]
        stored = [i for i in range(self.top) if self.free(run, i) and self.state(i) in states]
        if own:
            chosen = own[0]
        elif policy is Policy.RECALL:
            return -1
        elif policy is Policy.READ or (policy is Policy.APART and stored):
            chosen = stored[0] if stored else -1
        else:
            start = self.top if policy in {Policy.FRESH, Policy.APART} else 0
            chosen = next(index for index in count(start) if self.free(run, index))
        glances = policy in {Policy.STORED, Policy.RECALL}
        reserves = not glances or self.state(chosen) != "lead"
        return chosen if reserves else -1

    def known(self, run: Run, draw: str) -> list[int | None]:
        """Return what is known of a draw's own index, the surest first."""
        index = self.last.get((run, draw), (None,))[0]
        lost = index is None or self.taken[run].get(index, draw) != draw
        taken = lost or index is None or not (index in self.taken[run] or self.free(run, index))
        remembered = self.memory.get((run.namespace, run.replicate, draw))
        latest = self.latest.get((run.replicate, draw))
        return [None if taken else index, remembered, latest, self.bought.get(draw)]

    def turn(self, run: Run, draws: list[str]) -> list[int]:
        """Return the places in *draws* in the order of their turns."""

        def rank(place: int) -> int:
            known = self.known(run, draws[place])
            return next((at for at, index in enumerate(known) if index is not None), 4)

        return sorted(range(len(draws)), key=rank)

    def take(self, run: Run, draw: str, index: int) -> None:
        """Assign *index* to *draw*."""
        if self.taken[run].get(index) != draw:
            key = (run.namespace, run.replicate, draw)
            had = self.last.get((run, draw), (None,))[0]
            if had is not None and self.taken[run].get(had) == draw:
                self.give_up(run, had)
            self.last[run, draw] = (index, self.memory.get(key), self.latest.get(key[1:]))
            self.latest[key[1:]] = index
            self.taken[run][index] = draw
            self.memory[key] = index
            if run.replicate is not None:
                self.belongs[run.namespace, index] = run.replicate
                self.unfilled[run.namespace, index] += index not in self.samples

    def give_up(self, run: Run, index: int) -> None:
        """Undo `take`."""
        draw = self.taken[run].pop(index, None)
        if draw is None:
            return
        _, before, latest = self.last[run, draw]
        key = (run.namespace, run.replicate, draw)
        if self.latest[key[1:]] == index:
            self.latest[key[1:]] = latest
        if before is None:
            del self.memory[key]
        else:
            self.memory[key] = before
        if run.replicate is not None:
            self.unfilled[run.namespace, index] -= 1
            if before != index and self.unfilled[run.namespace, index] <= 0:
                self.belongs.pop((run.namespace, index), None)

    def forget_if_over(self, run: str, *, left: bool = False) -> None:
        """Forget what *run* took if it has no living member, and had some."""
        members = self.members.get(run, {})
        if self.lasting.get(run, True) or any(members.values()) or not (members or left):
            return
        self.members.pop(run, None)
        del self.lasting[run]
        for taken in [taken for taken in self.taken if taken.id == run]:
            self.taken[taken].clear()
        for key in [key for key in self.last if key[0].id == run]:
            del self.last[key]


_runs = st.sampled_from(_RUNS)
_ids = st.sampled_from(["1", "2", "4"])
_members = st.sampled_from("xy")
_owners = st.booleans().map(lambda alive: here() if alive else dead_owner())
_slots = st.integers(0, 7)
_draws = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4)


# Booleans stand in order where hypothesis calls by name: FBT001 does not know that.
class StoreMachine(RuleBasedStateMachine):
    """Drives a store beside the model; see `machine`."""

    new: ClassVar[staticmethod[[], Store]]
    reopened: ClassVar[staticmethod[[Store], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = type(self).new()
        self.model = Model()

    def teardown(self) -> None:
        self.store.close()

    @rule(run=_runs, draws=_draws, owner=_owners, policy=st.sampled_from(Policy))
    def acquire(self, run: Run, draws: list[str], owner: str, policy: Policy) -> None:
        self.model.asker = owner
        grants = self.store.acquire(run, F, draws, owner=owner, policy=policy)
        assert len(grants) == len(draws)
        for place in self.model.turn(run, draws):
            draw, grant = draws[place], grants[place]
            index = self.model.choose(run, draw, policy)
            assert grant.index == index, (draw, grant, index)
            if index >= 0:
                self.model.take(run, draw, index)
                self.check(grant, owner)
            else:
                assert grant == Grant(index=-1)

    @rule(index=_slots, owner=_owners)
    def poll(self, index: int, owner: str) -> None:
        self.model.asker = owner
        if index < self.model.top:
            self.check(self.store.poll(F, index, owner=owner), owner)

    @rule(index=_slots, right=st.booleans())
    def renew(self, index: int, right: bool) -> None:  # noqa: FBT001
        token = self.model.leases.get(index, ("", "1" * 32))[1]
        known = right and index in self.model.leases
        assert self.store.renew(F, index, token if right else "0" * 32) == known

    @rule(index=_slots, draw=st.sampled_from("abcde"))
    def fill(self, index: int, draw: str) -> None:
        if index < self.model.top:
            token = self.model.leases.pop(index, ("", "0" * 32))[1]
            sample = a_sample(draw, b"%d" % len(self.model.samples))
            won = index not in self.model.samples
            kept = self.store.fill(F, index, token, sample, question=QUESTION).result(60)
            assert kept == self.model.samples.setdefault(index, sample)
            if won:
                self.model.bought.setdefault(draw, index)

    @rule(index=_slots, run=_runs, keeps=st.booleans())
    def release(self, index: int, run: Run, keeps: bool) -> None:  # noqa: FBT001
        if index in self.model.leases:
            token = self.model.leases.pop(index)[1]
            self.store.release(run, F, index, token, keeps=keeps)
            if not keeps:
                self.model.give_up(run, index)

    @rule(run=_ids, member=_members, alive=st.booleans(), lasting=st.booleans())
    def enter(self, run: str, member: str, alive: bool, lasting: bool) -> None:  # noqa: FBT001
        owner = here() if alive else dead_owner()
        self.store.enter(run, member, owner=owner, lasting=lasting)
        self.store.collect()  # what it does by itself anyway, some time
        self.model.members.setdefault(run, {})[member] = alive
        self.model.lasting.setdefault(run, lasting)
        self.model.forget_if_over(run)

    @rule(run=_ids, member=_members)
    def leave(self, run: str, member: str) -> None:
        self.store.leave(run, member)
        self.model.members.get(run, {}).pop(member, None)
        self.model.forget_if_over(run, left=True)

    @rule()
    def reopen(self) -> None:
        self.store = type(self).reopened(self.store)

    @invariant()
    def holds_the_same(self) -> None:
        assert dict(self.store.samples(F)) == self.model.samples

    def check(self, grant: Grant, owner: str) -> None:
        """Hold *grant* against the model's slot, and let the model lead it too."""
        index, state = grant.index, self.model.state(grant.index)
        assert (grant.sample is not None) == (state == "hit")
        assert (grant.token != "") == (state == "lead")
        assert grant.sample == self.model.samples.get(index)
        if grant.token:
            self.model.leases[index] = (owner, grant.token)
            self.model.top = max(self.model.top, index + 1)


def machine(new: Callable[[], Store], reopen: Callable[[Store], Store]) -> type[StoreMachine]:
    """Return a state machine that drives a store made by *new* beside the model.

    Args:
        new: Returns an empty store.
        reopen: Returns another handle on what a store keeps; the old one is not used again.
    """
    return type(
        "Machine", (StoreMachine,), {"new": staticmethod(new), "reopened": staticmethod(reopen)}
    )
