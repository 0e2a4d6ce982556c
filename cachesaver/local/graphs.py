"""Steps of the batch as graphs: recorded once for a size of the batch, and then asked for by one call.

A step of a small batch is a thousand small pieces of work, and telling the device each takes longer than
doing it. Sizes are rounded up, to few of them: rows to a rung of a ladder, where those too many write in
slots that are not in use and nobody reads them, and lengths to another, where the mask hides the rest.
Where no layer reads more than each row's own text, lengths do not matter: all is visible.
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from cachesaver.local.attending import attending, find_kernel
from cachesaver.local.decoder import Decoder
from cachesaver.local.fusing import Pieces
from cachesaver.local.recorders import CannotRecordError, Recorder, Recording, Watch
from cachesaver.local.static_slots import StaticSlots

__all__ = ["MOST_BYTES", "Graphs", "Size", "count_rows", "open_graphs", "rung"]

_MOST = 64
"""Graphs that are held: those used last."""

MOST_BYTES = 1 << 31
"""Memory for them, of a device that has much."""

_WARM = 2
"""Steps of a size that are taken without a graph first, for what is set up once."""

_PASSING = 8
"""Steps of a size that are taken by a graph for a larger one, if there is one, lest a graph be made for
what the batch is in passing only: to hide more cells takes less time than to tell the device each piece."""

_LARGER = 8
"""So many times the cells of a size a graph may have that is used for it in passing."""

_PASSING_OWN = 64
"""The same as `_PASSING` where no layer reads more than each row's own text: rows that nobody reads cost
little then, however many, and a graph takes as long to make as it saves in so many steps."""


def rung(number: int, *, finest: int, parts: int) -> int:
    """Round *number* up, to *parts* rungs between a power of 2 and the next, or to multiples of *finest*.

    Both are powers of 2. What is added is less than *finest*, or less than one part in *parts*.
    """
    step = max(finest, (1 << (number - 1).bit_length()) // (2 * parts))
    return -(-number // step) * step


def count_rows(rows: int) -> int:
    """Return for how many rows a graph is that serves *rows*."""
    return rung(rows, finest=1 if rows <= 2 else 4, parts=4)  # noqa: PLR2004  # 1, 2, 4, 8, 12, 16, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a graph is for.

    Attributes:
        rows: In the step, with those that nobody reads.
        visible: Cells of each slot that are looked at, or hidden by the mask.
        slot: Cells of a slot: where the next one begins.
    """

    rows: int
    visible: int
    slot: int

    @property
    def cells(self) -> int:
        """That are looked at."""
        return self.rows * self.visible

    def does_for(self, size: Size) -> bool:
        """Tell whether a graph for this can take a step of *size*."""
        return self.slot == size.slot and self.rows >= size.rows and self.visible >= size.visible


class Graphs:
    """Steps of the rows in *slots*, by graphs where one was recorded.

    Attributes:
        reason: Why there are none any more; `None`: there are, or will be.
        tensors: All that a graph reads or writes.

    Args:
        decoder: Of the model.
        slots: Used by nobody else during a step.
        recorder: Of the model's device.
        rows: That there may be.
        like: Logits of the model, (any, vocabulary), for their type.
        counts: `graphs` and `graph_steps` are counted there.
        room: Bytes for graphs.
        pieces: Of the model, compiled, for steps that are recorded; `None`: they are as they are.
    """

    def __init__(  # noqa: PLR0913  # what a step is made of, each by name
        self,
        decoder: Decoder,
        slots: StaticSlots,
        recorder: Recorder,
        *,
        rows: int,
        like: Tensor,
        counts: Counter[str],
        room: int = MOST_BYTES,
        pieces: Pieces | None = None,
    ) -> None:
        self.reason: str | None = None
        self._decoder = decoder
        self._slots = slots
        self._recorder = recorder
        self._counts = counts
        self._room = room
        self._pieces = pieces
        self._is_watched = False
        self._is_own = False
        most = count_rows(rows)
        self._rows = torch.arange(most, device=decoder.device)
        self._inputs = torch.zeros((2, most), dtype=torch.long, device=decoder.device)
        is_pinned = decoder.device.type == "cuda"
        self._told = [
            torch.zeros((2, most), dtype=torch.long, pin_memory=is_pinned) for _ in range(2)
        ]
        self._logits = like.new_zeros((most, like.shape[1]))
        self.tensors = (self._rows, self._inputs, self._logits, *slots.tensors)
        self._warmed: Counter[Size] = Counter()
        self._passed: Counter[Size] = Counter()
        self._held: OrderedDict[Size, Recording] = OrderedDict()

    def step(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Read one more token in each row in use.

        Args:
            tokens: One per row; on the device, if nobody has looked at them yet. Of two steps that follow
                each other, the first is over when the next one after them is asked for.

        Returns:
            Logits after it, (rows, vocabulary), until the next step.

        Raises:
            Exception: The model's own.
        """
        size = self._size(self._slots.make_room(), rows=len(tokens))
        self._take(self._in_passing(size) or size, tokens)
        self._slots.close_step()
        return self._logits[: len(tokens)]

    def prepare(self) -> None:
        """Record a step of the whole batch, if it costs little more than a step of fewer rows.

        Then there is a graph for whatever batch from the first step on, as long as slots are no longer than
        they are laid out for it. No row is in use yet.
        """
        self._slots.lay_out()
        try:
            self._watch(Size(rows=1, visible=1, slot=self._slots.shape[1]))
            if self.reason is not None or not self._is_own:
                return
            whole = self._size(1, rows=len(self._rows))
            for _ in range(_WARM):
                self._warm(whole)
        except Exception as error:  # noqa: BLE001  # such as no memory
            self._give_up(f"a step of the whole batch raised {type(error).__name__}: {error}")
            return
        self._record(whole)

    def _size(self, length: int, *, rows: int) -> Size:
        """Return the size of a step of *rows* of which the longest has *length*."""
        slots, slot = self._slots.shape
        visible = slot if self._is_own else min(rung(length, finest=64, parts=8), slot)
        return Size(rows=min(count_rows(rows), slots), visible=visible, slot=slot)

    def _in_passing(self, size: Size) -> Size | None:
        """Return the least size that there is a graph for and that does for *size*, until it has stayed."""
        passing, larger = (_PASSING_OWN, sys.maxsize) if self._is_own else (_PASSING, _LARGER)
        if size in self._held or self._passed[size] >= passing:
            return None
        most = larger * size.cells
        fits = [each for each in self._held if each.does_for(size) and each.cells <= most]
        if not fits:
            return None
        self._passed[size] += 1
        return min(fits, key=lambda each: each.cells)

    def _load(self, tokens: Sequence[int] | Tensor, rows: int) -> None:
        """Say what is read, and where each row ends; a row too many reads a 0 at its beginning."""
        more = [0] * (rows - len(tokens))
        known = more if isinstance(tokens, Tensor) else [*tokens, *more]
        ends = [*self._slots.lengths, *more]
        # What the step before last was told is no longer copied: see `step`.
        told = self._told[0]
        self._told.reverse()
        told[0, rows - len(known) : rows] = torch.tensor(known, dtype=torch.long)
        told[1, :rows] = torch.tensor(ends, dtype=torch.long)
        self._inputs.copy_(told, non_blocking=True)
        if isinstance(tokens, Tensor):
            self._inputs[0, : len(tokens)].copy_(tokens).clamp_(min=0)  # none was drawn: it is over

    def _take(self, size: Size, tokens: Sequence[int] | Tensor) -> None:
        self._load(tokens, size.rows)
        recording = self._held.get(size)
        if recording is not None:
            self._held.move_to_end(size)
            self._replay(recording)
        elif self._warmed[size] < _WARM:
            self._warm(size)
        elif (recording := self._record(size)) is not None:
            self._replay(recording)
        else:
            self._work(size)

    def _warm(self, size: Size) -> None:
        """Take a step as it will be recorded; the very first is watched, as the model itself takes it."""
        if self._is_watched:
            self._recorder.warm(lambda: self._work(size))
        else:
            self._watch(size)
        self._warmed[size] += self._is_watched

    def _watch(self, size: Size) -> None:
        pieces, self._pieces = self._pieces, None
        try:
            with Watch():
                self._recorder.warm(lambda: self._work(size))
            self._is_watched = True
        except CannotRecordError as error:
            self._give_up(f"a step cannot be recorded: {error}")
            self._work(size)
        finally:
            self._pieces = pieces

    def _replay(self, recording: Recording) -> None:
        recording.replay()
        self._counts["graph_steps"] += 1

    def _work(self, size: Size) -> None:
        """Do all that a graph does: nothing of it may depend on anything but *size* and tensors."""
        rows = size.rows
        tokens, ends = self._inputs[0, :rows, None], self._inputs[1, :rows]
        positions, mask = self._slots.aim(self._rows[:rows], ends, size.visible)
        fused = self._pieces.fused() if self._pieces else nullcontext()
        with fused, attending(self._decoder.config, ends) as layers:
            logits = self._decoder(tokens, self._slots.cache, positions=positions, mask=mask)
        self._is_own = layers.are_own
        self._logits[:rows].copy_(logits)

    def _record(self, size: Size) -> Recording | None:
        """Record a step of *size*; a model that cannot be recorded is not tried again."""
        try:
            recording = self._recorder.capture(lambda: self._work(size), self.tensors)
        except Exception as error:  # noqa: BLE001  # whatever a model does that a graph cannot
            self._give_up(f"recording a step raised {type(error).__name__}: {error}")
            return None
        self._counts["graphs"] += 1
        self._held[size] = recording
        self._make_room()
        return recording

    def _make_room(self) -> None:
        """Forget those used longest ago; the last one stays."""
        while len(self._held) > 1 and (len(self._held) > _MOST or self._taken() > self._room):
            size, _ = self._held.popitem(last=False)
            del self._warmed[size], self._passed[size]

    def _taken(self) -> int:
        return sum(each.nbytes for each in self._held.values())

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        self._held.clear()


def open_graphs(  # noqa: PLR0913  # each by name
    decoder: Decoder,
    recorder: Recorder,
    *,
    rows: int,
    cells: int,
    counts: Counter[str],
    room: int = MOST_BYTES,
    pieces: Pieces | None = None,
) -> tuple[StaticSlots, Graphs]:
    """Return slots for *cells* tokens, whose memory is taken now, and the graphs of steps in them."""
    find_kernel(decoder.device)
    cache: Any = DynamicCache()
    like = decoder(decoder.tensor([[0]]), cache)
    states = [(layer.keys, layer.values) for layer in cache.layers]
    slots = StaticSlots(states, cells=cells, rows=rows, device=decoder.device)
    made = Graphs(
        decoder,
        slots,
        recorder,
        rows=rows,
        like=like,
        counts=counts,
        room=room,
        pieces=pieces,
    )
    return slots, made
