from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from itertools import count

import pytest

from cachesaver.assignment import Outcome, Slot, assign, in_turn
from cachesaver.ports import Policy


@dataclass
class FakeView:
    """A view of given facts; an index is free unless it is among *taken*."""

    holds: dict[str, int] = field(default_factory=dict[str, int])
    memory: dict[str, int] = field(default_factory=dict[str, int])
    purchases: dict[str, int] = field(default_factory=dict[str, int])
    taken: set[int] = field(default_factory=set[int])
    slots: dict[int, Slot] = field(default_factory=dict[int, Slot])

    def held(self, draw: str) -> int | None:
        return self.holds.get(draw)

    def remembered(self, draw: str) -> int | None:
        return self.memory.get(draw)

    def bought(self, draw: str) -> int | None:
        return self.purchases.get(draw)

    def is_free(self, index: int) -> bool:
        return index not in self.taken

    def lowest_free(self) -> int:
        return next(index for index in count() if self.is_free(index))

    def lowest_with(self, slots: Container[Slot]) -> int | None:
        indexes = sorted(self.slots)
        return next((i for i in indexes if self.is_free(i) and self.slots[i] in slots), None)

    def next_new(self) -> int:
        return max(self.slots, default=-1) + 1

    def slot(self, index: int) -> Slot:
        return self.slots.get(index, Slot.EMPTY)


ALL = {0: Slot.STORED, 1: Slot.STORED, 2: Slot.STORED}


@pytest.mark.parametrize(
    ("view", "index"),
    [
        pytest.param(FakeView(), 0, id="nothing is known: the lowest"),
        pytest.param(FakeView(taken={0, 1}), 2, id="the lowest that is free"),
        pytest.param(FakeView(taken={1}), 0, id="a hole"),
        pytest.param(FakeView(holds={"d": 5}, memory={"d": 4}, taken={5}), 5, id="what it holds"),
        pytest.param(FakeView(memory={"d": 4}, purchases={"d": 3}), 4, id="what is remembered"),
        pytest.param(FakeView(memory={"d": 4}, purchases={"d": 3}, taken={4}), 3, id="bought"),
        pytest.param(FakeView(memory={"d": 4}, purchases={"d": 3}, taken={3, 4}), 0, id="neither"),
        pytest.param(FakeView(purchases={"x": 3}), 0, id="bought for another"),
    ],
)
def test_a_draw_gets(view: FakeView, index: int) -> None:
    assert assign(view, "d", Policy.RESERVE)[0] == index


@pytest.mark.parametrize(
    ("slot", "outcome"),
    [
        (Slot.EMPTY, Outcome.LEAD),
        (Slot.FLYING, Outcome.WAIT),
        (Slot.STORED, Outcome.HIT),
    ],
)
def test_what_stands_in_the_slot_decides_what_becomes_of_the_draw(
    slot: Slot, outcome: Outcome
) -> None:
    assert assign(FakeView(slots={0: slot}), "d", Policy.RESERVE) == (0, outcome)


@pytest.mark.parametrize(
    ("view", "decision"),
    [
        pytest.param(FakeView(), (-1, Outcome.MISSING), id="nothing"),
        pytest.param(FakeView(slots={2: Slot.STORED}), (2, Outcome.HIT), id="past the empty"),
        pytest.param(FakeView(slots={0: Slot.FLYING}), (0, Outcome.WAIT), id="in flight"),
        pytest.param(FakeView(holds={"d": 7}, slots=ALL), (0, Outcome.HIT), id="held but empty"),
        pytest.param(
            FakeView(memory={"d": 7}, slots=ALL), (0, Outcome.HIT), id="remembered, empty"
        ),
        pytest.param(FakeView(memory={"d": 2}, slots=ALL), (2, Outcome.HIT), id="remembered"),
        pytest.param(
            FakeView(taken={0, 1, 2}, slots=ALL), (-1, Outcome.MISSING), id="all of it taken"
        ),
    ],
)
def test_reading_gives(view: FakeView, decision: tuple[int, Outcome]) -> None:
    assert assign(view, "d", Policy.READ) == decision


@pytest.mark.parametrize(
    ("view", "decision"),
    [
        pytest.param(FakeView(slots=ALL), (3, Outcome.LEAD), id="a new one"),
        pytest.param(
            FakeView(memory={"d": 1}, slots=ALL), (3, Outcome.LEAD), id="not the remembered"
        ),
        pytest.param(
            FakeView(purchases={"d": 1}, slots=ALL), (3, Outcome.LEAD), id="nor the bought"
        ),
        pytest.param(FakeView(holds={"d": 1}, slots=ALL), (1, Outcome.HIT), id="what it holds"),
    ],
)
def test_fresh_gives(view: FakeView, decision: tuple[int, Outcome]) -> None:
    assert assign(view, "d", Policy.FRESH) == decision


@pytest.mark.parametrize(
    ("view", "decision"),
    [
        pytest.param(FakeView(slots=ALL), (0, Outcome.HIT), id="the lowest"),
        pytest.param(FakeView(), (-1, Outcome.MISSING), id="nothing"),
        pytest.param(FakeView(slots={1: Slot.STORED}), (-1, Outcome.MISSING), id="a hole is kept"),
        pytest.param(FakeView(slots={0: Slot.FLYING}), (0, Outcome.WAIT), id="in flight"),
        pytest.param(FakeView(memory={"d": 2}, slots=ALL), (2, Outcome.HIT), id="remembered"),
        pytest.param(
            FakeView(memory={"d": 3}, slots=ALL), (-1, Outcome.MISSING), id="remembered, empty"
        ),
        pytest.param(
            FakeView(holds={"d": 3}, slots=ALL), (-1, Outcome.MISSING), id="held but empty"
        ),
    ],
)
def test_what_is_stored_is_given_as_reserving_would(
    view: FakeView, decision: tuple[int, Outcome]
) -> None:
    assert assign(view, "d", Policy.STORED) == decision


@pytest.mark.parametrize(
    ("view", "decision"),
    [
        pytest.param(FakeView(), (0, Outcome.LEAD), id="nothing: a new one"),
        pytest.param(FakeView(slots={0: Slot.FLYING}), (1, Outcome.LEAD), id="past what flies"),
        pytest.param(
            FakeView(slots={0: Slot.FLYING, 1: Slot.STORED}), (1, Outcome.HIT), id="stored"
        ),
        pytest.param(
            FakeView(holds={"d": 0}, slots={0: Slot.FLYING, 1: Slot.STORED}),
            (1, Outcome.HIT),
            id="held, in flight",
        ),
        pytest.param(
            FakeView(memory={"d": 0}, purchases={"d": 2}, slots={**ALL, 0: Slot.FLYING}),
            (2, Outcome.HIT),
            id="remembered, in flight; bought",
        ),
        pytest.param(FakeView(holds={"d": 2}, slots=ALL), (2, Outcome.HIT), id="held"),
        pytest.param(FakeView(memory={"d": 2}, slots=ALL), (2, Outcome.HIT), id="remembered"),
        pytest.param(FakeView(taken={0, 1, 2}, slots=ALL), (3, Outcome.LEAD), id="all taken"),
    ],
)
def test_who_may_not_wait_gets(view: FakeView, decision: tuple[int, Outcome]) -> None:
    assert assign(view, "d", Policy.APART) == decision


def test_draws_of_which_something_is_known_take_their_turn_first() -> None:
    view = FakeView(holds={"h": 0}, memory={"m": 1, "h": 5}, purchases={"b": 2, "m": 3})

    turns = in_turn(view, ["new", "b", "newer", "m", "h", "b"])

    assert list(turns) == [4, 3, 1, 5, 0, 2]
