"""The randomness of a draw: a pure function of seed, sample, position and token.

The same bits come out on every device, in any batch and in any order: nothing is drawn from a state.
It is SplitMix64, whose output number *w* can be had without those before it: Steele, Lea and Flood,
"Fast splittable pseudorandom number generators" (OOPSLA 2014), figure 14. Four of them are nested: the
output number *seed* of the generator started at 0 starts one for the samples, and so on to the token.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

__all__ = ["bits", "gumbel", "sample_key"]

_GAMMA = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
_WORD = (1 << 64) - 1
_BELOW_ONE = 1 - 2**-24
"""The greatest float32 below 1."""


def sample_key(seed: int, index: int) -> int:
    """Return where the randomness of sample *index* (from 0) of *seed* starts, as a signed 64-bit."""
    return _signed(_output(_output(0, seed), index))


def bits(keys: Tensor, positions: Tensor, vocabulary: int) -> Tensor:
    """Return 63 random bits for each row and token.

    Args:
        keys: Per row, a `sample_key`; int64, of shape (rows,).
        positions: Per row, which token of the answer is drawn, from 0; int64, of shape (rows,).
        vocabulary: How many tokens there are.

    Returns:
        int64, not negative, of shape (rows, vocabulary).
    """
    starts = _outputs(keys + (positions + 1) * _signed(_GAMMA))
    words = _outputs(starts[:, None] + _steps(vocabulary, keys.device)[None, :])
    return _shifted(words, 1)


def gumbel(keys: Tensor, positions: Tensor, vocabulary: int) -> Tensor:
    """Return noise of the standard Gumbel distribution, float32, of shape (rows, vocabulary).

    The token with the greatest sum of logit and noise is a draw from the softmax of the logits.
    Large noise, which decides, is the fine end: it comes from the small numbers of a float.
    """
    uniform = (bits(keys, positions, vocabulary).to(torch.float32) + 0.5).mul_(2.0**-63)
    return uniform.clamp_(max=_BELOW_ONE).neg_().log1p_().neg_().log_().neg_()


@functools.lru_cache(maxsize=8)
def _steps(vocabulary: int, device: torch.device) -> Tensor:
    return torch.arange(1, vocabulary + 1, device=device) * _signed(_GAMMA)


def _output(start: int, word: int) -> int:
    """Return output number *word* of SplitMix64 that starts at *start*."""
    value = (start + (word + 1) * _GAMMA) & _WORD
    for shift, factor in _MIX:
        value = ((value ^ (value >> shift)) * factor) & _WORD
    return value ^ (value >> _LAST_SHIFT)


def _outputs(values: Tensor) -> Tensor:
    """Do as `_output` does, in int64, whose products wrap; *values* is used up."""
    for shift, factor in _MIX:
        values.bitwise_xor_(_shifted(values, shift)).mul_(_signed(factor))
    return values.bitwise_xor_(_shifted(values, _LAST_SHIFT))


def _shifted(values: Tensor, by: int) -> Tensor:
    """Shift right without the sign."""
    return (values >> by).bitwise_and_((1 << (64 - by)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
