"""Keys and values of texts while they are read, and for as long as they are kept.

To ask a GPU for memory takes longer than a layer of a small model: it is asked once for all layers of all
texts that are read together, and not again as they grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

__all__ = ["Memory", "States", "reserve"]

States: TypeAlias = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of each layer, each (1, heads, length, width)."""


def reserve(nbytes: int, device: torch.device) -> Sequence[Tensor]:
    """Have *nbytes* of a GPU at hand for tensors that come and go, while what is returned is held.

    torch keeps what was given back to it as one piece, which it takes apart for whoever asks next, and
    returns it to the device only when nothing of it is in use: so a little of it stays in use.
    """
    if device.type != "cuda" or nbytes < _GREAT:
        return ()
    torch.cuda.empty_cache()  # or pieces that lie about would be taken first
    try:
        piece = torch.empty(nbytes, dtype=torch.uint8, device=device)
    except torch.OutOfMemoryError:
        return ()
    first = piece.data_ptr()
    del piece
    elsewhere = list[Tensor]()
    for _ in range(_TRIES):
        held = torch.empty(_HELD, dtype=torch.uint8, device=device)
        if first <= held.data_ptr() < first + nbytes:
            return (held,)
        elsewhere.append(held)
    return ()


_GREAT = 1 << 28
"""Bytes that it is worth while for."""

_HELD = 12 << 20
"""Bytes; for less than 10 MiB torch looks elsewhere: https://docs.pytorch.org/docs/stable/notes/cuda.html."""

_TRIES = 32
"""Pieces that are in use in part have room for some."""


class Memory:
    """Memory for *texts*, beside each other, of up to *room* tokens each.

    Attributes:
        cache: Of transformers, to be handed to the model.

    Args:
        layers: That the model's cache has.
    """

    def __init__(self, layers: int, *, texts: int, room: int) -> None:
        self._shape = texts, room
        self._layers = [_Layer(self, at) for at in range(layers)]
        self._whole: Tensor | None = None
        self.cache: Any = Cache(layers=list(self._layers))

    def begin(self, states: States, length: int) -> None:
        """Have the one text begin as *states* do, with *length* tokens of them."""
        for layer, (keys, values) in zip(self._layers, states, strict=False):
            layer.update(keys[:, :, :length], values[:, :, :length])

    def text(self, at: int, length: int) -> States:
        """Return what text *at* has, for as long as nothing is written; it keeps all of the memory."""
        return [
            (layer.own_keys[at : at + 1, :, :length], layer.own_values[at : at + 1, :, :length])
            for layer in self._layers
            if layer.is_initialized
        ]

    def copy(self, at: int, length: int) -> States:
        """Return what text *at* has, in memory of its own."""
        if self._whole is None or not all(layer.is_in_whole for layer in self._layers):
            return [(keys.clone(), values.clone()) for keys, values in self.text(at, length)]
        keys, values = self._whole[:, :, at : at + 1, :, :length].clone().unbind(0)
        return list(zip(keys, values, strict=True))

    def take(self, at: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, bool]:
        """Return room for the keys and values of layer *at*, which has heads and widths like these.

        And whether it is a part of what all layers have together.
        """
        shapes = [self._room_for(keys), self._room_for(values)]
        if self._whole is None and shapes[0] == shapes[1]:
            self._whole = keys.new_empty((2, len(self._layers), *shapes[0]))
        whole = self._whole
        if whole is not None and all(
            (whole.shape[2:], whole.dtype, whole.device) == (shape, each.dtype, each.device)
            for shape, each in zip(shapes, (keys, values), strict=True)
        ):
            return whole[0, at], whole[1, at], True
        return keys.new_empty(shapes[0]), values.new_empty(shapes[1]), False

    def _room_for(self, like: Tensor) -> tuple[int, int, int, int]:
        texts, room = self._shape
        return texts, like.shape[1], room, like.shape[3]


class _Layer(CacheLayerMixin):
    """One layer."""

    is_sliding = False

    def __init__(self, memory: Memory, at: int) -> None:
        super().__init__()
        self.own_keys = self.own_values = torch.zeros(0)
        self.is_in_whole = False
        self._memory = memory
        self._at = at
        self._length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take memory."""
        self.own_keys, self.own_values, self.is_in_whole = self._memory.take(
            self._at, key_states, value_states
        )
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Write what was read; return all so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        first, self._length = self._length, self._length + key_states.shape[2]
        for own, new in ((self.own_keys, key_states), (self.own_values, value_states)):
            own[:, :, first : self._length] = new
        if not first:
            return key_states, value_states
        return self.own_keys[:, :, : self._length], self.own_values[:, :, : self._length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how much may be looked at, and from where on."""
        return self._length + query_length, 0

    def get_seq_length(self) -> int:
        """Return how much was read."""
        return self._length

    def get_max_length(self) -> int:
        """Return that there is no limit: it is the engine's."""
        return -1

    def get_max_cache_shape(self) -> int:
        """Do as `get_max_length` does, which earlier releases of transformers call so."""
        return -1
