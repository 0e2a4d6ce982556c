"""The batch of transformers' continuous batching, computed step by step by who has it.

Paged memory, prompts read in pieces among those that are drawn, and prefixes shared by blocks are
transformers'; which token is drawn is told to it. It is not run on transformers' own thread, which ends
for good with the first error, and whose settings are those of the first request.

This reaches into what transformers does not document: `trial.batch_agrees` tells whether it still fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
)
from transformers.generation.continuous_batching.requests import RequestState

__all__ = ["Choose", "PagedBatch"]

Choose = Callable[[list[str], Tensor], Tensor]
"""Returns the next token of each of some texts, from their logits, (texts, vocabulary)."""

_PAGE = 16
"""Tokens of a block, by which memory is given and prefixes are shared."""

_SLACK = 1
"""Blocks of each text besides those that its tokens fill."""


class PagedBatch:
    """Texts that grow together.

    Args:
        model: Of transformers.
        rows: Texts that take a step together at most.
        cells: Tokens in memory at most.
        chunk: Tokens that are computed in one step at most, but one for each text.

    Attributes:
        choose: Asked at each step.
        blocks: There are so many.
        room: Tokens of the longest text.

    Raises:
        ValueError: The attention of *model* is none that can be used.
    """

    def __init__(self, model: Any, *, rows: int, cells: int, chunk: int) -> None:
        self._choosing = _Choosing(self._chosen)
        self._batch = _opened(model, self._choosing, rows=rows, cells=cells, chunk=chunk)
        self.blocks = int(self._batch.cache.num_blocks)
        self.room = (self.blocks - _SLACK) * _PAGE
        self.choose: Choose = _nothing

    @staticmethod
    def count_blocks(tokens: int) -> int:
        """Return how many blocks a text of so many *tokens* takes at the most."""
        return -(-tokens // _PAGE) + _SLACK

    def add(self, name: str, tokens: Sequence[int]) -> None:
        """Begin the text *name* with *tokens*."""
        state = RequestState(request_id=name, initial_tokens=list(tokens), max_new_tokens=None)
        self._batch.scheduler.add_waiting_request(state)

    def remove(self, names: Iterable[str]) -> None:
        """Free the memory of the texts *names*; those that are not there are left alone."""
        for name in names:
            self._batch.scheduler.set_request_cancellation(name)
        self._batch.scheduler.clear_cancelled_requests()

    def reset(self) -> None:
        """Remove all texts, after an error."""
        self._batch.reset()

    def step(self, model: Any) -> dict[str, int]:
        """Compute one batch by *model*; return how many tokens of which texts were read in it."""
        batch = self._batch
        if not batch.prepare_next_batch():
            return {}
        read = {
            each.state.request_id: each.query_length
            for each in batch.inputs_and_outputs.requests_in_batch
        }
        batch._generation_step(model)  # noqa: SLF001  # there is no public way
        batch.update_batch()
        return read

    def _chosen(self, names: list[str], logits: Tensor) -> Tensor:
        return self.choose(names, logits)


def _nothing(names: list[str], logits: Tensor) -> Tensor:
    raise NotImplementedError("nobody chooses")


def _opened(model: Any, choosing: _Choosing, *, rows: int, cells: int, chunk: int) -> Any:
    manager = model.init_continuous_batching(
        GenerationConfig(do_sample=False),
        ContinuousBatchingConfig(
            page_size=_PAGE,
            num_blocks=max(_SLACK + 1, cells // _PAGE),
            max_batch_tokens=max(chunk, rows),
            max_requests_per_batch=rows,
            use_async_batching=False,  # the next token decides what is computed next
            use_cuda_graph=False,  # choosing is Python
            safety_margin=0.0,
        ),
    )
    processors = manager.logit_processor
    processors.logits_processor.clear()
    processors.logits_processor.append(choosing)
    processors.tensors_required, processors.do_processing = 1, True
    return manager._create_batch_processor()  # noqa: SLF001  # there is no public way


class _Choosing(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # untyped where not installed
    """Makes the chosen token of each text the likeliest one."""

    supported_kwargs: dict[str, type] = {}  # noqa: RUF012  # as its base class has it
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._names: list[str] = []

    def fill_defaults(self, int32_tensor: Tensor) -> None:
        """Nothing is handed over with a request."""

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> Tensor:
        """Note whose next tokens are wanted, in their order."""
        self._names = [each.state.request_id for each in requests_with_new_token]
        return torch.zeros(len(self._names), dtype=torch.int32)

    def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
        """Return 1 for what was chosen and 0 for all else.

        Behind the rows of the texts there are others, of prompts that are not read to their end.
        """
        only, count = torch.zeros_like(scores), len(self._names)
        if count:
            chosen = self._choose(self._names, scores[:count])
            only[:count].scatter_(1, chosen[:, None], 1.0)
        return only
