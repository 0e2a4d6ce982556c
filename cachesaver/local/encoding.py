"""Texts into vectors by a model of transformers that reads both ways, such as a BERT. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cachesaver.local.pooling import Pooling
from cachesaver.local.reach import find_reach

__all__ = ["TextEncoder"]

_BATCH = 32


class TextEncoder:
    """See `cachesaver.local.app.served.Encoder`.

    Args:
        model: Of transformers, such as `AutoModel` gives, on its device.
        pooling: That the model was trained with.
        is_unit: Whether vectors are scaled to length 1.
        context: Tokens that a text may have; `None`: what the model says.
        lowers: Whether texts are written in small letters first.
    """

    def __init__(
        self,
        model: Any,
        *,
        pooling: Pooling = "mean",
        is_unit: bool = True,
        context: int | None = None,
        lowers: bool = False,
    ) -> None:
        self.lowers = lowers
        self.context = min(each for each in (context, find_reach(model.config)) if each is not None)
        self.width = int(model.config.hidden_size)
        self.vocabulary = int(model.config.vocab_size)
        self._model = model
        self._pooling = pooling
        self._is_unit = is_unit

    def embed(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return a vector for each of *texts*, which are token ids with all that belongs around them."""
        # Those of like length together: nothing is computed for padding in vain.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        vectors: dict[int, list[float]] = {}
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                places = order[start : start + _BATCH]
                batch = self._batch([texts[at] for at in places])
                vectors.update(zip(places, batch.tolist(), strict=True))
        return [vectors[at] for at in range(len(texts))]

    def _batch(self, texts: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts])
        mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
        device = self._model.device
        hidden = self._model(
            input_ids=ids.to(device), attention_mask=mask.to(device)
        ).last_hidden_state.float()
        vectors = self._pool(hidden, mask.to(device)[:, :, None])
        return torch.nn.functional.normalize(vectors, dim=-1) if self._is_unit else vectors

    def _pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        if self._pooling == "cls":
            return hidden[:, 0]
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)
