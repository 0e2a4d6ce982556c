"""Slots hold each row's own keys and values, whatever joins, leaves or grows."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cachesaver.local.memory import States
from cachesaver.local.slots import Slots, plan

CPU = torch.device("cpu")


@given(
    st.integers(1, 200),
    st.integers(1, 5000),
    st.tuples(st.integers(0, 300), st.integers(0, 3000)),
    st.integers(0, 100_000),
)
def test_a_plan_has_what_is_wanted_within_the_cells(
    rows: int, length: int, now: tuple[int, int], spare: int
) -> None:
    cells = max(rows * length, now[0] * now[1]) + spare

    shape = plan(rows, length, now=now, cells=cells)

    assert shape[0] >= rows
    assert shape[1] >= length
    assert shape[0] * shape[1] <= cells


@pytest.mark.parametrize(
    ("rows", "length", "now", "cells", "expected"),
    [
        (3, 60, (4, 64), 10_000, (4, 64)),
        (5, 60, (4, 64), 10_000, (8, 64)),
        (4, 65, (4, 64), 10_000, (4, 128)),
        (2, 500, (16, 64), 2_000, (2, 512)),
        (3, 500, (16, 64), 1_600, (3, 512)),
        (3, 500, (16, 64), 1_512, (3, 504)),
        (3, 501, (16, 64), 1_503, (3, 501)),
    ],
)
def test_a_plan_is_generous_while_it_can_be(
    rows: int, length: int, now: tuple[int, int], cells: int, expected: tuple[int, int]
) -> None:
    assert plan(rows, length, now=now, cells=cells) == expected


def states(length: int, value: float) -> States:
    """Return two layers of what was read: keys of *value*, values of its negative."""
    keys = torch.full((1, 2, length, 3), float(value))
    return [(keys + layer, -keys - layer) for layer in range(2)]


def step(slots: Slots, news: list[float]) -> list[tuple[Tensor, Tensor]]:
    """Write one token per row, in both layers; return the keys and the mask of the second."""
    _, mask = slots.open_step()
    new = torch.tensor(news, dtype=torch.float32)[:, None, None, None].expand(-1, 2, 1, 3)
    slots.cache.update(new, -new, 0)
    keys, values = slots.cache.update(new + 1, -new - 1, 1)
    slots.close_step()
    assert torch.equal(keys, -values)
    return list(zip(keys, mask, strict=True))


def visible(keys: Tensor, mask: Tensor) -> list[float]:
    """Return what a row sees, of one head and one width."""
    seen: list[float] = keys[1, mask[0, 0], 2].tolist()
    return seen


def test_each_row_sees_its_own_and_no_more() -> None:
    slots = Slots(layers=2, cells=1000, device=CPU)
    slots.seat(states(3, 10), 1)
    slots.seat(states(5, 20), 2)

    seen = [visible(*row) for row in step(slots, [1, 2, 3])]

    assert seen == [[11] * 3 + [2], [21] * 5 + [3], [21] * 5 + [4]]
    assert slots.lengths == [4, 6, 6]
    assert slots.used == 18


def test_positions_are_where_the_texts_end() -> None:
    slots = Slots(layers=2, cells=1000, device=CPU)
    slots.seat(states(3, 10), 1)
    slots.seat(states(5, 20), 1)

    positions, mask = slots.open_step()

    assert positions.tolist() == [[3], [5]]
    assert mask.shape[2:] == (1, 8)
    assert mask.sum(dim=-1).flatten().tolist() == [4, 6]
    assert slots.cache.get_seq_length() == 7
    assert slots.cache.get_mask_sizes(1, 0) == (8, 0)


def test_the_limit_is_the_engines() -> None:
    """Given either name that transformers has for it, then a layer names no limit of its own."""
    (layer,) = Slots(layers=1, cells=10, device=CPU).cache.layers

    assert layer.get_max_length() == layer.get_max_cache_shape() == -1


@given(st.integers(0, 2**32))
def test_any_coming_and_going_leaves_each_row_its_own(seed: int) -> None:
    """Given a model of lists, when rows join, grow and leave at random, then what is seen is the same."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    slots = Slots(layers=2, cells=2000, device=CPU)
    expected: list[list[float]] = []
    for _ in range(30):
        what = dice.random()
        length = dice.randint(1, 70)
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
            seen = [visible(*row) for row in step(slots, news)]
            for row, new in zip(expected, news, strict=True):
                row.append(new + 1)
            assert seen == expected


def test_room_is_rows_times_the_longest() -> None:
    slots = Slots(layers=2, cells=60, device=CPU)
    slots.seat(states(10, 1), 2)

    assert slots.has_room(4, 10)
    assert not slots.has_room(5, 10)
    assert slots.has_room(1, 20)
    assert not slots.has_room(1, 21)
    assert slots.has_room(0, 30)


@pytest.mark.parametrize("at_once", [1, 25, 1 << 15])
def test_who_is_behind_the_end_moves_together_as_far_as_it_may(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given few tokens that may be moved at once, then fewer rows are, and all are where it says."""
    monkeypatch.setattr("cachesaver.local.slots._AT_ONCE", at_once)
    slots = Slots(layers=2, cells=1000, device=CPU)
    for value in (10, 20, 30, 40, 50):
        slots.seat(states(value // 5, value), 1)
    moved = Counter[int]()
    for layer in slots.layers:
        monkeypatch.setattr(layer, "move", counting(layer.move, moved))

    moves = slots.remove([1, 0])

    assert moves == [(3, 0), (4, 1)]
    assert dict(moved) == ({1: 4} if at_once < 20 else {2: 2})
    assert [visible(*row) for row in step(slots, [1, 2, 3])] == [
        [41] * 8 + [2],
        [51] * 10 + [3],
        [31] * 6 + [4],
    ]


def counting(move: Any, moved: Counter[int]) -> Any:
    """Return *move*, which notes how many slots move together."""

    def noting(old: Any, new: Any, length: int) -> None:
        moved[len(old)] += 1
        move(old, new, length)

    return noting


def test_what_is_hidden_is_a_number() -> None:
    slots = Slots(layers=2, cells=1000, device=CPU)
    slots.seat(states(3, 10), 1)

    step(slots, [1])

    assert torch.isfinite(slots.cache.layers[0].own_keys).all()


def test_what_is_hidden_is_a_number_whatever_was_there_before() -> None:
    """Given rows of a model that gave no numbers, when others take their slots, then no trace is left."""
    slots = Slots(layers=2, cells=1000, device=CPU)
    slots.seat(states(3, 10), 1)
    slots.seat(states(20, float("nan")), 2)
    slots.seat(states(5, 30), 1)

    slots.remove([1])
    slots.remove([2])
    slots.seat(states(3, 40), 1)
    seen = [visible(*row) for row in step(slots, [1, 2, 3])]

    assert seen == [[11] * 3 + [2], [31] * 5 + [3], [41] * 3 + [4]]
    assert torch.isfinite(slots.cache.layers[0].own_keys[:3]).all()
