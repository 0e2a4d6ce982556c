"""What `picking.pick` does, by one kernel of Triton: scores are read once, and nothing else is written.

PyTorch's own operators read and write some twenty times as much, for the noise alone.
"""

# pyright: reportUntypedFunctionDecorator=false, reportIndexIssue=false, reportMissingParameterType=false
# The language of a kernel is Triton's, which knows no types but its own.

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language.extra import libdevice

from cachesaver.local.picking import NONE

__all__ = ["pick"]

_PIECE = 4096
_WARPS = 16

_jit: Any = triton.jit


@_jit
def _output(word):
    """Do as `noise._output` does, from the state on."""
    word = (word ^ ((word >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    word = (word ^ ((word >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return word ^ ((word >> 31) & 0x1FFFFFFFF)


@_jit
def _pick(
    scores,
    stride,
    heats,
    is_drawn,
    keys,
    positions,
    tokens,
    vocabulary,
    none: tl.constexpr,
    piece: tl.constexpr,
):
    gamma: tl.constexpr = -7046029254386353131
    row = tl.program_id(0).to(tl.int64)
    heat, noisy = tl.load(heats + row), tl.load(is_drawn + row)
    start = _output(tl.load(keys + row) + (tl.load(positions + row) + 1) * gamma)
    lane = tl.arange(0, piece)
    best = tl.full((piece,), float("-inf"), tl.float32)
    token = tl.zeros((piece,), tl.int32)
    broken = tl.zeros((piece,), tl.int32)
    for at in range(0, vocabulary, piece):
        each = at + lane
        score = tl.load(scores + row * stride + each, each < vocabulary, float("-inf"))
        total = tl.div_rn(score.to(tl.float32), heat)
        if noisy:
            bits = (_output(start + (each.to(tl.int64) + 1) * gamma) >> 1) & 0x7FFFFFFFFFFFFFFF
            uniform = tl.minimum((bits.to(tl.float32) + 0.5) * 2.0**-63, 1 - 2.0**-24)
            total -= tl.log(-libdevice.log1p(-uniform))
        broken |= (total != total).to(tl.int32)
        token = tl.where(total > best, each, token)
        best = tl.maximum(best, total)
    most = tl.max(best, 0)
    first = tl.min(tl.where(best == most, token, 0x7FFFFFFF), 0)
    is_number = (tl.max(broken, 0) == 0) & (most < float("inf")) & (most > float("-inf"))
    tl.store(tokens + row, tl.where(is_number, first, none).to(tl.int64))


def pick(scores: Tensor, heat: Tensor, is_drawn: Tensor, keys: Tensor, positions: Tensor) -> Tensor:
    """See `picking.pick`; all on one device of CUDA."""
    rows, vocabulary = scores.shape
    scores = scores if scores.stride(1) == 1 else scores.contiguous()
    tokens = torch.empty(rows, dtype=torch.long, device=scores.device)
    with torch.cuda.device(scores.device):
        _pick[(rows,)](
            scores,
            scores.stride(0),
            heat,
            is_drawn,
            keys,
            positions,
            tokens,
            vocabulary,
            none=NONE,
            piece=_PIECE,
            num_warps=_WARPS,
            enable_fp_fusion=False,  # the noise is to be PyTorch's, to the bit
        )
    return tokens
