"""Whether an engine's way to run a model gives what the model gives when it reads the text at once.

A model may ignore a mask, a position or a cache without a word. So each is tried on two short texts
before it is trusted: a wrong answer would be worse than none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from cachesaver.local.decoder import Decoder
from cachesaver.local.fusing import Pieces
from cachesaver.local.graphs import open_graphs
from cachesaver.local.prefill import Prefill, read_together
from cachesaver.local.recorders import Recorder
from cachesaver.local.slots import Slots

__all__ = [
    "batch_agrees",
    "count_bytes",
    "group_agrees",
    "slots_agree",
    "texts_agree",
    "why_not_graphs",
]

_LENGTHS = (5, 11)
_STEPS = 8
"""More than it takes to read the texts in pieces, and a token of each."""

_GRAPHED = 5
"""Steps of graphs that are tried: two or three before a graph is recorded, its first, and another with it.

The first step may tell that lengths do not matter, and then it was one of another size.
"""

_PIECE = 8
"""Less than all the tokens of the texts: one is read in two pieces."""

_PRIME = 7919
"""Spreads the ids of a text over the vocabulary."""

_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
_ROUGH = 0.1
"""Of half-precision types, relative to the largest logit: a mistake is of the order of the logits."""


def slots_agree(decoder: Decoder, *, layers: int) -> bool:
    """Tell whether rows of different lengths can take a step together, in slots."""
    slots = Slots(layers=layers, cells=1 << 10, device=decoder.device)
    texts = [_text(length, decoder.vocabulary) for length in _LENGTHS]
    for text in texts:
        prefill = Prefill(text[:-1])
        prefill.advance(decoder, 3)
        prefill.advance(decoder, len(text))
        slots.seat(prefill.states, 1)
    positions, mask = slots.open_step()
    last = decoder.tensor([text[-1:] for text in texts])
    found = decoder(last, slots.cache, positions=positions, mask=mask)
    return _is_close(found, torch.cat([_at_once(decoder, text) for text in texts]))


def texts_agree(decoder: Decoder) -> bool:
    """Tell whether texts of different lengths can be read together."""
    texts = [_text(length, decoder.vocabulary) for length in _LENGTHS]
    read = [Prefill(text) for text in texts]
    read_together(decoder, read)
    found = torch.cat([each.logits for each in read if each.logits is not None])
    return _is_close(found, torch.cat([_at_once(decoder, text) for text in texts]))


def why_not_graphs(
    decoder: Decoder, recorder: Recorder, pieces: Pieces | None = None
) -> str | None:
    """Return what keeps a step from being recorded, and done again for the next; `None`: nothing."""
    counts = Counter[str]()
    rows = len(_LENGTHS) + 1
    slots, graphs = open_graphs(
        decoder, recorder, rows=rows, cells=1 << 8, counts=counts, pieces=pieces
    )
    texts = [_text(length + _GRAPHED, decoder.vocabulary) for length in (*_LENGTHS, 2)]
    for text in texts:
        prefill = Prefill(text[:-_GRAPHED])
        prefill.advance(decoder, len(text))
        slots.seat(prefill.states, 1)
    found = [graphs.step([text[at] for text in texts]).clone() for at in range(-_GRAPHED, 0)]
    wanted = torch.cat([_at_once(decoder, text) for text in texts])
    if graphs.reason is None and not _is_close(found[-1], wanted):
        return "a step that was recorded gave other logits than the text read at once"
    return graphs.reason


def group_agrees(decoder: Decoder) -> bool:
    """Tell whether a text can be read once and gone on from in several rows, of which one leaves."""
    text = _text(max(_LENGTHS), decoder.vocabulary)
    cache: Any = DynamicCache(config=decoder.config)
    read = len(text) - 2
    decoder.go_on(decoder.tensor([text[:-2]]), cache, 0)
    cache.reorder_cache(decoder.tensor([0, 0, 0]))
    decoder.go_on(decoder.tensor([text[-2:-1]] * 3), cache, read)
    cache.reorder_cache(decoder.tensor([0, 2]))
    found = decoder.go_on(decoder.tensor([text[-1:]] * 2), cache, read + 1)
    return _is_close(found, _at_once(decoder, text).expand(2, -1))


def batch_agrees(decoder: Decoder, *, open_batch: Callable[..., Any]) -> bool:
    """Tell whether texts can be read in pieces and gone on from, in a batch of transformers'."""
    texts = {str(length): _text(length, decoder.vocabulary) for length in _LENGTHS}
    wanted = [_at_once(decoder, text) for text in texts.values()]
    batch = open_batch(decoder.model, rows=len(texts), cells=1 << 9, chunk=_PIECE)
    found: dict[str, list[Tensor]] = {name: [] for name in texts}

    def say_the_last(names: list[str], logits: Tensor) -> Tensor:
        for name, row in zip(names, logits.clone(), strict=True):
            found[name].append(row)
        return torch.tensor([texts[name][-1] for name in names], device=logits.device)

    batch.choose = say_the_last
    for name, text in texts.items():
        batch.add(name, text[:-1])
    for _ in range(_STEPS):
        if all(len(rows) > 1 for rows in found.values()):
            break
        batch.step(decoder.model)
    logits = torch.stack([rows[1] for rows in found.values()])
    return _is_close(logits.to(wanted[0].dtype), torch.cat(wanted))  # they come as float32


def count_bytes(decoder: Decoder) -> int:
    """Return how much memory a token takes in slots."""
    prefill = Prefill(_text(1, decoder.vocabulary))
    prefill.advance(decoder, 1)
    return sum(each.nbytes for layer in prefill.states for each in layer)


def _text(length: int, vocabulary: int) -> tuple[int, ...]:
    return tuple((at + 1) * _PRIME % vocabulary for at in range(length))


def _at_once(decoder: Decoder, text: tuple[int, ...]) -> Tensor:
    return decoder.go_on(decoder.tensor([text]), DynamicCache(config=decoder.config), 0)


def _is_close(found: Tensor, wanted: Tensor) -> bool:
    most = _TOLERANCE.get(found.dtype, _ROUGH) * wanted.abs().max()
    return bool(((found - wanted).abs() <= most).all())
