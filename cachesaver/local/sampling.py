"""Draw the next token of each of several rows, each by its own parameters and its own randomness.

    token = argmax(logits / temperature + gumbel(seed, sample index, position in the answer, token))

What a row gets depends on nothing but itself: not on its neighbours, its place among them, or when
it arrived. And noise on the logits that is small beside the Gumbel noise seldom changes a token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cachesaver.local.filters import Filters
from cachesaver.local.guides import Guide
from cachesaver.local.params import Params
from cachesaver.local.penalties import Bias, Penalties
from cachesaver.local.picking import NONE, find_pick
from cachesaver.local.streams import Token

__all__ = ["Draw", "Picked", "Sampler"]

_COLDEST = 1e-6
"""Temperatures below it would divide logits beyond what a float holds; noise is nothing here already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a row's next token is drawn by.

    Attributes:
        key: `noise.sample_key` of its seed and sample index.
        prompt: Token ids.
        answer: Those drawn so far.
    """

    params: Params
    key: int
    prompt: Sequence[int]
    answer: Sequence[int]
    guide: Guide | None = None


class Picked:
    """Ids on their way from the device: whoever waits for them waits for nothing that it is told later.

    Attributes:
        tokens: int64, (rows,), on the device.
    """

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens
        self._here, self._arrived = tokens, None
        if tokens.is_cuda:
            self._here = torch.empty_like(tokens, device="cpu", pin_memory=True)
            self._here.copy_(tokens, non_blocking=True)
            self._arrived = torch.cuda.current_stream(tokens.device).record_event()

    def wait(self) -> list[int]:
        """Return them when they are there."""
        if self._arrived is not None:
            self._arrived.synchronize()
        ids: list[int] = self._here.tolist()
        return ids


class Sampler:
    """Draws for a fixed set of rows, step after step; made anew when the set changes."""

    def __init__(self, draws: Sequence[Draw], *, vocabulary: int, device: torch.device) -> None:
        params = [each.params for each in draws]
        self._keys = torch.tensor([each.key for each in draws], dtype=torch.long, device=device)
        self._positions = torch.tensor([len(each.answer) for each in draws], device=device)
        heat = [1.0 if each.is_greedy else max(each.temperature, _COLDEST) for each in params]
        self._heat = torch.tensor(heat, dtype=torch.float32, device=device)[:, None]
        self._is_drawn = torch.tensor([not each.is_greedy for each in params], device=device)[
            :, None
        ]
        self._once = torch.ones_like(self._heat)
        self._pick = find_pick(self._keys.device)
        self._filters = Filters(params, device)
        self._bias = Bias(params, device)
        self._guides = [(row, each.guide) for row, each in enumerate(draws) if each.guide]
        self._penalties = Penalties(
            params,
            [each.prompt for each in draws],
            [each.answer for each in draws],
            vocabulary=vocabulary,
            device=device,
        )
        self._is_plain = not self._guides and not any(
            each.is_penalised or each.is_filtered or each.logit_bias for each in params
        )
        self._tops = [each.logprobs for each in params]
        self._widest = max((top for top in self._tops if top is not None), default=None)

    @property
    def is_blind(self) -> bool:
        """Whether it can draw a token before anyone has looked at the one before; it waits for nothing."""
        return self._is_plain and self._widest is None

    def draw(self, logits: Tensor) -> list[Token | None]:
        """Return the next token of each row; `None` where the model gave no numbers.

        Args:
            logits: (rows, vocabulary), of any float type; not changed.
        """
        return self.tell(logits, self.pick(logits))

    def pick(self, logits: Tensor) -> Picked:
        """Return the next tokens' ids, or `NONE`: on the device, which may still be at it."""
        scores, heat = (
            (logits, self._heat) if self._is_plain else (self._scores(logits), self._once)
        )
        tokens = self._pick(scores, heat, self._is_drawn, self._keys, self._positions)
        self._positions += 1
        self._penalties.count(tokens)
        return Picked(tokens)

    def tell(self, logits: Tensor, picked: Picked) -> list[Token | None]:
        """Wait for what was picked by *logits*, and return it with what was asked for besides."""
        reports = self._reports(logits, picked.tokens)
        return [
            None if token == NONE else Token(id=token, logprob=chance, top=top)
            for token, (chance, top) in zip(picked.wait(), reports, strict=True)
        ]

    def _scores(self, logits: Tensor) -> Tensor:
        """Return *logits* after all that is asked for but noise, divided by temperature."""
        scores = logits.to(torch.float32, copy=True)
        self._penalties.apply(scores)
        self._bias.apply(scores)
        for row, guide in self._guides:
            if (allowed := guide.allowed()) is not None:
                scores[row].masked_fill_(~allowed.to(scores.device), -math.inf)
        scores /= self._heat
        self._filters.apply(scores)
        return scores

    def _reports(self, logits: Tensor, tokens: Tensor) -> list[_Report]:
        """Return the log-probabilities that were asked for, per row."""
        if self._widest is None:
            return [(None, ())] * len(self._tops)
        chances = logits.to(torch.float32).log_softmax(dim=-1)
        own = chances.gather(1, tokens.clamp(min=0)[:, None])[:, 0].tolist()
        values, ids = chances.topk(min(self._widest, logits.shape[1]), dim=-1)
        tops = [
            list(zip(*row, strict=True)) for row in zip(ids.tolist(), values.tolist(), strict=True)
        ]
        return [
            (None, ()) if wanted is None else (chance, tuple(top[:wanted]))
            for wanted, chance, top in zip(self._tops, own, tops, strict=True)
        ]


_Report = tuple[float | None, tuple[tuple[int, float], ...]]
