"""The kernel gives each row what it gets from its own text, whatever lies behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="needs Triton")

from cachesaver.local import attending, attention_kernel
from cachesaver.local.attending import find_kernel
from cachesaver.local.attention_kernel import attend_to_own, count_parts, knows
from triton_here import compiled, interpreted, is_interpreting, pass_interpreted

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")


def given(
    rows: int,
    length: int,
    *,
    heads: tuple[int, int] = (8, 2),
    width: int = 64,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device = CUDA,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return query, key, value, mask and ends; what is behind a row's end is no number."""
    dice = torch.Generator(device).manual_seed(rows)
    query = torch.randn((rows, 1, heads[0], width), generator=dice, device=device).to(dtype)
    key, value = (
        torch.randn((rows, heads[1], length + 24, width), generator=dice, device=device).to(dtype)
        for _ in range(2)
    )
    ends = torch.randint(0, length, (rows,), generator=dice, device=device)
    ends[0] = length - 1
    for row, end in enumerate(ends.tolist()):
        key[row, :, end + 1 :] = value[row, :, end + 1 :] = torch.nan
    hidden = torch.arange(length, device=device)[None] > ends[:, None]
    mask = torch.zeros((rows, length), dtype=dtype, device=device)
    mask.masked_fill_(hidden, torch.finfo(dtype).min)
    return (
        query.transpose(1, 2),
        key[:, :, :length],
        value[:, :, :length],
        mask[:, None, None, :],
        ends,
    )


def by_hand(query: Tensor, key: Tensor, value: Tensor, ends: Tensor, scaling: float) -> Tensor:
    """Return it in double, row by row."""
    group = query.shape[1] // key.shape[1]
    found = []
    for row, end in enumerate(ends.tolist()):
        keys, values = (
            each[row, :, : end + 1].double().repeat_interleave(group, 0) for each in (key, value)
        )
        chances = (query[row].double() @ keys.transpose(1, 2) * scaling).softmax(-1)
        found.append((chances @ values).transpose(0, 1))
    return torch.stack(found)


@pytest.mark.skipif(is_interpreting, reason="is done")
def test_it_is_right_where_python_runs_it() -> None:
    pass_interpreted(__file__)


needs_python = pytest.mark.skipif(
    not is_interpreting, reason="needs Triton to interpret: see above"
)


@needs_python
@pytest.mark.parametrize(
    ("rows", "length", "heads", "width"),
    [
        (3, 100, (8, 2), 16),
        (1, 600, (4, 1), 64),
        (2, 300, (6, 2), 80),
        (2, 70, (4, 4), 32),
        (1, 1, (2, 2), 8),
    ],
)
def test_interpreted_each_row_gets_its_own(
    rows: int, length: int, heads: tuple[int, int], width: int
) -> None:
    query, key, value, mask, ends = given(
        rows, length, heads=heads, width=width, dtype=torch.float16, device=CPU
    )
    with interpreted("cachesaver.local.attention_kernel") as kernel:
        found = kernel.attend_to_own(query, key, value, mask, ends, 0.2)

    wanted = by_hand(query, key, value, ends, 0.2)
    assert found.shape == wanted.shape
    assert float((found - wanted).norm() / wanted.norm()) < 1e-3


@needs_python
def test_interpreted_it_passes_its_trial() -> None:
    with interpreted("cachesaver.local.attention_kernel") as kernel:
        assert attending._is_right(kernel, CPU, 3, torch.float16)


@pytest.mark.skipif(is_interpreting, reason="nothing is compiled")
@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("width", [64, 80, 128])
def test_it_can_be_compiled(width: int, parts: int) -> None:
    kernel: Any = attention_kernel._attend
    joining: Any = attention_kernel._join
    strides = [name for name in kernel.arg_names if name.endswith(("_row", "_head", "_cell"))]
    half = dict.fromkeys(["queries", "keys", "values", "masks", "found"], "*bf16")
    whole = dict.fromkeys(["sums", "tops", "weights"], "*fp32")
    types = {**half, **whole, **dict.fromkeys(strides, "i32"), "ends": "*i64", "scale": "fp32"}
    sizes = {"width": width, "padded_width": 128 if width > 64 else 64, "parts": parts}
    shape = {"heads": 8, "group": 4, "padded_group": 16, "cells": 64}

    assert all(compiled(kernel, types, sizes | shape, fuses=True))
    assert all(compiled(joining, types, sizes, fuses=True))


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("heads", "width"), [((8, 2), 64), ((4, 4), 128), ((6, 2), 80), ((8, 1), 256)]
)
@pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 4000), (2, 700), (5, 63), (130, 640)])
def test_each_row_gets_its_own(
    dtype: torch.dtype, heads: tuple[int, int], width: int, rows: int, length: int
) -> None:
    query, key, value, mask, ends = given(rows, length, heads=heads, width=width, dtype=dtype)
    assert knows(query, key, value, mask)

    found = attend_to_own(query, key, value, mask, ends, 0.2)

    wanted = by_hand(query, key, value, ends, 0.2)
    assert found.shape == wanted.shape
    assert float((found - wanted).norm() / wanted.norm()) < 5e-3


@needs_gpu
def test_it_is_found_to_be_right() -> None:
    assert find_kernel(CUDA) is attention_kernel


@needs_gpu
def test_a_mask_that_says_more_is_heard() -> None:
    query, key, value, mask, ends = given(3, 300)
    mask = mask + torch.where(torch.arange(300, device=CUDA) % 3 == 0, -1.5, 0.0).to(mask.dtype)

    found = attend_to_own(query, key, value, mask, ends, None)

    keys, values = (each.double().nan_to_num().repeat_interleave(4, 1) for each in (key, value))
    products = query.double() @ keys.transpose(2, 3) / 8 + mask.double()
    wanted = (products.softmax(-1) @ values).transpose(1, 2)
    assert float((found - wanted).norm() / wanted.norm()) < 5e-3


@pytest.mark.parametrize("spoil", ["dtype", "tokens", "width", "mask", "bool", "heads", "stride"])
def test_what_it_does_not_know_it_says(spoil: str) -> None:
    query, key, value, mask, _ = given(2, 40, device=torch.device("cpu"))
    assert knows(query, key, value, mask)
    changed = {
        "dtype": lambda: (query.float(), key.float(), value.float(), mask),
        "tokens": lambda: (query.expand(-1, -1, 2, -1), key, value, mask),
        "width": lambda: (query, key, value[..., :32], mask),
        "mask": lambda: (query, key, value, mask.expand(-1, 8, -1, -1)),
        "bool": lambda: (query, key, value, mask > 0),
        "heads": lambda: (query[:, :7], key, value, mask),
        "stride": lambda: (query, key.transpose(2, 3).contiguous().transpose(2, 3), value, mask),
    }[spoil]()

    assert not knows(*changed)


def test_few_rows_are_read_by_many_programs() -> None:
    assert count_parts(1024, 5000) == 1
    assert count_parts(8, 256) == 1
    assert count_parts(8, 700) == 2
    assert count_parts(8, 1 << 20) == 32
