"""What is left of a vocabulary, against the processors of transformers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from cachesaver.local import Params, filters
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


CHOICES = st.builds(
    Params,
    top_k=st.sampled_from([0, 1, 3, 8, 9, 12, 30, 100]),
    top_p=st.sampled_from([0.05, 0.3, 0.7, 0.95, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 0.01, 0.2]),
)


def is_told_apart(row: torch.Tensor, params: Params) -> bool:
    """Tell whether no bound of *params* is so near to what it bounds that rounding decides."""
    ranked = row.double().sort(descending=True).values[: params.top_k or None]
    chances = ranked.softmax(dim=-1)
    sums = (chances.cumsum(dim=-1) - params.top_p).abs()
    return bool(sums.min() > 1e-5 and (chances / chances[0] - params.min_p).abs().min() > 1e-5)


@given(
    st.lists(st.tuples(CHOICES, st.floats(0, 4), st.integers(0, 99)), min_size=1, max_size=4),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_it_is_as_if_all_were_sorted(
    rows: list[tuple[Params, float, int]], dtype: torch.dtype
) -> None:
    """Given a few ranks that are looked at first, then as many are left, ties or not, of each row."""
    drawn = [torch.randn(50, generator=torch.Generator().manual_seed(seed)) for *_, seed in rows]
    heats = torch.tensor([heat for _, heat, _ in rows])[:, None]
    logits = (torch.stack(drawn) * heats).to(dtype).float().round(decimals=1)
    params = [each for each, *_ in rows]
    assume(all(map(is_told_apart, logits, params)))
    everything = filtered(logits, *params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters, "_NEAR", 8)
        near = filtered(logits, *params)
        alone = [filtered(logits[at : at + 1], each) for at, each in enumerate(params)]

    assert torch.equal(near, everything)
    assert torch.equal(near, torch.cat(alone))


@pytest.mark.parametrize("near", [2, 512])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("params", [Params(top_k=1), Params(top_p=0.5), Params(min_p=0.9)])
def test_what_is_no_number_stays(
    params: Params, broken: float, near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a logit that is no number, then it is left, for the draw to see it."""
    monkeypatch.setattr(filters, "_NEAR", near)
    logits = torch.tensor([[0.0, 3.0, broken, 2.0, 1.0]])

    left = filtered(logits, params)

    assert torch.equal(left[0, 2], logits[0, 2]) or left[0, 2].isnan()


def test_without_a_share_none_is_left_out_for_it() -> None:
    """Given chances whose sum is 1 before the last when rounded, when all are wanted, then all are left."""
    logits = torch.tensor([[20.0, *[-20.0] * 9]])

    left = filtered(logits, Params(top_k=9))

    assert (left > -math.inf).sum() == 9
