"""What is left of the vocabulary before a draw: the most likely tokens, per row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cachesaver.local.params import Params

__all__ = ["Filters"]


class Filters:
    """The *top_k*, *top_p* and *min_p* of the rows that have any."""

    def __init__(self, params: Sequence[Params], device: torch.device) -> None:
        chosen = [row for row, each in enumerate(params) if each.is_filtered]
        picked = [params[row] for row in chosen]
        self._rows = torch.tensor(chosen, dtype=torch.long, device=device)
        self._top_k = _column([each.top_k or math.inf for each in picked], device)
        self._top_p = _column([each.top_p for each in picked], device)
        self._min_p = _column([each.min_p for each in picked], device)
        self._is_idle = not chosen

    def apply(self, logits: Tensor) -> None:
        """Set what is left out to minus infinity, in *logits* (rows, vocabulary) after temperature."""
        if self._is_idle:
            return
        ranked, tokens = logits[self._rows].sort(dim=-1, descending=True, stable=True)
        dropped = torch.empty_like(ranked, dtype=torch.bool)
        dropped.scatter_(1, tokens, self._drops(ranked))
        logits[self._rows] = logits[self._rows].masked_fill_(dropped, -math.inf)

    def _drops(self, ranked: Tensor) -> Tensor:
        """Tell what to leave out of *ranked*, which falls from left to right."""
        drops = torch.arange(ranked.shape[1], device=ranked.device)[None, :] >= self._top_k
        chances = ranked.masked_fill(drops, -math.inf).softmax(dim=-1)
        before = chances.cumsum(dim=-1) - chances
        drops |= before >= self._top_p
        drops |= chances < self._min_p * chances[:, :1]
        drops[:, 0] = False
        return drops


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None]
