"""Read prompts once: in chunks, from where a prompt before has the same beginning, and kept for later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import DynamicCache

from cachesaver.local.decoder import Decoder

__all__ = ["Prefill", "Prefixes", "States"]

States: TypeAlias = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of each layer, each (1, heads, length, width)."""


class Prefill:
    """A prompt that is being read, or was.

    Attributes:
        tokens: All of it.
        cached: How many of them were taken from *begun*.
        done: How many were read so far.
        logits: (1, vocabulary), once all were.
    """

    def __init__(self, tokens: tuple[int, ...], *, begun: States = (), cached: int = 0) -> None:
        self.tokens = tokens
        self.cached = cached
        self.done = cached
        self.logits: Tensor | None = None
        self._cache: Any = DynamicCache()
        for layer, (keys, values) in enumerate(begun):
            self._cache.update(keys[:, :, :cached], values[:, :, :cached], layer)

    @property
    def states(self) -> States:
        """What the slots get."""
        return [(layer.keys, layer.values) for layer in self._cache.layers]

    def advance(self, decoder: Decoder, chunk: int) -> int:
        """Read up to *chunk* more tokens and return how many."""
        piece = self.tokens[self.done : self.done + chunk]
        positions = torch.arange(self.done, self.done + len(piece), device=decoder.device)
        logits = decoder(decoder.tensor([piece]), self._cache, positions=positions[None])
        self.done += len(piece)
        if self.done == len(self.tokens):
            self.logits = logits
        return len(piece)


class Prefixes:
    """The prompts read last, up to *room* tokens together, the oldest use forgotten first."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[tuple[int, ...], tuple[Prefill, Tensor]] = OrderedDict()

    @property
    def size(self) -> int:
        """Tokens of the prompts that are kept."""
        return sum(map(len, self._kept))

    def open(self, tokens: tuple[int, ...]) -> Prefill:
        """Return *tokens* read before, or begun with the longest beginning that was."""
        if tokens in self._kept:
            self._kept.move_to_end(tokens)
            kept = self._kept[tokens][0]
            kept.cached = len(tokens)
            return kept
        wanted = torch.tensor(tokens)
        shared = {key: _shared(wanted, ids) for key, (_, ids) in self._kept.items()}
        best = max(shared, key=lambda key: shared[key], default=())
        # The last token is always read: its logits are wanted.
        if not (cached := min(shared.get(best, 0), len(tokens) - 1)):
            return Prefill(tokens)
        self._kept.move_to_end(best)
        return Prefill(tokens, begun=self._kept[best][0].states, cached=cached)

    def keep(self, prefill: Prefill) -> None:
        """Keep what was read to its end, unless it is longer than all there is room for."""
        if len(prefill.tokens) > self._room:
            return
        self._kept[prefill.tokens] = (prefill, torch.tensor(prefill.tokens))
        while self.size > self._room:
            self._kept.popitem(last=False)


def _shared(ours: Tensor, theirs: Tensor) -> int:
    """Return how many tokens two prompts have in common at their beginning."""
    length = min(len(ours), len(theirs))
    differs = (ours[:length] != theirs[:length]).nonzero()
    return int(differs[0, 0]) if len(differs) else length
