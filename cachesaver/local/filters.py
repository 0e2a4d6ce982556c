"""What is left of the vocabulary before a draw: the most likely tokens, per row.

To sort a vocabulary takes longer than a small model's step, and nearly always what is left is among the
first few hundred: those alone are ranked. A row of which more may be left is sorted as a whole. Which way
a row goes depends on nothing but the row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cachesaver.local.params import Params

__all__ = ["Filters"]

_NEAR = 512
"""Tokens that are ranked at first."""


class _Bounds(NamedTuple):
    """Of some rows, each (rows, 1); a row that has none has one that leaves all."""

    top_k: Tensor
    top_p: Tensor
    min_p: Tensor


class Filters:
    """The *top_k*, *top_p* and *min_p* of the rows that have any."""

    def __init__(self, params: Sequence[Params], device: torch.device) -> None:
        chosen = [row for row, each in enumerate(params) if each.is_filtered]
        picked = [params[row] for row in chosen]
        self._rows = torch.tensor(chosen, dtype=torch.long, device=device)
        self._bounds = _Bounds(
            _column([each.top_k or math.inf for each in picked], device),
            # Sums of rounded chances come to 1 before the last of them.
            _column([each.top_p if each.top_p < 1 else math.inf for each in picked], device),
            _column([each.min_p for each in picked], device),
        )
        self._is_idle = not chosen
        self._is_limited = self._bounds.top_k[:, 0].isfinite()
        self._are_limited = all(each.top_k for each in picked)

    def apply(self, logits: Tensor) -> None:
        """Set what is left out to minus infinity, in *logits* (rows, vocabulary) after temperature."""
        if self._is_idle:
            return
        own = logits[self._rows]
        ranked, tokens = own.topk(min(_NEAR, own.shape[1]))
        drops = _drops(self._chances(own, ranked, tokens), self._bounds)
        left = _first(own, ranked, drops)
        if drops.shape[1] < own.shape[1]:
            # More may be left, or a top_k of as many decides what the chances are.
            is_open = ~drops[:, -1] | (self._bounds.top_k > drops.shape[1])[:, 0] & self._is_limited
            if is_open.any():
                left[is_open] = _sorted(own[is_open], _Bounds(*(e[is_open] for e in self._bounds)))
        logits[self._rows] = own.masked_fill_(~left, -math.inf)

    def _chances(self, own: Tensor, ranked: Tensor, tokens: Tensor) -> Tensor:
        """Return the chances of *ranked*, where *top_k* leaves no more than those, or all."""
        among_near = _limited(ranked, self._bounds.top_k).softmax(dim=-1)
        if self._are_limited or ranked.shape[1] == own.shape[1]:
            return among_near
        among_all = own.softmax(dim=-1).gather(1, tokens)
        return torch.where(self._is_limited[:, None], among_near, among_all)


def _limited(ranked: Tensor, top_k: Tensor) -> Tensor:
    return ranked.masked_fill(
        torch.arange(ranked.shape[1], device=ranked.device) >= top_k, -math.inf
    )


def _drops(chances: Tensor, bounds: _Bounds) -> Tensor:
    """Tell what to leave out, by *chances* that fall from left to right: all from some rank on."""
    drops = torch.arange(chances.shape[1], device=chances.device) >= bounds.top_k
    drops[:, 1:] |= chances.cumsum(dim=-1)[:, :-1] >= bounds.top_p
    drops |= chances < bounds.min_p * chances[:, :1]
    drops[:, 0] = False
    return drops


def _first(own: Tensor, ranked: Tensor, drops: Tensor) -> Tensor:
    """Tell which of *own* have the ranks that are not dropped; of equal ones the first have the better.

    A row with what is no number keeps that: it may be left whole.
    """
    counts = (~drops).sum(dim=-1, keepdim=True)
    least = ranked.gather(1, counts - 1)
    above, equal = ~(own <= least), own == least
    room = counts - above.sum(dim=-1, keepdim=True)
    is_tied = (equal.sum(dim=-1, keepdim=True) > room)[:, 0]
    if is_tied.any():
        equal[is_tied] &= equal[is_tied].cumsum(dim=-1) <= room[is_tied]
    return above | equal


def _sorted(own: Tensor, bounds: _Bounds) -> Tensor:
    """Tell which of *own* are left, by looking at them all."""
    ranked, tokens = own.sort(dim=-1, descending=True, stable=True)
    drops = _drops(_limited(ranked, bounds.top_k).softmax(dim=-1), bounds)
    return torch.empty_like(drops).scatter_(1, tokens, ~drops)


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None]
