"""What is left of a vocabulary, against the processors of transformers."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from cachesaver.local import Params
from cachesaver.local.filters import Filters

CPU = torch.device("cpu")
LOGITS = torch.randn((3, 50), generator=torch.Generator().manual_seed(0)) * 2


def filtered(logits: torch.Tensor, *params: Params) -> torch.Tensor:
    changed = logits.clone()
    Filters(params, CPU).apply(changed)
    return changed


@pytest.mark.parametrize("k", [1, 3, 49, 50, 1000])
def test_top_k_leaves_what_transformers_leaves(k: int) -> None:
    expected = TopKLogitsWarper(k)(torch.zeros(0), LOGITS)  # type: ignore[arg-type, unused-ignore]

    assert torch.equal(filtered(LOGITS, *[Params(top_k=k)] * 3), expected)


@pytest.mark.parametrize("p", [0.01, 0.3, 0.9, 0.999])
def test_top_p_leaves_what_transformers_leaves(p: float) -> None:
    expected = TopPLogitsWarper(p)(torch.zeros(0), LOGITS)  # type: ignore[arg-type, unused-ignore]

    assert torch.equal(filtered(LOGITS, *[Params(top_p=p)] * 3), expected)


@pytest.mark.parametrize("p", [0.01, 0.3, 1.0])
def test_min_p_leaves_what_transformers_leaves(p: float) -> None:
    expected = MinPLogitsWarper(p)(torch.zeros(0), LOGITS)  # type: ignore[arg-type, unused-ignore]

    assert torch.equal(filtered(LOGITS, *[Params(min_p=p)] * 3), expected)


def test_each_row_has_its_own() -> None:
    mixed = (Params(top_k=2), Params(), Params(top_p=0.5, top_k=30, min_p=0.2))

    together = filtered(LOGITS, *mixed)

    alone = [filtered(LOGITS[at : at + 1], each) for at, each in enumerate(mixed)]
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(together[1], LOGITS[1])


def test_of_equals_the_first_ones_stay() -> None:
    left = filtered(torch.zeros((1, 6)), Params(top_k=2))

    assert left.tolist() == [[0, 0, *[-math.inf] * 4]]


def test_top_p_works_on_what_top_k_left() -> None:
    """Given shares of 4, 3, 2 and 1 tenths, when two are left, then 0.57 holds the first alone."""
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()

    left = filtered(logits, Params(top_k=2, top_p=0.57))

    assert (left > -math.inf).tolist() == [[True, False, False, False]]
