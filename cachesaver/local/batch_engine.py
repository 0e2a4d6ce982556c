"""The engine over transformers' continuous batching, for who has flash attention.

How samples are drawn, counted and ended is as in every engine; see `paged` for the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from cachesaver.local.decoder import Decoder
from cachesaver.local.paged import PagedBatch
from cachesaver.local.rows import Row
from cachesaver.local.sampling import Sampler
from cachesaver.local.streams import Token
from cachesaver.local.worker import Worker

__all__ = ["BatchEngine"]


class BatchEngine(Worker):
    """See `cachesaver.local.engine.Engine`.

    A sample joins when there is memory for all that it may become: transformers' own way out of full
    memory, to forget a text and read it again, ends in an error where texts are long.

    A model that raises ends all samples of the step: prompts are read among those that are drawn.

    Args:
        decoder: Of a model that transformers' continuous batching can run.
        rows: Samples in the batch at most.
        cells: Tokens in memory at most.
        chunk: Tokens that are computed in one step at most.
        waiting: See `Sizes`.
    """

    kind = "cb"

    def __init__(
        self,
        decoder: Decoder,
        *,
        rows: int = 64,
        cells: int = 1 << 18,
        chunk: int = 512,
        waiting: int | None = None,
    ) -> None:
        self._batch = PagedBatch(decoder.model, rows=rows, cells=cells, chunk=chunk)
        self._batch.choose = self._choose
        super().__init__(decoder, rows=rows, cells=self._batch.room, waiting=waiting)
        self._rows: dict[str, Row] = {}
        self._read: Counter[str] = Counter()
        self._drawn: tuple[list[Row], list[Token | None]] = ([], [])
        self._sampler: Sampler | None = None
        self._sampled: list[str] = []

    def turn(self) -> None:
        """Let samples join, and take one step."""
        while len(self.running) < self.rows and (row := self._next()):
            self._join(row)
        if self.running:
            with self.blaming(list(self.running)):
                self._step()

    def leave(self, rows: Sequence[Row]) -> None:
        """Free the memory of *rows*."""
        names = [_name(row) for row in rows]
        for name in names:
            self.running.remove(self._rows.pop(name))
            self._read.pop(name, None)
        self._batch.remove(names)

    def count_cells(self) -> int:
        """Return how many tokens the texts have, shared ones counted for each."""
        return sum(len(row.prompt) + len(row.answer) for row in self.running)

    def _next(self) -> Row | None:
        """Return the sample that is next to join, if there is memory for it."""
        if (prompt := self.next_prompt()) is None:
            return None
        taken = sum(map(self._blocks, self.running))
        fits = taken + self._blocks(prompt.rows[0]) <= self._batch.blocks
        return prompt.rows.popleft() if fits else None

    def _blocks(self, row: Row) -> int:
        """Return how many blocks *row* may come to need."""
        return self._batch.count_blocks(len(row.prompt) + row.limit)

    def _join(self, row: Row) -> None:
        self._rows[_name(row)] = row
        self.running.append(row)
        self._batch.add(_name(row), row.prompt)

    def _step(self) -> None:
        """Compute one batch, and hand over what was drawn in it."""
        self._drawn = ([], [])
        try:
            self._read.update(self._batch.step(self.decoder.model))
        except BaseException:
            self._batch.reset()
            self._sampled = []
            raise
        self.counts["steps"] += 1
        for row in self._drawn[0]:
            if not row.answer:
                self._begin(row)
        self.leave(self.deliver(*self._drawn))

    def _begin(self, row: Row) -> None:
        """Note how much of the prompt was computed, and what others had read."""
        computed = self._read[_name(row)]
        row.stream.cached = len(row.prompt) - computed
        self.counts["reused_tokens"] += row.stream.cached
        self.counts["prompt_tokens"] += computed

    def _choose(self, names: list[str], logits: Tensor) -> Tensor:
        """Draw the next token of each of *names*."""
        rows = [self._rows[name] for name in names]
        if self._sampler is None or self._sampled != names:
            draws = [row.draw for row in rows]
            self._sampler = Sampler(draws, vocabulary=logits.shape[1], device=logits.device)
            self._sampled = names
        tokens = self._sampler.draw(logits)
        self._drawn = (rows, tokens)
        return torch.tensor([each.id if each else 0 for each in tokens], device=logits.device)


def _name(row: Row) -> str:
    return str(row.serial)
