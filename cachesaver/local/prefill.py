"""Read prompts once: together or in chunks, from where another one begins alike, and kept for later."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from operator import attrgetter, ne

import torch
from torch import Tensor

from cachesaver.local.decoder import Decoder
from cachesaver.local.memory import Memory, States

__all__ = ["Prefill", "Prefixes", "count_shared", "read_together"]


class Prefill:
    """A prompt that is being read, or was.

    Attributes:
        tokens: All of it.
        cached: How many of them were taken from *begun*.
        done: How many were read so far.
        logits: (1, vocabulary), once all were.
        states: What the slots get, once all were.
        is_due: Whether it was read for somebody who has yet to get it: to open it again reuses nothing.
    """

    def __init__(self, tokens: tuple[int, ...], *, begun: States = (), cached: int = 0) -> None:
        self.tokens = tokens
        self.cached = cached
        self.done = cached
        self.logits: Tensor | None = None
        self.states: States = ()
        self.is_due = False
        self._begun = begun
        self._memory: Memory | None = None
        self._at: int | None = None

    def advance(self, decoder: Decoder, chunk: int) -> int:
        """Read up to *chunk* more tokens and return how many."""
        memory = self._memory = self._memory or self._begin(decoder)
        piece = self.tokens[self.done : self.done + chunk]
        positions = torch.arange(self.done, self.done + len(piece), device=decoder.device)
        logits = decoder(decoder.tensor([piece]), memory.cache, positions=positions[None])
        self.done += len(piece)
        if self.done == len(self.tokens):
            self.logits, self.states = logits, memory.text(0, self.done)
        return len(piece)

    def end(self, memory: Memory, at: int, logits: Tensor) -> None:
        """Take note that it was read as text *at* of *memory*, which has others beside it."""
        self._memory, self._at = memory, at
        self.done, self.logits = len(self.tokens), logits
        self.states = memory.text(at, self.done)

    def part(self) -> None:
        """Have memory of its own, if it has it together with others, and no logits but its own."""
        self.logits = None if self.logits is None else self.logits.clone()
        if self._memory is not None and self._at is not None:
            self.states, self._at = self._memory.copy(self._at, self.done), None
            self._memory = None

    def _begin(self, decoder: Decoder) -> Memory:
        memory = Memory(decoder.layers, texts=1, room=len(self.tokens))
        memory.begin(self._begun, self.cached)
        self._begun = ()
        return memory


def read_together(decoder: Decoder, prefills: Sequence[Prefill]) -> None:
    """Read all of *prefills*, of which nothing was read, at once; the shorter ones are filled up behind."""
    lengths = [len(each.tokens) for each in prefills]
    longest = max(lengths)
    texts = [[*each.tokens, *[0] * (longest - len(each.tokens))] for each in prefills]
    memory = Memory(decoder.layers, texts=len(texts), room=longest)
    positions = torch.arange(longest, device=decoder.device).expand(len(texts), -1)
    logits = decoder(
        decoder.tensor(texts),
        memory.cache,
        positions=positions,
        ends=[length - 1 for length in lengths],
    )
    for at, each in enumerate(prefills):
        each.end(memory, at, logits[at : at + 1])


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
            kept.cached, kept.is_due = kept.cached if kept.is_due else len(tokens), False
            return kept
        shared = self._shared_with(tokens, at)
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
        prefill.part()
        self._sorted.insert(at, prefill)
        self._use(prefill)
        self.size += len(prefill.tokens)
        while self.size > self._room:
            self._forget(next(iter(self._used)))

    def count(self, tokens: tuple[int, ...]) -> int:
        """Return how many of *tokens* `open` would find read, about; nothing is used by that."""
        return self._shared_with(tokens, self._find(tokens)[0])

    def _shared_with(self, tokens: tuple[int, ...], at: int) -> int:
        """Return how many tokens of the beginning those have that lie where *tokens* belong."""
        beside = self._sorted[max(at - 1, 0) : at + 1]
        return max((count_shared(tokens, each.tokens) for each in beside), default=0)

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


def count_shared(ours: tuple[int, ...], theirs: tuple[int, ...]) -> int:
    """Return how many tokens two prompts have in common at their beginning."""
    differing = itertools.compress(itertools.count(), map(ne, ours, theirs))
    return next(differing, min(len(ours), len(theirs)))
