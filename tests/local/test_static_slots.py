"""Slots that never move hold each row's own keys and values, whatever joins, leaves or grows."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cachesaver.local.memory import States
from cachesaver.local.static_slots import StaticSlots, slot_length

CPU = torch.device("cpu")


def states(length: int, value: float) -> States:
    """Return two layers of what was read: keys of *value*, wider values of its negative."""
    keys = torch.full((1, 2, length, 3), float(value))
    values = torch.full((1, 1, length, 5), -float(value))
    return [(keys + layer, values - layer) for layer in range(2)]


def static(cells: int = 2000, rows: int = 8) -> StaticSlots:
    return StaticSlots(states(1, 0), cells=cells, rows=rows, device=CPU)


def places(slots: StaticSlots) -> list[tuple[int, torch.Size]]:
    return [(each.data_ptr(), each.shape) for each in slots.tensors]


def step(slots: StaticSlots, news: list[float]) -> list[list[float]]:
    """Write one token per row in both layers, and return what each row sees in the second."""
    _, mask = slots.open_step()
    new = torch.tensor(news)[:, None, None, None]
    slots.cache.update(new.expand(-1, 2, 1, 3), -new.expand(-1, 1, 1, 5), 0)
    new = new + 1
    keys, values = slots.cache.update(new.expand(-1, 2, 1, 3), -new.expand(-1, 1, 1, 5), 1)
    slots.close_step()
    return [seen(*row) for row in zip(keys, values, mask, strict=True)]


def seen(keys: Tensor, values: Tensor, mask: Tensor) -> list[float]:
    shown: list[float] = keys[1, mask[0, 0], 2].tolist()
    assert (-values[0, mask[0, 0], 4]).tolist() == shown
    assert torch.isfinite(keys).all()
    assert torch.isfinite(values).all()
    return shown


@given(st.integers(1, 100), st.integers(1, 3000), st.integers(1, 100), st.integers(0, 100_000))
def test_slots_are_long_enough_and_enough(rows: int, length: int, more: int, spare: int) -> None:
    cells = rows * length + spare

    long = slot_length(rows, length, most=rows + more, cells=cells)

    assert long >= length
    assert rows * long <= cells


@pytest.mark.parametrize(
    ("rows", "length", "expected"),
    [
        (1, 1, 248),  # 8 rows have 250 cells each
        (8, 248, 248),
        (1, 249, 496),
        (4, 496, 496),
        (4, 500, 500),  # twice as long would be too much: what there is
        (1, 1500, 1984),
        (1, 1985, 2000),
    ],
)
def test_slots_have_few_lengths(rows: int, length: int, expected: int) -> None:
    assert slot_length(rows, length, most=8, cells=2000) == expected


def test_memory_is_taken_at_once_and_no_more_than_promised() -> None:
    slots = static(cells=2000)

    assert [each.numel() for each in slots.tensors] == [2000 * 2 * 3, 2000 * 5] * 2


@given(st.integers(0, 2**32))
def test_any_coming_and_going_moves_nothing_and_leaves_each_row_its_own(seed: int) -> None:
    """Given slots that are not in use full of no numbers, when rows join, grow and leave at random, then
    each sees what a model of lists says, nothing hidden is no number, and the memory is where it was.
    """
    dice = random.Random(seed)  # noqa: S311  # no secret
    slots = static(cells=600, rows=4)
    for each in slots.tensors:
        each.fill_(torch.nan)
    before = places(slots)
    expected: list[list[float]] = []
    lengths = set[int]()
    for _ in range(40):
        what = dice.random()
        length = dice.randint(1, 150)
        if what < 0.3 and slots.has_room(2, length + 1):
            value = dice.randint(1, 1000)
            slots.seat(states(length, value), 2)
            expected += [[value + 1.0] * length for _ in range(2)]
        elif what < 0.5 and expected:
            gone = dice.sample(range(len(expected)), dice.randint(1, len(expected)))
            for old, place in slots.remove(gone):
                expected[place] = expected[old]
            del expected[len(expected) - len(gone) :]
        elif expected and slots.has_room(0, max(slots.lengths) + 1):
            news = [float(dice.randint(1, 1000)) for _ in expected]
            found = step(slots, news)
            for row, new in zip(expected, news, strict=True):
                row.append(new + 1)
            assert found == expected
            lengths.add(slots.shape[1])

    assert places(slots) == before


def test_when_all_have_left_slots_are_many_again() -> None:
    slots = static()
    slots.seat(states(1000, 1), 1)
    assert slots.shape == (1, 1984)

    slots.remove([0])
    slots.seat(states(3, 1), 1)

    assert slots.shape == (8, 248)
