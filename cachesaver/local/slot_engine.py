"""The engine for models whose layers all look at the whole text: each sample has a slot of its own.

A prompt is read once, however many samples are drawn after it; all samples take their steps together,
and new ones join between two steps.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cachesaver.local.decoder import Decoder
from cachesaver.local.fusing import Pieces
from cachesaver.local.graphs import MOST_BYTES, Graphs, open_graphs
from cachesaver.local.memory import reserve
from cachesaver.local.prefill import Prefill
from cachesaver.local.reader import Reader
from cachesaver.local.recorders import Recorder
from cachesaver.local.rows import Prompt, Row
from cachesaver.local.sampling import Picked, Sampler
from cachesaver.local.slots import Slots
from cachesaver.local.worker import Worker

__all__ = ["SlotEngine"]

_LOG = logging.getLogger(__name__)

_HEADROOM = 32
"""Tokens that a sample must be able to grow by when it joins, or it would soon be set back."""


class _Step(NamedTuple):
    """What the device was told to draw, and may still be at."""

    rows: list[Row]
    logits: Tensor
    picked: Picked
    sampler: Sampler


class SlotEngine(Worker):
    """See `cachesaver.local.engine.Engine`.

    Args:
        decoder: Of which every layer keeps keys and values of the whole text.
        layers: How many keep them.
        rows: Samples in the batch at most.
        cells: Tokens in the batch at most: samples times the longest of them.
        kept: Tokens of prompts to keep for later prompts that begin alike; 0 keeps none.
        together: Prompts that are read at once, at most.
        chunk: Tokens of prompts that are read between two steps of the batch.
        reserved: Bytes that are taken from a GPU at once, for prompts that are read or kept.
        waiting: See `Sizes`.
        recorder: For steps as graphs, in memory that is taken at once; `None`: there are none.
        room: Bytes for them.
        pieces: See `Graphs`.
    """

    kind = "slot"

    def __init__(  # noqa: PLR0913  # its sizes, each by name
        self,
        decoder: Decoder,
        *,
        layers: int,
        rows: int = 64,
        cells: int = 1 << 18,
        kept: int = 1 << 16,
        together: int = 1,
        chunk: int = 512,
        reserved: int = 0,
        waiting: int | None = None,
        recorder: Recorder | None = None,
        room: int = MOST_BYTES,
        pieces: Pieces | None = None,
    ) -> None:
        super().__init__(decoder, rows=rows, cells=cells, waiting=waiting)
        self._chunk = chunk
        self._slots, self._graphs = self._places(layers, recorder, room, pieces)
        self._reader = Reader(
            decoder,
            self.queue,
            kept=kept,
            together=together,
            chunk=chunk,
            counts=self.counts,
        )
        self._reserve = reserve(reserved, decoder.device)
        self._sampler: Sampler | None = None
        self._ahead: _Step | None = None

    def _places(
        self, layers: int, recorder: Recorder | None, room: int, pieces: Pieces | None
    ) -> tuple[Slots, Graphs | None]:
        if recorder is None:
            return Slots(layers=layers, cells=self.cells, device=self.decoder.device), None
        slots, graphs = open_graphs(
            self.decoder,
            recorder,
            rows=self.rows,
            cells=self.cells,
            counts=self.counts,
            room=room,
            pieces=pieces,
        )
        graphs.prepare()
        self._warn(graphs)
        return slots, graphs

    def turn(self) -> None:
        """Read a chunk of the next prompts and seat who can be, take one step."""
        read = self._read(self._chunk)
        while self._seat():
            read += self._read(self._chunk - read)
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            self._make_room()
        if self.running:
            with self.blaming(self.running):
                self._step(ahead)

    def leave(self, rows: Sequence[Row]) -> None:
        """Free the slots of *rows*."""
        if not rows:
            return
        gone = set(map(id, rows))
        freed = [slot for slot, row in enumerate(self.running) if id(row) in gone]
        for old, new in self._slots.remove(freed):
            self.running[new] = self.running[old]
        del self.running[len(self.running) - len(freed) :]
        self._sampler = None
        if not self.running:
            self._ahead = None

    def count_cells(self) -> int:
        """Return how many tokens the batch holds."""
        return self._slots.used

    # Reading prompts.

    @property
    def reading(self) -> Sequence[Prompt]:
        """See `Worker.reading`."""
        return self._reader.prompts

    def _read(self, most: int) -> int:
        """Read up to *most* tokens of the prompts whose turn it is, and return what of *most* that took."""
        readings = self._reader.next(most)
        read = 0
        if readings:
            with self.blaming([row for each in readings for row in each.prompt.rows]):
                read = self._reader.read(readings, most)
        return read

    # Joining the batch.

    def _seat(self) -> bool:
        """Let samples of the prompt that was read join; tell whether another prompt may do so now."""
        if (reading := self._reader.first()) is None:
            return False
        prompt, prefill = reading
        joining = [
            prompt.rows.popleft() for _ in range(self._count_free(len(prefill.tokens), prompt))
        ]
        with self.blaming(joining):
            self._join(joining, prefill)
        return bool(joining) and not prompt.rows

    def _count_free(self, length: int, prompt: Prompt) -> int:
        """Return how many samples of *prompt* may join."""
        most = min(len(prompt.rows), self.rows - len(self.running))
        if not self.running and not self._slots.has_room(1, length + _HEADROOM):
            return min(1, most)  # alone, it fits: `submit` saw to that
        while most > 0 and not self._slots.has_room(most, length + _HEADROOM):
            most -= 1
        return max(0, most)

    def _join(self, rows: Sequence[Row], prefill: Prefill) -> None:
        """Draw the first token of *rows*, and seat those that are not over with it."""
        if not rows or prefill.logits is None:
            return
        for row in rows:
            row.stream.cached = row.stream.cached if row.answer else prefill.cached
        logits = prefill.logits.expand(len(rows), -1)
        over = self.deliver(rows, self._sampler_of(rows).draw(logits))
        staying = [row for row in rows if row not in over]
        if staying:
            self._slots.seat(prefill.states, len(staying))
            self.running += staying
            self._sampler = None

    def _sampler_of(self, rows: Sequence[Row]) -> Sampler:
        draws = [row.draw for row in rows]
        return Sampler(draws, vocabulary=self.decoder.vocabulary, device=self.decoder.device)

    # Taking a step.

    def _make_room(self) -> None:
        """Set the youngest samples back until all others can grow by a token."""
        while len(self.running) > 1 and not self._slots.has_room(0, max(self._slots.lengths) + 1):
            youngest = max(self.running, key=lambda row: row.serial)
            self.leave([youngest])
            self._reader.put_back()
            self.queue.put_back(youngest)
            self.counts["set_back"] += 1

    def _step(self, ahead: _Step | None) -> None:
        """Draw the next token of every sample, or of those that it was begun for *ahead*.

        The device is told of the step after it before anyone looks at what was drawn: so it is at work
        while tokens are handed over. Who turns out to be over by then took that step in vain.
        """
        step = ahead or self._draw([row.answer[-1] for row in self.running])
        try:
            self._ahead = self._draw(step.picked.tokens) if self._may_go_on(step) else None
        finally:
            self._hand_over(step)

    def _hand_over(self, step: _Step) -> None:
        """Wait for what *step* draws, and deliver it to those that are still there."""
        told = step.sampler.tell(step.logits, step.picked)
        self.counts["steps"] += 1
        here = set(map(id, self.running))
        drawn = [pair for pair in zip(step.rows, told, strict=True) if id(pair[0]) in here]
        self.leave(self.deliver([row for row, _ in drawn], [token for _, token in drawn]))

    def _draw(self, last: Sequence[int] | Tensor) -> _Step:
        """Let the device read the token drawn *last* in each row, and draw the next one."""
        sampler = self._sampler = self._sampler or self._sampler_of(self.running)
        logits = self._logits(last)
        return _Step([*self.running], logits, sampler.pick(logits), sampler)

    def _may_go_on(self, step: _Step) -> bool:
        """Tell whether the step after *step* is the same for all that is drawn by this one, and of use."""
        return (
            self._graphs is not None
            and self._graphs.reason is None
            and step.sampler is self._sampler  # the same rows
            and step.sampler.is_blind
            and any(len(row.answer) + 1 < row.limit for row in step.rows)
            and self._slots.has_room(0, max(self._slots.lengths) + 1)
        )

    def _logits(self, last: Sequence[int] | Tensor) -> Tensor:
        """Read the token drawn *last* in each row."""
        if self._graphs is not None and self._graphs.reason is None:
            logits = self._graphs.step(last)
            self._warn(self._graphs)
            return logits
        positions, mask = self._slots.open_step()
        tokens = torch.as_tensor(last, dtype=torch.long, device=self.decoder.device)[:, None]
        logits = self.decoder(tokens, self._slots.cache, positions=positions, mask=mask)
        self._slots.close_step()
        return logits

    @staticmethod
    def _warn(graphs: Graphs) -> None:
        if graphs.reason is not None:
            _LOG.warning("steps are no graphs from now on: %s", graphs.reason)
