"""The last word of a draw: the token of each row whose logit and noise are the greatest together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from cachesaver.local import kernels
from cachesaver.local.noise import gumbel, sample_key

__all__ = ["NONE", "Pick", "find_pick", "pick"]

NONE = -1
"""Instead of a token, where a row's greatest sum is no finite number."""

Pick: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""What `pick` is."""


def pick(scores: Tensor, heat: Tensor, is_drawn: Tensor, keys: Tensor, positions: Tensor) -> Tensor:
    """Return a token of each row, or `NONE`; of equal ones the first.

    Args:
        scores: (rows, vocabulary), of any float type; not changed.
        heat: float32, (rows, 1); scores are divided by it.
        is_drawn: bool, (rows, 1); false: there is no noise.
        keys: See `noise.bits`.
        positions: See `noise.bits`.

    Returns:
        int64, (rows,).
    """
    sums = scores.to(torch.float32) / heat
    sums += torch.where(is_drawn, gumbel(keys, positions, scores.shape[1]), 0.0)
    best, tokens = sums.max(dim=-1)
    return torch.where(torch.isfinite(best), tokens, NONE)


@functools.cache
def find_pick(device: torch.device) -> Pick:
    """Return the fastest way for *device* that was seen to do what `pick` does."""
    if device.type != "cuda":
        return pick
    is_right = functools.partial(_agree, device=device, types=_TYPES)
    return kernels.find("tokens are drawn", _load, is_right) or pick


def _load() -> Pick:
    from cachesaver.local.picking_kernel import pick as by_kernel

    return by_kernel


_WIDTH, _ROWS = 5003, 6
"""Of what is tried: more than one piece of a kernel, and no multiple of any."""

_TYPES = (torch.float32, torch.bfloat16, torch.float16)


def _agree(other: Pick, device: torch.device, types: Iterable[torch.dtype]) -> bool:
    """Tell whether *other* draws as `pick` does: warm, hot, without noise, and where there is no number."""
    for dtype in types:
        scores = torch.arange(_ROWS * _WIDTH, device=device).reshape(_ROWS, _WIDTH).sin().to(dtype)
        scores[4, 17], scores[5] = torch.nan, -torch.inf
        heat = torch.tensor([[1.0], [0.7], [1.0], [1.3], [1.0], [1.0]], device=device)
        is_drawn = torch.tensor([[True], [True], [False], [True], [True], [True]], device=device)
        keys = torch.tensor([sample_key(3, row) for row in range(_ROWS)], device=device)
        rest = (heat, is_drawn, keys, torch.arange(_ROWS, device=device))
        if not torch.equal(pick(scores, *rest), other(scores, *rest)):
            return False
    return True
