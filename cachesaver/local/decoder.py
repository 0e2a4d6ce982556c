"""A model of transformers, asked for logits: what its `forward` calls things, and what it holds."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from cachesaver.local.errors import UnsupportedModelError
from cachesaver.local.reach import find_context

__all__ = ["Decoder"]

_CACHE_NAMES = ("cache", "past_key_values")
"""What the argument is called from transformers 5.24 on, and before."""


class Decoder:
    """Calls *model* in evaluation mode.

    Attributes:
        vocabulary: How many logits it gives.
        context: Its greatest length in tokens.
        ends: Its own end tokens.

    Raises:
        ConfigurationError: *context* is more than it can be served with, see `find_context`.
        UnsupportedModelError: It is no decoder, or keeps no cache.
    """

    def __init__(self, model: Any, *, context: int | None = None) -> None:
        self.model = model.eval()
        self.device: torch.device = model.device
        self.config = model.config.get_text_config(decoder=True)
        self.vocabulary = int(self.config.vocab_size)
        self.context = find_context(self.config, context)
        self.ends = _end_tokens(model)
        takes = inspect.signature(model.forward).parameters
        if model.config.is_encoder_decoder or not any(name in takes for name in _CACHE_NAMES):
            raise UnsupportedModelError(
                f"{type(model).__name__} is not a decoder with a cache: only models that continue a text "
                "can be served, such as those of AutoModelForCausalLM"
            )
        self._cache_name = next(name for name in _CACHE_NAMES if name in takes)
        self._keep = [name for name in ("logits_to_keep",) if name in takes]
        self.takes_positions = "position_ids" in takes

    def __call__(
        self,
        tokens: Tensor,
        cache: Any,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        ends: Sequence[int] | None = None,
    ) -> Tensor:
        """Read *tokens* (rows, some) after what *cache* holds.

        Args:
            tokens: Ids.
            cache: Of transformers; it gets *tokens* too.
            positions: Of the tokens in their texts, of their shape; `None`: right after the cache.
            mask: What each may look at: bool, (rows, 1, some, length); `None`: all before it.
            ends: Which token is the last of each row, from 0; `None`: the last there is.

        Returns:
            Logits after the last token, (rows, vocabulary).
        """
        kept = sorted(set(ends or ()))
        keep = dict.fromkeys(self._keep, self.tensor(kept) if kept else 1)
        named: dict[str, Any] = {self._cache_name: cache, **keep}
        if positions is not None:
            named["position_ids"] = positions
        if mask is not None:
            named["attention_mask"] = self._in_its_form(mask)
        logits: Tensor = self.model(input_ids=tokens, use_cache=True, **named).logits
        logits = logits[:, :, : self.vocabulary]  # some pad their output layer
        if ends is None:
            return logits[:, -1]
        places = [kept.index(end) for end in ends] if keep else ends
        return logits[torch.arange(len(ends), device=logits.device), self.tensor(places)]

    @cached_property
    def layers(self) -> int:
        """How many its cache has.

        Raises:
            KeyError: transformers has no cache for some kind of them.
        """
        return len(DynamicCache(config=self.config).layers)

    def tensor(self, values: object) -> Tensor:
        """Return whole numbers on the model's device."""
        return torch.tensor(values, dtype=torch.long, device=self.device)

    def go_on(self, tokens: Tensor, cache: Any, at: int) -> Tensor:
        """Read *tokens* after the *at* that *cache* holds in each row, and return what a call does.

        Positions are told where they can be, as `generate` does: by themselves some models, such as
        Bamba and RoBERTa, count otherwise.
        """
        if not self.takes_positions:
            return self(tokens, cache)
        positions = torch.arange(at, at + tokens.shape[1], device=self.device)
        return self(tokens, cache, positions=positions.expand(len(tokens), -1))

    def _in_its_form(self, mask: Tensor) -> Tensor:
        """Return *mask* for this attention: `eager` adds it; `sdpa` takes it as it is.

        On CUDA that would make one to be added of it in each layer, so it gets that.
        """
        attention = self.config._attn_implementation  # noqa: SLF001  # there is no public name
        if attention != "eager" and self.device.type != "cuda":
            return mask
        dtype = self.model.dtype
        never = torch.finfo(dtype).min
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, never)


def _end_tokens(model: Any) -> frozenset[int]:
    settings = getattr(model, "generation_config", None) or model.config
    ends = getattr(settings, "eos_token_id", None)
    if ends is None:
        return frozenset()
    return frozenset([ends] if isinstance(ends, int) else ends)
