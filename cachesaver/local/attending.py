"""Attention of one new token in each row, on CUDA: keys are read once for all heads that share them.

Where there is a mask, `sdpa` of transformers asks PyTorch in a form for which its kernels read keys at
half the speed of memory, and as many of each row as of the longest. A kernel of our own reads each row's
own; where there is no Triton, cuDNN has one that is told of the groups.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor
from torch.backends.cuda import SDPAParams, can_use_cudnn_attention
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from cachesaver.local import kernels

__all__ = ["Layers", "attend", "attend_in_groups", "attending", "find_kernel"]

_NAME = "cachesaver-step"
_FOR = "sdpa"
_NOT_OURS = ("softcap", "s_aux", "position_bias", "sliding_window")
"""What a model may hand on that is not known here."""


class Layers:
    """How many layers of a step read each row's own text alone, and how many all that is visible."""

    def __init__(self) -> None:
        self.own = 0
        self.all = 0

    @property
    def are_own(self) -> bool:
        """Whether no layer reads more than a row's own text: what else is visible costs it nothing."""
        return self.own > 0 and not self.all


class _Step(threading.local):
    """Of this thread: the last cell that each row may look at; `None`: there is no telling."""

    ends: Tensor | None = None
    layers = Layers()


_step = _Step()


@contextlib.contextmanager
def attending(config: Any, ends: Tensor) -> Generator[Layers, None, None]:
    """Within it, the model of *config* attends so, if it does by `sdpa` and *ends* is on CUDA.

    Args:
        config: Of the decoder.
        ends: int64, (rows,): see `_Step`.

    Yields:
        What its layers did; nothing where it does not attend so.
    """
    layers = Layers()
    if config._attn_implementation != _FOR or ends.device.type != "cuda":  # noqa: SLF001  # no public name
        yield layers
        return
    config._attn_implementation, _step.ends, _step.layers = _NAME, ends, layers  # noqa: SLF001
    try:
        yield layers
    finally:
        config._attn_implementation, _step.ends = _FOR, None  # noqa: SLF001


def attend(  # noqa: PLR0913, PLR0917  # as transformers calls it
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Do what `sdpa` of transformers does: https://huggingface.co/docs/transformers/attention_interface.

    Args:
        module: One layer's.
        query: (rows, heads, tokens, width).
        key: (rows, heads of keys, length, width).
        value: As *key*.
        attention_mask: (rows, 1, tokens, length), bool or to be added.
        dropout: 0: nothing is trained here.
        scaling: Of the products.
        more: What a model has of its own; if it is anything that is not known here, `sdpa` does it all.

    Returns:
        (rows, tokens, heads, width), and nothing.
    """
    is_known = not dropout and not any(more.get(name) is not None for name in _NOT_OURS)
    if is_known and attention_mask is not None and query.shape[2] == 1:
        if (found := _to_own(query, key, value, attention_mask, scaling)) is not None:
            _step.layers.own += 1
            return found, None
        if (found := _by_cudnn(query, key, value, attention_mask, scaling)) is not None:
            _step.layers.all += 1
            return found, None
    _step.layers.all += 1
    found, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return found, None


def _to_own(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None
) -> Tensor | None:
    """Return what each row's own text gives; `None`: the kernel does not know such."""
    ends = _step.ends
    kernel = None if ends is None else find_kernel(ends.device)
    if kernel is None or not kernel.knows(query, key, value, mask):
        return None
    found: Tensor = kernel.attend_to_own(query, key, value, mask, ends, scaling)
    return found


@functools.cache
def find_kernel(device: torch.device) -> Any:
    """Return the module `attention_kernel` if it was seen to be right on *device*, or `None`.

    It looks at what comes out, so it is to be asked before a step is recorded.
    """
    if device.type != "cuda":
        return None
    return kernels.find("attention is", _load, functools.partial(_is_always_right, device=device))


def _load() -> Any:
    from cachesaver.local import attention_kernel

    return attention_kernel


def _is_always_right(kernel: Any, device: torch.device) -> bool:
    return all(
        _is_right(kernel, device, rows, dtype)
        for rows in (1, 300)
        for dtype in (torch.bfloat16, torch.float16)
    )


_LENGTH, _WIDTH = 700, 64
_CLOSE = 1e-2
"""Of what is right, as a whole: half precision has three digits, and a mistake is of its size."""


def _is_right(kernel: Any, device: torch.device, rows: int, dtype: torch.dtype) -> bool:
    """Tell whether *kernel* gives what is right, for rows of any length beside cells of great numbers."""
    numbers = torch.arange(rows * 4 * _LENGTH * _WIDTH, device=device).sin().mul_(3).to(dtype)
    key = numbers.reshape(rows, 4, _LENGTH, _WIDTH)[:, :2]
    query, value = key[:, :, :2].reshape(rows, 4, 1, _WIDTH), key.roll(1, 3)
    ends = torch.arange(rows, device=device) * 37 % _LENGTH
    hidden = torch.arange(_LENGTH, device=device)[None] > ends[:, None]
    mask = torch.zeros((rows, _LENGTH), dtype=dtype, device=device)
    mask = mask.masked_fill_(hidden, torch.finfo(dtype).min)[:, None, None, :]
    found = kernel.attend_to_own(query, key, value, mask, ends, None)
    wanted = attend_in_groups(query.float(), key.float(), value.float(), mask.float(), None)
    return bool((found - wanted).norm() <= _CLOSE * wanted.norm())


def _by_cudnn(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None
) -> Tensor | None:
    """Return what cuDNN gives; `None`: it does not know such."""
    if not can_use_cudnn_attention(SDPAParams(query, key, value, mask, 0.0, False, True)):
        return None
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        return attend_in_groups(query, key, value, mask, scaling)


def attend_in_groups(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None
) -> Tensor:
    """Do what `attend` does, for heads in groups, one after the other, that share keys."""
    found = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
    )
    return found.transpose(1, 2).contiguous()


AttentionInterface.register(_NAME, attend)
