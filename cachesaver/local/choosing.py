"""Which engine runs a model: slots where every layer keeps the whole text, a group otherwise."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
import transformers
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from cachesaver.local.decoder import Decoder
from cachesaver.local.engine import Engine, GraphsChoice, Kind, Sizes
from cachesaver.local.errors import UnsupportedModelError
from cachesaver.local.fusing import Pieces, find_pieces
from cachesaver.local.graphs import MOST_BYTES
from cachesaver.local.group_engine import GroupEngine
from cachesaver.local.recorders import Recorder, find_recorder
from cachesaver.local.slot_engine import SlotEngine
from cachesaver.local.trial import (
    batch_agrees,
    count_bytes,
    group_agrees,
    slots_agree,
    texts_agree,
    why_not_graphs,
)

__all__ = ["affordable_cells", "choose_engine", "graph_room", "why_not_slots"]

_LOG = logging.getLogger(__name__)

_ATTENTIONS = ("sdpa", "eager")
"""Those that take a mask per row; https://huggingface.co/docs/transformers/attention_interface."""

_CELLS = 1 << 18
"""Where there is no telling how much memory is free."""

_PAGED_CELLS = 1 << 15
"""The same for transformers' continuous batching, which has a mask for so many at each step."""

_SHARE = 0.6
"""Of the free memory of a GPU, for slots; the rest is for prompts, logits and the model's own work."""

_LESS = 0.4
"""The same where one text may take all of it: while it is read it is there a second time."""

_MUCH = 0.2
"""Of the free memory: a longer text than that needs room to be there twice."""

_KEPT_SHARE = 8
"""Prompts kept for later take one part in so many of what the slots take, besides."""

_CHUNK, _CHUNK_ON_CUDA = 512, 2048
"""Tokens of prompts between two steps: some 50 ms of a large model, on a GPU."""

_TOGETHER = 8
"""Prompts that are read at once, at most. Four, of 512 tokens, were measured."""

_CHUNKS = 8
"""Chunks of tokens that are in memory for a while, besides: being read, joining, or moving."""

_GRAPH_SHARE = 16
"""Graphs may take one part in so many of the free memory."""


def choose_engine(model: Any, kind: Kind, sizes: Sizes, graphs: GraphsChoice = "auto") -> Engine:
    """Do what `open_engine` says."""
    with torch.inference_mode():
        decoder = Decoder(model, context=sizes.context)
        if kind == "cb":
            return _with_batch(decoder, sizes)
        recorder = find_recorder(decoder.device) if graphs == "auto" else None
        reason = "a group was asked for" if kind == "group" else why_not_slots(decoder)
        if reason is None:
            return _with_slots(decoder, sizes, *_recording(decoder, recorder))
        if kind == "slot":
            raise UnsupportedModelError(f"the slot engine cannot run this model: {reason}")
        if why := _try(group_agrees, decoder):
            raise UnsupportedModelError(
                f"no engine can run {type(model).__name__}: going on from its cache, {why}. "
                "Serve it with another server, and point the client's base_url there"
            )
        if recorder is not None:
            _say_graphless(decoder, f"it is drawn from by groups: {reason}")
        return GroupEngine(
            decoder, rows=sizes.rows, cells=sizes.cells or _CELLS, waiting=sizes.waiting
        )


def _recording(
    decoder: Decoder, recorder: Recorder | None
) -> tuple[Recorder | None, Pieces | None]:
    """Return *recorder* if steps can be recorded with it, and pieces if so; say why if not."""
    if recorder is None:
        return None, None
    if (pieces := _try_pieces(decoder)) is not None:
        if (reason := _try_graphs(decoder, recorder, pieces)) is None:
            return recorder, pieces
        _say_pieceless(decoder, reason)
    if (reason := _try_graphs(decoder, recorder, None)) is None:
        return recorder, None
    _say_graphless(decoder, reason)
    return None, None


def _try_pieces(decoder: Decoder) -> Pieces | None:
    try:
        return find_pieces(decoder.model, decoder.device)
    except Exception as error:  # noqa: BLE001  # such as no memory; the model is what it was
        _say_pieceless(decoder, f"to make them raised {type(error).__name__}")
        return None


def _try_graphs(decoder: Decoder, recorder: Recorder, pieces: Pieces | None) -> str | None:
    try:
        return why_not_graphs(decoder, recorder, pieces)
    except Exception as error:  # noqa: BLE001  # such as no memory; slots were tried without
        return f"a short text made it raise {type(error).__name__}"


def _say_pieceless(decoder: Decoder, reason: str) -> None:
    _LOG.warning("steps of %s have no compiled pieces: %s", type(decoder.model).__name__, reason)


def _say_graphless(decoder: Decoder, reason: str) -> None:
    _LOG.warning("steps of %s are no graphs: %s", type(decoder.model).__name__, reason)


def _with_slots(
    decoder: Decoder, sizes: Sizes, recorder: Recorder | None, pieces: Pieces | None
) -> SlotEngine:
    room = 0 if recorder is None else graph_room(decoder)
    cells = sizes.cells or affordable_cells(decoder, less=room)
    kept = cells // _KEPT_SHARE if sizes.kept is None else sizes.kept
    chunk = _chunk(decoder, sizes)
    return SlotEngine(
        decoder,
        layers=decoder.layers,
        rows=sizes.rows,
        cells=cells,
        kept=kept,
        together=_TOGETHER if _try(texts_agree, decoder) is None else 1,
        chunk=chunk,
        reserved=(kept + _CHUNKS * chunk) * count_bytes(decoder),
        waiting=sizes.waiting,
        recorder=recorder,
        room=room,
        pieces=pieces,
    )


def _with_batch(decoder: Decoder, sizes: Sizes) -> Engine:
    try:
        from cachesaver.local.batch_engine import BatchEngine
        from cachesaver.local.paged import PagedBatch
    except ImportError as error:
        raise UnsupportedModelError(
            f"this release of transformers ({transformers.__version__}) batches in another way than "
            "continuous batching is used here (5.24 is known to fit): leave --engine cb out"
        ) from error
    fits = affordable_cells(decoder)
    cells = sizes.cells or (fits if decoder.device.type == "cuda" else min(fits, _PAGED_CELLS))
    if why := _try(functools.partial(batch_agrees, open_batch=PagedBatch), decoder):
        raise UnsupportedModelError(
            f"continuous batching cannot run {type(decoder.model).__name__}: {why}. Leave --engine cb out"
        )
    return BatchEngine(
        decoder, rows=sizes.rows, cells=cells, chunk=_chunk(decoder, sizes), waiting=sizes.waiting
    )


def _chunk(decoder: Decoder, sizes: Sizes) -> int:
    return sizes.chunk or (_CHUNK_ON_CUDA if decoder.device.type == "cuda" else _CHUNK)


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
    return _try(functools.partial(slots_agree, layers=len(_layers(decoder))), decoder)


def _try(agrees: Callable[[Decoder], bool], decoder: Decoder) -> str | None:
    """Return how the trial *agrees* failed, or `None`."""
    try:
        if agrees(decoder):
            return None
    except Exception as error:  # noqa: BLE001  # whatever a model raises when it cannot be run so
        return f"a short text made it raise {type(error).__name__}"
    return "a short text got other logits than read at once"


def _layers(decoder: Decoder) -> list[object]:
    try:
        return list(DynamicCache(config=decoder.config).layers)
    except KeyError as error:
        raise UnsupportedModelError(
            f"transformers has no cache for layers of the kind {error}: no engine can run this model"
        ) from error


def affordable_cells(decoder: Decoder, *, less: int = 0) -> int:
    """Return how many tokens the memory of the device has room for, less than a text may have even.

    Args:
        decoder: On its device.
        less: Bytes that are promised to others.
    """
    if decoder.device.type != "cuda":
        return _CELLS
    free, _ = torch.cuda.mem_get_info(decoder.device)
    tokens = (free - less) / count_bytes(decoder)
    return max(1, int((_LESS if decoder.context > _MUCH * tokens else _SHARE) * tokens))


def graph_room(decoder: Decoder) -> int:
    """Return how many bytes graphs may take."""
    if decoder.device.type != "cuda":
        return MOST_BYTES
    free, _ = torch.cuda.mem_get_info(decoder.device)
    return min(MOST_BYTES, int(free) // _GRAPH_SHARE)
