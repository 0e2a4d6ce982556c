"""Slots in memory that is taken once and never moves: what a graph of CUDA reads and writes.

How long a slot is changes as texts outgrow it, and with it where each slot begins; a graph is for one
length. So slots are as long as they can be for all rows to have one, and longer only for a longer text.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cachesaver.local.memory import States
from cachesaver.local.slots import GRAIN, SlotLayer, Slots

__all__ = ["StaticSlots", "slot_length"]


def slot_length(rows: int, length: int, *, most: int, cells: int) -> int:
    """Return how long slots are for *rows* texts of up to *length* tokens; at least *length*.

    Args:
        rows: In use.
        length: Of the longest; *rows* times *length* is not more than *cells*.
        most: Rows that there may be.
        cells: Tokens that there is memory for.
    """
    wanted = max(GRAIN, cells // most // GRAIN * GRAIN)
    while wanted < length:
        wanted *= 2
    return wanted if rows * wanted <= cells else cells // rows


class StaticSlots(Slots):
    """See `Slots`; slots that are not in use are there too, and may hold anything as far as is `written`.

    Attributes:
        tensors: All memory of the slots.

    Args:
        like: What a prompt has in each layer: for the number of heads, their widths and the type.
        cells: Tokens to take memory for.
        rows: That there may be.
        device: Of the model.
    """

    def __init__(self, like: States, *, cells: int, rows: int, device: torch.device) -> None:
        layers = [_StaticLayer(*each, cells) for each in like]
        super().__init__(layers=layers, cells=cells, device=device)
        self.tensors = tuple(each for layer in layers for each in layer.memory)
        self._most = rows

    def lay_out(self) -> None:
        """Have a slot for each row that there may be, or for as many as there are cells. None is in use."""
        states = [(layer.own_keys, layer.own_values) for layer in self.layers]
        self._fit(min(self._most, self.cells), 1, states)
        self.written = max(self.written, 1)

    def plan(self, rows: int, length: int) -> tuple[int, int]:
        """Return the shape to have: what there is while it fits, from the beginning if none is in use."""
        now = self.shape
        if self.lengths and rows <= now[0] and length <= now[1]:
            return now
        long = slot_length(rows, length, most=self._most, cells=self.cells)
        return self.cells // long, long


class _StaticLayer(SlotLayer):
    """One layer, whose slots are views of memory for *cells* tokens."""

    def __init__(self, keys: Tensor, values: Tensor, cells: int) -> None:
        super().__init__()
        self.memory = tuple(_empty(each, cells) for each in (keys, values))
        self._heads = keys.shape[1], values.shape[1]
        self._widths = keys.shape[3], values.shape[3]
        self.is_initialized = True

    def resize(
        self, shape: tuple[int, int], rows: int, length: int, *, keys: Tensor, values: Tensor
    ) -> None:
        """Have *shape* slots, of zeros but for what is in use: kept by a copy, for old and new overlap."""
        kept = [
            each[:rows, :, :length].clone() for each in (self.own_keys, self.own_values) if rows
        ]
        self.own_keys, self.own_values = (
            memory[: shape[0] * heads * shape[1] * width].view(shape[0], heads, shape[1], width)
            for memory, heads, width in zip(self.memory, self._heads, self._widths, strict=True)
        )
        for memory in self.memory:
            memory.zero_()
        if kept:
            self.fill(slice(rows), *kept, until=length)


def _empty(like: Tensor, cells: int) -> Tensor:
    return like.new_zeros(cells * like.shape[1] * like.shape[3])
