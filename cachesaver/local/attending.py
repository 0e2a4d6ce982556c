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
from importlib.util import find_spec
from typing import Any

from torch import Tensor
from torch.backends.cuda import SDPAParams, can_use_cudnn_attention
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

__all__ = ["attend", "attend_in_groups", "attending"]

_NAME = "cachesaver-step"
_FOR = "sdpa"
_NOT_OURS = ("softcap", "s_aux", "position_bias", "sliding_window")
"""What a model may hand on that is not known here."""


class _Step(threading.local):
    """Of this thread: the last cell that each row may look at; `None`: there is no telling."""

    ends: Tensor | None = None


_step = _Step()


@contextlib.contextmanager
def attending(config: Any, ends: Tensor) -> Generator[None, None, None]:
    """Within it, the model of *config* attends so, if it does by `sdpa` and *ends* is on CUDA.

    Args:
        config: Of the decoder.
        ends: int64, (rows,): see `_Step`.
    """
    if config._attn_implementation != _FOR or ends.device.type != "cuda":  # noqa: SLF001  # no public name
        yield
        return
    config._attn_implementation, _step.ends = _NAME, ends  # noqa: SLF001
    try:
        yield
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
        for way in (_to_own, _by_cudnn):
            found = way(query, key, value, attention_mask, scaling)
            if found is not None:
                return found, None
    found, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return found, None


def _to_own(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None
) -> Tensor | None:
    """Return what each row's own text gives; `None`: the kernel does not know such."""
    ends, kernel = _step.ends, _find_kernel()
    if ends is None or kernel is None or not kernel.knows(query, key, value, mask):
        return None
    found: Tensor = kernel.attend_to_own(query, key, value, mask, ends, scaling)
    return found


@functools.cache
def _find_kernel() -> Any:
    """Return the module `attention_kernel`, or `None` where there is no Triton."""
    if not find_spec("triton"):
        return None
    from cachesaver.local import attention_kernel

    return attention_kernel


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
