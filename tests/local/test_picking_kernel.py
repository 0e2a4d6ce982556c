"""The kernel picks what PyTorch's own operators pick, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from cachesaver.local import picking
from cachesaver.local.noise import sample_key
from cachesaver.local.picking import find_pick, pick

pytest.importorskip("triton", reason="needs Triton")

from cachesaver.local import picking_kernel
from triton_here import compiled, interpreted, is_interpreting, pass_interpreted

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.skipif(not is_interpreting, reason="needs Triton to interpret: see the next test")
def test_interpreted_it_picks_what_pytorch_picks() -> None:
    with interpreted("cachesaver.local.picking_kernel") as kernel:
        assert picking._agree(kernel.pick, CPU, [torch.float32, torch.float16])


@pytest.mark.skipif(is_interpreting, reason="is done")
def test_it_is_right_where_python_runs_it() -> None:
    pass_interpreted(__file__)


@pytest.mark.skipif(is_interpreting, reason="nothing is compiled")
@pytest.mark.parametrize("scores", ["*bf16", "*fp16", "*fp32"])
def test_it_can_be_compiled(scores: str) -> None:
    types: dict[str, Any] = {
        "scores": scores,
        "stride": "i32",
        "heats": "*fp32",
        "is_drawn": "*i1",
        "keys": "*i64",
        "positions": "*i64",
        "tokens": "*i64",
        "vocabulary": "i32",
    }

    assert all(compiled(picking_kernel._pick, types, {"none": -1, "piece": 4096}, fuses=False))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", [1, 331, 4096, 128_256])
def test_it_picks_what_pytorch_picks(dtype: torch.dtype, width: int) -> None:
    assert find_pick(CUDA) is picking_kernel.pick
    dice = torch.Generator(CUDA).manual_seed(width)
    for seed, rows in enumerate((1, 5, 130)):
        scores = torch.randn((rows, width), generator=dice, device=CUDA).mul_(3).to(dtype)
        scores[:, ::7] = -math.inf
        scores[0, -1] = math.nan if seed else 1
        heat = torch.rand((rows, 1), generator=dice, device=CUDA) + 0.1
        is_drawn = torch.rand((rows, 1), generator=dice, device=CUDA) > 0.3
        keys = torch.tensor([sample_key(seed, row) for row in range(rows)], device=CUDA)
        positions = torch.arange(rows, device=CUDA)
        for each in (scores, scores.t().contiguous().t(), scores[:1].expand(rows, -1)):
            wanted = pick(each, heat, is_drawn, keys, positions)
            found = picking_kernel.pick(each, heat, is_drawn, keys, positions)
            assert torch.equal(wanted, found)
