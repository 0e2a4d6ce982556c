"""Which prompts are read next: short ones together, a long one in pieces, between the steps of others.

To tell a GPU of a prompt takes longer than to read it, if it is short and the model is small: of 1B, four
of 512 tokens that are read at once take no longer than one. Where much of a prompt was read before, or
will have been with another one, it is not read again: it is read alone, from there on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from cachesaver.local.decoder import Decoder
from cachesaver.local.prefill import Prefill, Prefixes, count_shared, read_together
from cachesaver.local.rows import Prompt, Queue

__all__ = ["Reader", "Reading"]

_LOG = logging.getLogger(__name__)

_MUCH = 4
"""A prompt is not read with others if one part in so many is known, or will be when they are read."""

_ALIKE = 2
"""The longest of those that are read together is at most so many times the shortest."""


class Reading(NamedTuple):
    """A prompt that is being read, or was, with the samples that have no place yet."""

    prompt: Prompt
    prefill: Prefill


class Reader:
    """Takes prompts from *queue*.

    Attributes:
        prompts: Those of `Reading`, in order of arrival.

    Args:
        decoder: That reads them.
        kept: Tokens of prompts to keep for later prompts that begin alike.
        together: Prompts that are read at once, at most.
        chunk: Tokens that are read between two steps of the batch.
        counts: `prompt_tokens` and `reused_tokens` are counted there.
    """

    def __init__(
        self,
        decoder: Decoder,
        queue: Queue,
        *,
        kept: int,
        together: int,
        chunk: int,
        counts: Counter[str],
    ) -> None:
        self._decoder = decoder
        self._queue = queue
        self._most = together
        self._chunk = chunk
        self._counts = counts
        self._prefixes = Prefixes(kept)
        self._group: list[Reading] = []
        self._is_apart = False

    @property
    def prompts(self) -> list[Prompt]:
        """See the class."""
        return [each.prompt for each in self._group]

    def first(self) -> Reading | None:
        """Return what has waited longest and is wanted, if it was read."""
        while self._group and not self._group[0].prompt.rows:
            del self._group[0]
        return self._group[0] if self._group and self._group[0].prefill.logits is not None else None

    def next(self, most: int) -> list[Reading]:
        """Return what is to be read now: up to *most* tokens in all, or of the only one.

        Nothing while what was read waits for a place, or where the rest of a chunk is not enough for what
        is new of the next one, or begins a longer one.
        """
        if self.first() is not None:
            return []
        if not self._group:
            self._gather(most)
        unread = [each for each in self._group if each.prefill.logits is None and each.prompt.rows]
        return unread[:1] if self._is_apart else unread

    def read(self, readings: Sequence[Reading], most: int) -> int:
        """Read *readings*, or up to *most* tokens of the one; return what of *most* that took.

        What shorter ones are filled up with counts. Nothing is read if the model cannot read them together.

        Raises:
            Exception: The model's own, under the only one.
        """
        if len(readings) > 1 and not self._read_together(readings):
            return 0  # who is read alone is to blame alone
        if len(readings) == 1:
            read = taken = readings[0].prefill.advance(self._decoder, most)
        else:
            lengths = [len(each.prompt.tokens) for each in readings]
            read, taken = sum(lengths), len(lengths) * max(lengths)
        self._counts["prompt_tokens"] += read
        for each in readings:
            if each.prefill.logits is not None:
                self._prefixes.keep(each.prefill)
        return taken

    def put_back(self) -> None:
        """Let all but the first wait in the queue again, where others can be put before them."""
        for reading in reversed(self._group[1:]):
            reading.prefill.is_due = True
            for row in reading.prompt.rows:
                self._queue.put_back(row)
        del self._group[1:]

    def _read_together(self, readings: Sequence[Reading]) -> bool:
        """Tell whether they were read: if the model raises, each is read alone from now on."""
        try:
            read_together(self._decoder, [each.prefill for each in readings])
        except Exception as error:  # noqa: BLE001  # it is raised again under the one to blame
            _LOG.debug("%d prompts are read one by one: %r", len(readings), error)
            self._is_apart = True
        return not self._is_apart

    def _gather(self, most: int) -> None:
        """Take the next prompt from the queue, and those behind it that are read with it."""
        first = self._queue.first()
        if first is None or most < min(self._chunk, self._count_new(first)):
            return
        taken = list[Prompt]()
        while (prompt := self._queue.first()) is not None and self._fits(prompt, taken, most):
            self._queue.pop()
            taken.append(prompt)
        alone, self._is_apart = len(taken) == 1, False
        self._group = [
            Reading(each, self._prefixes.open(each.tokens) if alone else Prefill(each.tokens))
            for each in taken
        ]
        self._counts["reused_tokens"] += sum(each.prefill.cached for each in self._group)

    def _count_new(self, prompt: Prompt) -> int:
        """Return how many tokens of *prompt* are to be read, at least one."""
        return max(1, len(prompt.tokens) - self._prefixes.count(prompt.tokens))

    def _fits(self, prompt: Prompt, others: Sequence[Prompt], most: int) -> bool:
        """Tell whether *prompt* can be read with *others*, and is not better read after them."""
        if not others:
            return True
        lengths = [len(each.tokens) for each in (prompt, *others)]
        if (
            len(lengths) > self._most
            or len(lengths) * max(lengths) > most
            or max(lengths) > _ALIKE * min(lengths)
        ):
            return False
        shared = (count_shared(prompt.tokens, each.tokens) for each in others)
        return self._is_new(prompt, max(shared)) and self._is_new(others[0], 0)

    def _is_new(self, prompt: Prompt, shared: int) -> bool:
        """Tell whether little of *prompt* was read, and no more than *shared* is about to be."""
        known = max(shared, self._prefixes.count(prompt.tokens))
        return _MUCH * known < len(prompt.tokens)
