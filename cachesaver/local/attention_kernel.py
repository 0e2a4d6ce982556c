"""Attention of one new token in each row, by a kernel of Triton that reads each row's own text alone.

Kernels of PyTorch read as many cells of each row as the longest has, and hide the rest; where texts are of
many lengths, that is most of them.
"""

# pyright: reportUntypedFunctionDecorator=false, reportIndexIssue=false, reportMissingParameterType=false
# The language of a kernel is Triton's, which knows no types but its own.

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["attend_to_own", "count_parts", "knows"]

_SHAPES = {64: (32, 2, 4), 128: (32, 4, 4), 256: (64, 4, 3)}
"""Up to which width: cells that are read at a time, warps, and how many reads are under way.

On an H200, 128 rows of 576 cells with 8 heads of keys took 44 us of width 64 by the first, where the last
took 53; of width 128, 84 where the last took 87.
"""

_LEAST = 256
"""Cells for which it pays to let another program read them."""

_PROGRAMS = 264
"""Enough for any device: an H100 has 132 processors."""

_WIDEST = 256
_TYPES = (torch.bfloat16, torch.float16)

_jit: Any = triton.jit


@_jit
def _attend(
    queries,
    query_row,
    query_head,
    keys,
    key_row,
    key_head,
    key_cell,
    values,
    value_row,
    value_head,
    value_cell,
    masks,
    mask_row,
    ends,
    sums,
    tops,
    weights,
    scale,
    heads: tl.constexpr,
    group: tl.constexpr,
    width: tl.constexpr,
    padded_group: tl.constexpr,
    padded_width: tl.constexpr,
    cells: tl.constexpr,
    parts: tl.constexpr,
):
    row, head, part = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    length = tl.load(ends + row).to(tl.int32) + 1
    share = tl.cdiv(tl.cdiv(length, parts), cells) * cells
    first = part * share
    last = tl.minimum(first + share, length)
    one, across, cell = (
        tl.arange(0, padded_group),
        tl.arange(0, padded_width),
        tl.arange(0, cells),
    )
    is_one, is_across = one < group, across < width
    query = tl.load(
        queries + row * query_row + (head * group + one)[:, None] * query_head + across[None, :],
        is_one[:, None] & is_across[None, :],
        0.0,
    )
    top = tl.full((padded_group,), -1e30, tl.float32)
    weight = tl.zeros((padded_group,), tl.float32)
    total = tl.zeros((padded_group, padded_width), tl.float32)
    for at in range(first, last, cells):
        each = at + cell
        is_own = each < last
        key = tl.load(
            keys + row * key_row + head * key_head + each[None, :] * key_cell + across[:, None],
            is_own[None, :] & is_across[:, None],
            0.0,
        )
        more = tl.load(masks + row * mask_row + each, is_own, 0.0).to(tl.float32)
        score = tl.dot(query, key) * scale + more[None, :]
        score = tl.where(is_own[None, :], score, -1e30)
        higher = tl.maximum(tl.maximum(top, tl.max(score, 1)), -1e30)
        share_of = tl.where(is_own[None, :], tl.exp(score - higher[:, None]), 0.0)
        fade = tl.exp(top - higher)
        weight = weight * fade + tl.sum(share_of, 1)
        value = tl.load(
            values
            + row * value_row
            + head * value_head
            + each[:, None] * value_cell
            + across[None, :],
            is_own[:, None] & is_across[None, :],
            0.0,
        )
        total = total * fade[:, None] + tl.dot(share_of.to(value.dtype), value)
        top = higher
    place = (((row * heads + head) * group + one) * parts) + part
    if parts == 1:
        total = total / weight[:, None]
    else:
        tl.store(tops + place, top, is_one)
        tl.store(weights + place, weight, is_one)
    tl.store(
        sums + place[:, None] * width + across[None, :],
        total.to(sums.dtype.element_ty),
        is_one[:, None] & is_across[None, :],
    )


@_jit
def _join(
    sums,
    tops,
    weights,
    found,
    width: tl.constexpr,
    padded_width: tl.constexpr,
    parts: tl.constexpr,
):
    place, across, part = (
        tl.program_id(0).to(tl.int64),
        tl.arange(0, padded_width),
        tl.arange(0, parts),
    )
    is_across = across < width
    top = tl.load(tops + place * parts + part)
    fade = tl.exp(top - tl.max(top, 0))
    weight = tl.sum(tl.load(weights + place * parts + part) * fade, 0)
    each = tl.load(
        sums + (place * parts + part)[:, None] * width + across[None, :],
        is_across[None, :],
        0.0,
    )
    total = tl.sum(each * fade[:, None], 0) / weight
    tl.store(found + place * width + across, total.to(found.dtype.element_ty), is_across)


def knows(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> bool:
    """Tell whether `attend_to_own` can do these: see there."""
    return (
        query.shape[2] == 1
        and query.dtype == key.dtype == value.dtype
        and query.dtype in _TYPES
        and query.shape[3] == key.shape[3] == value.shape[3] <= _WIDEST
        and query.shape[1] % key.shape[1] == 0
        and mask.shape == (query.shape[0], 1, 1, key.shape[2])
        and mask.is_floating_point()
        and all(each.stride(-1) == 1 for each in (query, key, value, mask))
    )


def count_parts(programs: int, cells: int) -> int:
    """Return how many programs read a row's text, a power of 2, if there are *programs* without."""
    wanted = min(-(-_PROGRAMS // programs), -(-cells // _LEAST))
    return 1 << (wanted.bit_length() - 1)


def attend_to_own(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, ends: Tensor, scaling: float | None
) -> Tensor:
    """Return what each row's one token gets from the cells up to its end.

    Args:
        query: (rows, heads, 1, width), of a half-precision type, as are all.
        key: (rows, heads of keys, length, width); rows and cells may be apart.
        value: As *key*.
        mask: (rows, 1, 1, length), to be added to products; what is behind a row's end is not read.
        ends: int64, (rows,): the last cell that each may look at.
        scaling: Of the products; `None`: by the root of the width.

    Returns:
        (rows, 1, heads, width).
    """
    rows, all_heads, _, width = query.shape
    heads = key.shape[1]
    group, parts = all_heads // heads, count_parts(rows * heads, key.shape[2])
    found = query.new_empty((rows, 1, all_heads, width))
    alone = parts == 1
    sums = found if alone else query.new_empty((rows, all_heads, parts, width), dtype=torch.float32)
    tops = found if alone else sums.new_empty((rows, all_heads, parts))
    weights = found if alone else torch.empty_like(tops)
    padded = triton.next_power_of_2(width)
    cells, warps, stages = next(shape for widest, shape in _SHAPES.items() if width <= widest)
    with torch.cuda.device(query.device):
        _attend[(rows, heads, parts)](
            query,
            *query.stride()[:2],
            key,
            *key.stride()[:3],
            value,
            *value.stride()[:3],
            mask,
            mask.stride(0),
            ends,
            sums,
            tops,
            weights,
            width**-0.5 if scaling is None else scaling,
            heads=heads,
            group=group,
            width=width,
            padded_group=max(16, triton.next_power_of_2(group)),
            padded_width=max(16, padded),
            cells=cells,
            parts=parts,
            num_warps=warps,
            num_stages=stages,
            enable_fp_fusion=True,
        )
        if not alone:
            _join[(rows * all_heads,)](
                sums,
                tops,
                weights,
                found,
                width=width,
                padded_width=max(16, padded),
                parts=parts,
                num_warps=4,
                enable_fp_fusion=True,
            )
    return found
