"""Queries, keys and values of a layer by one product: three take a GPU two to three times as long.

The three weights become views of one, so nothing is there twice, and the modules stay what they are for
everybody else: within a step alone they are called otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["Trio", "find_trios"]

_NAMES = ("q_proj", "k_proj", "v_proj")
"""What they are called in most models of transformers."""


class _Held(threading.local):
    """What one thread has computed and not yet taken: another one may be in the same layer."""

    def __init__(self) -> None:
        self.given: Tensor | None = None
        self.found: dict[int, Tensor] = {}


class Trio:
    """Projections of one input, whose weights are made one.

    Args:
        parts: See `find_trios`.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = tuple(parts)
        self._sizes = [each.out_features for each in parts]
        self._weight = _joined([each.weight for each in parts])
        self._bias = None if parts[0].bias is None else _joined([each.bias for each in parts])
        self._held = _Held()

    def forwards(self) -> Iterator[tuple[Any, Callable[[Tensor], Tensor]]]:
        """Iterate the projections, each with what to call instead of its `forward`."""
        for at, each in enumerate(self._parts):
            yield each, self._forward(at)

    def _forward(self, at: int) -> Callable[[Tensor], Tensor]:
        def forward(given: Tensor) -> Tensor:
            held = self._held
            if held.given is not given or at not in held.found:
                found = linear(given, self._weight, self._bias).split(self._sizes, dim=-1)
                held.given, held.found = given, dict(enumerate(found))
            taken = held.found.pop(at)
            if not held.found:
                held.given = None  # nothing is kept that a recording would have to keep
            return taken

        return forward


def find_trios(model: Any) -> list[Trio]:
    """Return the projections of *model* that can be made one; their weights are views from now on."""
    found = ([getattr(module, name, None) for name in _NAMES] for module in model.modules())
    return [Trio(parts) for parts in found if _can_be_one(parts)]


def _can_be_one(parts: Sequence[Any]) -> bool:
    """Tell whether *parts* are plain projections alike, whose weights are nobody else's."""
    if not all(type(each) is nn.Linear and "forward" not in vars(each) for each in parts):
        return False
    kinds = {
        (each.in_features, each.weight.dtype, each.weight.device, each.bias is None)
        for each in parts
    }
    tensors = [one for each in parts for one in (each.weight, each.bias) if one is not None]
    return len(kinds) == 1 and all(map(_is_plain, tensors))


def _is_plain(tensor: Any) -> bool:
    """Tell whether *tensor* is a parameter as torch makes them, with memory of its own that may move."""
    return (
        type(tensor) is nn.Parameter
        and not tensor.is_inference()
        and tensor.untyped_storage().nbytes() == tensor.nbytes
        and tensor.is_contiguous()
    )


def _joined(tensors: Sequence[Any]) -> Tensor:
    """Return all of *tensors* as one, and make each a view of it."""
    # Within inference_mode they would be good for nothing else any more.
    with torch.inference_mode(mode=False), torch.no_grad():
        whole = torch.cat([each.data for each in tensors])
        first = 0
        for each in tensors:
            each.data = whole[first : first + len(each)]
            first += len(each)
    return whole
