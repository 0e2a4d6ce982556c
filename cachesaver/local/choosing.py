"""Which engine runs a model: slots where every layer keeps the whole text, a group otherwise."""

from __future__ import annotations

from typing import Any, Literal

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from cachesaver.local.decoder import Decoder
from cachesaver.local.engine import Engine
from cachesaver.local.errors import ParameterError, UnsupportedModelError
from cachesaver.local.group_engine import GroupEngine
from cachesaver.local.slot_engine import SlotEngine
from cachesaver.local.trial import count_bytes, group_agrees, slots_agree

__all__ = ["open_engine", "why_not_slots"]

_ATTENTIONS = ("sdpa", "eager")
"""Those that take a mask per row; https://huggingface.co/docs/transformers/attention_interface."""

_CELLS = 1 << 18
"""Where there is no telling how much memory is free."""

_SHARE = 0.6
"""Of the free memory of a GPU, for slots; the rest is for prompts, logits and the model's own work."""

_KEPT_SHARE = 8
"""Prompts kept for later take one part in so many of what the slots take, besides."""


def open_engine(
    model: Any,
    *,
    engine: Literal["auto", "slot", "group"] = "auto",
    context: int | None = None,
    rows: int = 64,
    cells: int | None = None,
    kept: int | None = None,
    chunk: int = 512,
) -> Engine:
    """Return an engine that runs *model*, which is on its device and used by nobody else.

    Args:
        model: Of transformers, for continuing a text, such as `AutoModelForCausalLM` gives.
        engine: "auto" takes slots if the model can be run so, and a group if not.
        context: Tokens that prompt and answer may have together; `None`: what the model says.
        rows: Samples that take their steps together, at most.
        cells: Tokens in memory for them, samples times the longest; `None`: what there is room for.
        kept: Tokens of prompts to keep for later prompts that begin alike; `None`: an eighth of *cells*.
        chunk: Tokens of a prompt that are read between two steps of the others.

    Raises:
        UnsupportedModelError: No engine, or not the one asked for, gives what the model gives.
        ParameterError: *rows*, *cells* or *chunk* is below 1, or *kept* below 0.
    """
    for name, value, low in (("rows", rows, 1), ("cells", cells, 1), ("kept", kept, 0), ("chunk", chunk, 1)):
        if value is not None and value < low:
            raise ParameterError(name, f"{name} must be {low} or more, not {value}")
    with torch.inference_mode():
        decoder = Decoder(model, context=context)
        reason = "a group was asked for" if engine == "group" else why_not_slots(decoder)
        if reason is None:
            cells = cells or _affordable(decoder)
            kept = cells // _KEPT_SHARE if kept is None else kept
            layers = len(_layers(decoder))
            return SlotEngine(decoder, layers=layers, rows=rows, cells=cells, kept=kept, chunk=chunk)
        if engine == "slot":
            raise UnsupportedModelError(f"the slot engine cannot run this model: {reason}")
        if not group_agrees(decoder):
            raise UnsupportedModelError(
                f"{type(model).__name__} does not go on from its cache as it reads at once, so no engine "
                "can run it; serve it with another server, and point the client's base_url there"
            )
        return GroupEngine(decoder, rows=rows, cells=cells or _CELLS)


def why_not_slots(decoder: Decoder) -> str | None:
    """Return what keeps a model from being run in slots, or `None` if nothing does."""
    kinds = {type(layer).__name__ for layer in _layers(decoder) if type(layer) is not DynamicLayer}
    if kinds:
        return f"its layers keep other things than the whole text ({', '.join(sorted(kinds))})"
    if not decoder.takes_positions:
        return "it takes no position_ids"
    attention = decoder.config._attn_implementation  # noqa: SLF001  # there is no public name
    if attention not in _ATTENTIONS:
        return f"its attention, {attention}, takes no mask per row: load it with attn_implementation='sdpa'"
    if not slots_agree(decoder, layers=len(_layers(decoder))):
        return "tried on a short text, it gave other logits in slots than by itself"
    return None


def _layers(decoder: Decoder) -> list[object]:
    try:
        return list(DynamicCache(config=decoder.config).layers)
    except KeyError as error:
        raise UnsupportedModelError(
            f"transformers has no cache for layers of the kind {error}: no engine can run this model"
        ) from error


def _affordable(decoder: Decoder) -> int:
    """Return how many tokens the memory of the device has room for."""
    if decoder.device.type != "cuda":
        return _CELLS
    free, _ = torch.cuda.mem_get_info(decoder.device)
    return max(decoder.context, int(_SHARE * free / count_bytes(decoder)))
