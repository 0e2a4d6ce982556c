"""Read prompts once: in chunks, from where a prompt before has the same beginning, and kept for later."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from operator import attrgetter, ne
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
    """The prompts read last, up to *room* tokens together, the oldest use forgotten first.

    Attributes:
        size: Tokens of the prompts that are kept.
    """

    def __init__(self, room: int) -> None:
        self.size = 0
        self._room = room
        # By their tokens: those with one beginning lie side by side, the likest next to each other.
        self._sorted: list[Prefill] = []
        self._used: OrderedDict[Prefill, int] = OrderedDict()
        self._clock = itertools.count()

    def open(self, tokens: tuple[int, ...]) -> Prefill:
        """Return *tokens* read before, or begun with the longest beginning that was."""
        at, kept = self._find(tokens)
        if kept is not None:
            self._use(kept)
            kept.cached = len(tokens)
            return kept
        beside = self._sorted[max(at - 1, 0) : at + 1]
        shared = max((_shared(tokens, each.tokens) for each in beside), default=0)
        # The last token is always read: its logits are wanted.
        if not (cached := min(shared, len(tokens) - 1)):
            return Prefill(tokens)
        best = self._oldest(tokens[:shared])
        self._use(best)
        return Prefill(tokens, begun=best.states, cached=cached)

    def keep(self, prefill: Prefill) -> None:
        """Keep what was read to its end, unless it is kept, or longer than all there is room for."""
        at, kept = self._find(prefill.tokens)
        if kept is not None or len(prefill.tokens) > self._room:
            return
        self._sorted.insert(at, prefill)
        self._use(prefill)
        self.size += len(prefill.tokens)
        while self.size > self._room:
            self._forget(next(iter(self._used)))

    def _find(self, tokens: tuple[int, ...]) -> tuple[int, Prefill | None]:
        """Return where *tokens* belong among the sorted, and who has them."""
        at = bisect_left(self._sorted, tokens, key=_tokens)
        has = at < len(self._sorted) and self._sorted[at].tokens == tokens
        return at, self._sorted[at] if has else None

    def _oldest(self, beginning: tuple[int, ...]) -> Prefill:
        """Return, of those that begin so, the one whose use is the longest ago."""
        length = len(beginning)
        first = bisect_left(self._sorted, beginning, key=_tokens)
        end = bisect_right(self._sorted, beginning, first, key=lambda each: each.tokens[:length])
        return min(self._sorted[first:end], key=self._used.__getitem__)

    def _use(self, prefill: Prefill) -> None:
        self._used[prefill] = next(self._clock)
        self._used.move_to_end(prefill)

    def _forget(self, prefill: Prefill) -> None:
        del self._used[prefill]
        del self._sorted[self._find(prefill.tokens)[0]]
        self.size -= len(prefill.tokens)


_tokens = attrgetter("tokens")


def _shared(ours: tuple[int, ...], theirs: tuple[int, ...]) -> int:
    """Return how many tokens two prompts have in common at their beginning."""
    differing = itertools.compress(itertools.count(), map(ne, ours, theirs))
    return next(differing, min(len(ours), len(theirs)))
