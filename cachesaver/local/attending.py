"""Attention of one new token in each row, on CUDA: heads that share keys are served by one reading of them.

Where there is a mask, `sdpa` of transformers asks PyTorch in a form for which its kernels read keys at
half the speed of memory; cuDNN has one that is told of the groups, and reads them at nearly all of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor
from torch.backends.cuda import SDPAParams, can_use_cudnn_attention
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

__all__ = ["attend", "attend_in_groups", "attending"]

_NAME = "cachesaver-step"
_FOR = "sdpa"


@contextlib.contextmanager
def attending(config: Any, device: torch.device) -> Generator[None, None, None]:
    """Within it, the model of *config* attends so, if it does by `sdpa` and is on CUDA."""
    is_ours = config._attn_implementation == _FOR and device.type == "cuda"  # noqa: SLF001  # no public name
    if is_ours:
        config._attn_implementation = _NAME  # noqa: SLF001
    try:
        yield
    finally:
        if is_ours:
            config._attn_implementation = _FOR  # noqa: SLF001


def attend(
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
        more: What a model has of its own; if it is anything that is known here, all is left to `sdpa`.

    Returns:
        (rows, tokens, heads, width), and nothing.
    """
    if not dropout and not any(more.get(name) is not None for name in _NOT_OURS):
        params = SDPAParams(query, key, value, attention_mask, 0.0, False, True)  # noqa: FBT003
        if query.shape[2] == 1 and can_use_cudnn_attention(params):
            with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                return attend_in_groups(query, key, value, attention_mask, scaling), None
    found, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return found, None


def attend_in_groups(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None
) -> Tensor:
    """Do what `attend` does, for heads in groups, one after the other, that share keys."""
    found = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True
    )
    return found.transpose(1, 2).contiguous()


_NOT_OURS = ("softcap", "s_aux", "position_bias", "sliding_window")

AttentionInterface.register(_NAME, attend)
