"""The batch's memory: one slot per sample, all slots of one length, used from the first without gaps.

It is a cache of transformers: a layer writes the new key and value of each row where that row's text
ends, and gives back the slots in use; the mask hides what lies behind each row's end. What is hidden is
multiplied by 0 all the same, so it is always a number, whatever was in the slot before: as far as any
slot was ever written, who takes one clears it, and beyond that there are zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from cachesaver.local.memory import States

__all__ = ["GRAIN", "SlotLayer", "Slots", "plan"]

GRAIN = 8
"""Lengths are multiples of it: the kernels of CUDA want masks so aligned."""

_STRIDE = 64
"""Tokens by which slots grow, so that they are not copied at each step."""

_AT_ONCE = 1 << 15
"""Tokens that are moved together at the most: in between, they are in memory a second time."""


def plan(rows: int, length: int, *, now: tuple[int, int], cells: int) -> tuple[int, int]:
    """Return how many slots of what length to have, at least *rows* and *length*.

    There is *now* so much of both. Rows times length may not be more than *cells*, and *rows* x
    *length* is not.
    """
    if rows <= now[0] and length <= now[1]:
        return now
    generous = (1 << (rows - 1).bit_length(), _up(length, _STRIDE))
    both = (max(now[0], generous[0]), max(now[1], generous[1]))
    choices = (both, generous, (rows, generous[1]), (rows, _up(length, GRAIN)))
    return next((each for each in choices if each[0] * each[1] <= cells), (rows, length))


class Slots:
    """Keys and values of the rows in the batch.

    Attributes:
        lengths: Tokens of each row in use.
        cells: Tokens that there is memory for.
        shape: How many slots of what length there are.
        written: Cells of a slot beyond which there are zeros in all of them.
        cache: To be handed to the model, after `open_step`.

    Args:
        layers: How many the model has, or what holds each.
        cells: See above.
        device: Of the model.
    """

    def __init__(
        self, *, layers: int | Sequence[SlotLayer], cells: int, device: torch.device
    ) -> None:
        self.lengths: list[int] = []
        self.cells = cells
        self.shape = (0, 0)
        self.written = 0
        self._device = device
        self.layers = [SlotLayer() for _ in range(layers)] if isinstance(layers, int) else layers
        self.cache: Any = Cache(layers=list(self.layers))

    @property
    def used(self) -> int:
        """Cells that the rows take up, the longest giving the length of all."""
        return len(self.lengths) * max(self.lengths, default=0)

    def has_room(self, rows: int, length: int) -> bool:
        """Tell whether so many rows more, of that length, would fit."""
        return (len(self.lengths) + rows) * max(length, *self.lengths, 0) <= self.cells

    def seat(self, states: States, rows: int) -> None:
        """Give the next *rows* slots what was read; there is room."""
        first, length = len(self.lengths), states[0][0].shape[2]
        self._fit(first + rows, max(length, *self.lengths, 0), states)
        for layer, (keys, values) in zip(self.layers, states, strict=True):
            layer.fill(slice(first, first + rows), keys, values, until=self.written)
        self.written = max(self.written, length)
        self.lengths += [length] * rows

    def open_step(self) -> tuple[Tensor, Tensor]:
        """Make room for one more token in each row.

        Returns:
            Positions, (rows, 1), and what may be looked at, (rows, 1, 1, length).
        """
        length = self.make_room()
        ends = torch.tensor(self.lengths, device=self._device)
        rows = torch.arange(len(ends), device=self._device)
        return self.aim(rows, ends, min(_up(length, GRAIN), self.shape[1]))

    def make_room(self) -> int:
        """Make room for one more token in each row; return the length that the longest then has."""
        length = max(self.lengths) + 1
        states = [(layer.own_keys, layer.own_values) for layer in self.layers]
        self._fit(len(self.lengths), length, states)
        self.written = max(self.written, length)
        return length

    def aim(self, rows: Tensor, ends: Tensor, visible: int) -> tuple[Tensor, Tensor]:
        """Let the next step write at *ends* of *rows*, which are all from the first on.

        Args:
            rows: 0 and up, as a tensor.
            ends: Where the text of each ends.
            visible: Cells of each slot that are given to the model.

        Returns:
            As `open_step` does.
        """
        mask = torch.arange(visible, device=ends.device)[None, :] <= ends[:, None]
        for layer in self.layers:
            layer.aim(rows, ends, visible)
        return ends[:, None], mask[:, None, None, :]

    def close_step(self) -> None:
        """Take note that each row has one more token."""
        self.lengths = [length + 1 for length in self.lengths]

    def remove(self, slots: Sequence[int]) -> list[tuple[int, int]]:
        """Free *slots*, each once; return which of the others moved, from where to where."""
        gone, left = set(slots), len(self.lengths) - len(slots)
        stay = [slot for slot in range(left, len(self.lengths)) if slot not in gone]
        moves = list(zip(stay, sorted(slot for slot in gone if slot < left), strict=True))
        used = [max(self.lengths[old], self.lengths[new]) for old, new in moves]
        for first, end in _parts(used, _AT_ONCE):
            self._move(moves[first:end], max(used[first:end]))
        for old, new in moves:
            self.lengths[new] = self.lengths[old]
        del self.lengths[left:]
        return moves

    def _move(self, moves: Sequence[tuple[int, int]], length: int) -> None:
        old, new = torch.tensor(moves, device=self._device).unbind(1)
        for layer in self.layers:
            layer.move(old, new, length)

    def plan(self, rows: int, length: int) -> tuple[int, int]:
        """Return the shape to have, for at least *rows* and *length*; it may be what there is."""
        return plan(rows, length, now=self.shape, cells=self.cells)

    def _fit(self, rows: int, length: int, like: States) -> None:
        shape = self.plan(rows, length)
        if shape == self.shape:
            return
        kept, longest = len(self.lengths), max(self.lengths, default=0)
        for layer, (keys, values) in zip(self.layers, like, strict=True):
            layer.resize(shape, kept, longest, keys=keys, values=values)
        self.shape, self.written = shape, longest


class SlotLayer(CacheLayerMixin):
    """One layer of the slots."""

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()
        self.own_keys = self.own_values = torch.zeros(0)
        self._is_empty = True
        self._rows = self._ends = torch.zeros(0)
        self._visible = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: `resize` did it."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Write one token per row; return all that may be looked at."""
        rows = len(key_states)
        self.own_keys[self._rows, :, self._ends] = key_states[:, :, 0]
        self.own_values[self._rows, :, self._ends] = value_states[:, :, 0]
        return self.own_keys[:rows, :, : self._visible], self.own_values[:rows, :, : self._visible]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how much may be looked at, and from where on."""
        return self._visible, 0

    def get_seq_length(self) -> int:
        """Return the length of the longest row."""
        return max(0, self._visible - 1)

    def get_max_length(self) -> int:
        """Return that there is no limit: it is the engine's."""
        return -1

    def get_max_cache_shape(self) -> int:
        """Do as `get_max_length` does, which earlier releases of transformers call so."""
        return -1

    def aim(self, rows: Tensor, ends: Tensor, visible: int) -> None:
        """Write the next token of each of *rows* at its *ends*, and give back *visible* cells."""
        self._rows, self._ends, self._visible = rows, ends, visible

    def fill(self, slots: slice, keys: Tensor, values: Tensor, *, until: int) -> None:
        """Have all *slots* hold *keys* and *values*, and zeros behind them *until* there are anyway."""
        for own, new in ((self.own_keys, keys), (self.own_values, values)):
            own[slots, :, : new.shape[2]] = new
            own[slots, :, new.shape[2] : until] = 0

    def move(self, old: Tensor, new: Tensor, length: int) -> None:
        """Have the slots *new* hold what *old* do, none of which is among them.

        Args:
            old: int64, (some,).
            new: Likewise.
            length: In cells, beyond which all are zeros.
        """
        for own in (self.own_keys, self.own_values):
            cells = own[:, :, :length]
            cells.index_copy_(0, new, cells.index_select(0, old))

    def resize(
        self, shape: tuple[int, int], rows: int, length: int, *, keys: Tensor, values: Tensor
    ) -> None:
        """Have *shape* slots of heads and widths like *keys* and *values*; keep what is in use."""
        old = (keys, values) if self._is_empty else (self.own_keys, self.own_values)
        self.own_keys = _resized(old[0], shape, rows, length)
        self.own_values = _resized(old[1], shape, rows, length)
        self._is_empty, self.is_initialized = False, True


def _resized(old: Tensor, shape: tuple[int, int], rows: int, length: int) -> Tensor:
    new = old.new_zeros((shape[0], old.shape[1], shape[1], old.shape[3]))
    new[:rows, :, :length] = old[:rows, :, :length]
    return new


def _parts(sizes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Iterate where runs of *sizes* begin and end, each with *most* in all or with one size only.

    A run counts for as many times its greatest size as it is long.
    """
    first = 0
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or max(sizes[first : end + 1]) * (end + 1 - first) > most:
            yield first, end
            first = end


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
