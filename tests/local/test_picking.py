"""Tokens are picked by the greatest sum of logit and noise, and by a kernel only if it picks the same."""

from __future__ import annotations

import functools
import logging
import math
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from cachesaver.local.noise import gumbel, sample_key
from cachesaver.local.picking import NONE, find_pick, pick

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    find_pick.cache_clear()
    yield
    find_pick.cache_clear()


def asked(rows: int, *, heat: float = 1.0, drawn: bool = True) -> tuple[Tensor, ...]:
    return (
        torch.full((rows, 1), heat),
        torch.full((rows, 1), drawn),
        torch.tensor([sample_key(9, row) for row in range(rows)]),
        torch.arange(rows),
    )


def test_the_greatest_sum_is_picked() -> None:
    scores = torch.randn((5, 700), generator=torch.Generator().manual_seed(1))
    heat, is_drawn, keys, positions = asked(5, heat=0.8)

    found = pick(scores, heat, is_drawn, keys, positions)

    assert found.tolist() == (scores / 0.8 + gumbel(keys, positions, 700)).argmax(1).tolist()


def test_without_noise_the_first_of_the_greatest() -> None:
    scores = torch.tensor([[0.0, 4, 4, 1], [3, 3, 3, 3]])

    assert pick(scores, *asked(2, drawn=False)).tolist() == [1, 0]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_where_there_is_no_number_there_is_no_token(wrong: float) -> None:
    scores = torch.zeros((3, 50))
    scores[0, 7], scores[2] = wrong, -math.inf

    first, second, third = pick(scores, *asked(3)).tolist()

    assert (first, third) == (NONE, NONE)
    assert 0 <= second < 50


def test_on_a_processor_no_kernel_is_looked_for() -> None:
    assert find_pick(CPU) is pick


class Kernels:
    """Stands for the module `kernels`, and for the device that it is tried on."""

    def __init__(self, picked: Any) -> None:
        self.pick = picked


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let what is tried on CUDA be tried here."""
    from cachesaver.local import picking

    real = picking._agree
    monkeypatch.setattr(picking, "_agree", lambda other, types, **_: real(other, CPU, types))
    return monkeypatch


def test_a_kernel_that_picks_the_same_is_used(here: pytest.MonkeyPatch) -> None:
    kernels = Kernels(functools.partial(pick))
    here.setitem(sys.modules, "cachesaver.local.picking_kernel", kernels)

    assert find_pick(CUDA) is kernels.pick


@pytest.mark.parametrize("late", [0, 2])
def test_a_kernel_that_picks_others_is_not(
    here: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, late: int
) -> None:
    """Given one that is wrong for the second type, or for all, then it is not used, and that is said."""
    calls: list[int] = []

    def wrong(*given: Tensor) -> Tensor:
        calls.append(1)
        found = pick(*given)
        return found.roll(1) if len(calls) > late else found

    here.setitem(sys.modules, "cachesaver.local.picking_kernel", Kernels(wrong))

    with caplog.at_level(logging.WARNING):
        assert find_pick(CUDA) is pick
    assert "drawn without a kernel of Triton: it gave something else" in caplog.text


def test_a_kernel_that_cannot_be_had_is_done_without_and_that_is_said(
    here: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here.setitem(sys.modules, "cachesaver.local.picking_kernel", None)

    assert find_pick(CUDA) is pick
    assert "drawn without a kernel of Triton: ModuleNotFoundError" in caplog.text
