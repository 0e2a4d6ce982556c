"""The kernel picks what PyTorch's own operators pick, to the last bit."""

from __future__ import annotations

import math

import pytest
import torch

from cachesaver.local.noise import sample_key
from cachesaver.local.picking import find_pick, pick

CUDA = torch.device("cuda")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", [1, 331, 4096, 128_256])
def test_the_kernel_picks_what_pytorch_picks(dtype: torch.dtype, width: int) -> None:
    from cachesaver.local.picking_kernel import pick as by_kernel

    assert find_pick(CUDA) is by_kernel
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
            assert torch.equal(wanted, by_kernel(each, heat, is_drawn, keys, positions))
