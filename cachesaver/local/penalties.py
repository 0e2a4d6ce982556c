"""What was said before, and what was asked to be said more or less: changes to logits, per row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cachesaver.local.params import Params

__all__ = ["Bias", "Penalties"]


class Penalties:
    """The penalties of the rows that have any, and the counts they go by.

    Args:
        params: Per row.
        prompts: Token ids, per row.
        answers: Those drawn so far, per row.
        vocabulary: How many tokens there are.
    """

    def __init__(
        self,
        params: Sequence[Params],
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        *,
        vocabulary: int,
        device: torch.device,
    ) -> None:
        chosen = [row for row, each in enumerate(params) if each.is_penalised]
        picked = [params[row] for row in chosen]
        self._is_idle = not chosen
        self._rows = torch.tensor(chosen, dtype=torch.long, device=device)
        self._presence = _column([each.presence_penalty for each in picked], device)
        self._frequency = _column([each.frequency_penalty for each in picked], device)
        self._repetition = _column([each.repetition_penalty for each in picked], device)
        self._said = _counts([answers[row] for row in chosen], vocabulary, device)
        self._read = _counts([prompts[row] for row in chosen], vocabulary, device) > 0

    def apply(self, logits: Tensor) -> None:
        """Change *logits* (rows, vocabulary), float32, in place."""
        if self._is_idle:
            return
        some = logits[self._rows]
        weakened = torch.where(some > 0, some / self._repetition, some * self._repetition)
        some = torch.where(self._read | (self._said > 0), weakened, some)
        some -= self._frequency * self._said
        some -= self._presence * (self._said > 0)
        logits[self._rows] = some

    def count(self, tokens: Tensor) -> None:
        """Take note of the token drawn in each of all rows; a row of which none was is over."""
        if not self._is_idle:
            drawn = tokens[self._rows].clamp(min=0)[:, None]
            self._said.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=self._said.dtype))


class Bias:
    """The *logit_bias* of all rows."""

    def __init__(self, params: Sequence[Params], device: torch.device) -> None:
        entries = [
            (row, *pair) for row, each in enumerate(params) for pair in each.logit_bias.items()
        ]
        self._is_idle = not entries
        self._rows = torch.tensor([row for row, _, _ in entries], dtype=torch.long, device=device)
        self._tokens = torch.tensor([at for _, at, _ in entries], dtype=torch.long, device=device)
        self._values = torch.tensor(
            [by for _, _, by in entries], dtype=torch.float32, device=device
        )

    def apply(self, logits: Tensor) -> None:
        """Change *logits* (rows, vocabulary), float32, in place."""
        if not self._is_idle:
            logits[self._rows, self._tokens] += self._values


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None]


def _counts(rows: Sequence[Sequence[int]], vocabulary: int, device: torch.device) -> Tensor:
    counts = [
        torch.bincount(torch.tensor(row, dtype=torch.long), minlength=vocabulary) for row in rows
    ]
    stacked = torch.stack(counts) if counts else torch.zeros((0, vocabulary))
    return stacked.to(device=device, dtype=torch.float32)
