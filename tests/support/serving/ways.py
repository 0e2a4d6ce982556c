"""Ways to draw n samples of each of some prompts in this process: our engine, and those of transformers."""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from cachesaver.local import GraphsChoice, Params, Sizes, open_engine

__all__ = ["WAYS", "Draw", "Size", "prompts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What is drawn.

    Attributes:
        prompts: How many, all different.
        length: Tokens of each.
        n: Samples of each.
        out: Tokens of a sample.
        rows: Samples that take their steps together, at most.
    """

    prompts: int
    length: int
    n: int
    out: int
    rows: int = 64

    @property
    def tokens(self) -> int:
        """Tokens drawn."""
        return self.prompts * self.n * self.out


Draw: TypeAlias = Callable[[Sequence[Sequence[int]]], int]
"""Draws all samples of these prompts, and returns how many tokens that were."""


def prompts(size: Size, *, vocabulary: int, seed: int) -> list[list[int]]:
    """Return prompts of any tokens but the special ones."""
    made = random.Random(seed)  # noqa: S311
    return [
        [made.randrange(6, vocabulary) for _ in range(size.length)] for _ in range(size.prompts)
    ]


@contextlib.contextmanager
def _ours(model: Any, size: Size, graphs: GraphsChoice = "auto") -> Generator[Draw]:
    engine = open_engine(model, sizes=Sizes(kept=0, rows=size.rows), graphs=graphs)
    params = Params(max_tokens=size.out, ignore_end=True)

    def draw(asked: Sequence[Sequence[int]]) -> int:
        streams = [each for prompt in asked for each in engine.submit(prompt, size.n, params)]
        return sum(len([*stream]) for stream in streams)

    with contextlib.closing(engine):
        yield draw


@contextlib.contextmanager
def _together(model: Any, size: Size) -> Generator[Draw]:
    """As many prompts in a batch as there are rows for their samples."""
    many = max(1, size.rows // size.n)

    def draw(asked: Sequence[Sequence[int]]) -> int:
        batches = [asked[at : at + many] for at in range(0, len(asked), many)]
        return sum(_generate(model, batch, size, size.n) for batch in batches)

    yield draw


@contextlib.contextmanager
def _one_by_one(model: Any, size: Size) -> Generator[Draw]:
    yield lambda asked: sum(
        _generate(model, [prompt], size, 1) for prompt in asked for _ in range(size.n)
    )


def _generate(model: Any, batch: Sequence[Sequence[int]], size: Size, n: int) -> int:
    given = torch.tensor(batch, device=model.device)
    with torch.inference_mode():
        answer = model.generate(
            given,
            attention_mask=torch.ones_like(given),
            num_return_sequences=n,
            max_new_tokens=size.out,
            do_sample=True,
            top_k=0,
            pad_token_id=0,
        )
    return int(answer[:, given.shape[1] :].numel())


@contextlib.contextmanager
def _continuous(model: Any, size: Size) -> Generator[Draw]:
    wanted = GenerationConfig(
        max_new_tokens=size.out,
        do_sample=True,
        top_k=0,
        num_return_sequences=size.n,
        eos_token_id=-1,
        pad_token_id=0,
    )
    blocks = {} if model.device.type == "cuda" else {"num_blocks": 64, "max_batch_tokens": 2048}
    with model.continuous_batching_context_manager(
        generation_config=wanted, continuous_batching_config=ContinuousBatchingConfig(**blocks)
    ) as manager:

        def draw(asked: Sequence[Sequence[int]]) -> int:
            manager.add_requests(inputs=[list(prompt) for prompt in asked], max_new_tokens=size.out)
            drawn, tokens = 0, 0
            while drawn < len(asked) * size.n:
                result = manager.get_result(timeout=60)
                if result is None or result.error:
                    raise RuntimeError(f"continuous batching gave {result and result.error}")
                if result.is_finished():
                    drawn, tokens = drawn + 1, tokens + len(result.generated_tokens)
            return tokens

        yield draw


WAYS: dict[str, Callable[[Any, Size], contextlib.AbstractContextManager[Draw]]] = {
    "cachesaver's engine": _ours,
    "cachesaver's engine, graphs off": functools.partial(_ours, graphs="off"),
    "generate(num_return_sequences=n)": _together,
    "n times generate": _one_by_one,
    "continuous batching": _continuous,
}
