"""The engine for every other model that keeps a cache: one prompt at a time, its samples in lockstep.

The cache is the model's own, whatever it holds: windows, recurrent states, convolutions. Samples share
one length, so nothing is padded; who is over leaves the cache, and others wait until all are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import DynamicCache

from cachesaver.local.decoder import Decoder
from cachesaver.local.rows import Row
from cachesaver.local.sampling import Sampler
from cachesaver.local.worker import Worker

__all__ = ["GroupEngine"]


class GroupEngine(Worker):
    """See `cachesaver.local.engine.Engine`.

    Args:
        decoder: Any.
        rows: Samples in lockstep at most.
        cells: Tokens of prompt and answer that one sample may have.
        waiting: See `Sizes`.
    """

    kind = "group"

    def __init__(
        self,
        decoder: Decoder,
        *,
        rows: int = 64,
        cells: int = 1 << 18,
        waiting: int | None = None,
    ) -> None:
        super().__init__(decoder, rows=rows, cells=cells, waiting=waiting)
        self._cache: Any = None
        self._sampler: Sampler | None = None

    def turn(self) -> None:
        """Take one step, or begin the next prompt."""
        if self.running:
            with self.blaming(self.running):
                self._step()
            return
        if (prompt := self.next_prompt()) is not None:
            count = min(self.rows, len(prompt.rows))
            rows = [prompt.rows.popleft() for _ in range(count)]
            with self.blaming(rows):
                self._begin(rows, prompt.tokens)

    def leave(self, rows: Sequence[Row]) -> None:
        """Take *rows* out of the cache."""
        if not rows:
            return
        gone = set(map(id, rows))
        kept = [at for at, row in enumerate(self.running) if id(row) not in gone]
        self.running = [self.running[at] for at in kept]
        self._sampler = None
        if kept:
            self._cache.reorder_cache(self.decoder.tensor(kept))
        else:
            self._cache = None

    def count_cells(self) -> int:
        """Return how many tokens the cache stands for."""
        return sum(len(row.prompt) + len(row.answer) for row in self.running)

    def _begin(self, rows: list[Row], tokens: tuple[int, ...]) -> None:
        """Read *tokens*, and let all *rows* go on from there."""
        self._cache = DynamicCache(config=self.decoder.config)
        logits = self.decoder.go_on(self.decoder.tensor([tokens]), self._cache, 0)
        self.counts["prompt_tokens"] += len(tokens)
        if len(rows) > 1:
            self._cache.reorder_cache(self.decoder.tensor([0] * len(rows)))
        self.running = rows
        self._draw(logits.expand(len(rows), -1))

    def _step(self) -> None:
        tokens = self.decoder.tensor([row.answer[-1:] for row in self.running])
        row = self.running[0]  # all have one length, and the last token is not read yet
        logits = self.decoder.go_on(tokens, self._cache, len(row.prompt) + len(row.answer) - 1)
        self.counts["steps"] += 1
        self._draw(logits)

    def _draw(self, logits: Tensor) -> None:
        """Draw the next token of every sample."""
        self._sampler = self._sampler or Sampler(
            [row.draw for row in self.running],
            vocabulary=self.decoder.vocabulary,
            device=self.decoder.device,
        )
        self.leave(self.deliver(self.running, self._sampler.draw(logits)))
