"""Small pieces of a model, compiled or put together, so that a step has a third of the kernels.

A normalisation of transformers is eight kernels, turning heads by their positions ten, and each takes a
device longer to begin than to do for a batch of a few rows. What they compute is left to them: the parts
are those of the model, compiled as they are. They are swapped within a step alone, for the rest of what
is done with a model is read in pieces too large for this to matter, and by Python.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Generator
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

from cachesaver.local.merging import find_trios

__all__ = ["Pieces", "find_pieces"]

_KINDS = ("RMSNorm", "MLP")
"""How the classes are called whose `forward` reads nothing but one tensor and its own weights."""

_TURN = "apply_rotary_pos_emb"
"""A function of the module that the model's classes are of."""

_compile = functools.partial(torch.compile, dynamic=True)


class Pieces:
    """The pieces of *model*, compiled when they are first called.

    Args:
        model: Of transformers.
        compile_: What makes a function faster.
    """

    def __init__(self, model: Any, compile_: Callable[[Any], Any] = _compile) -> None:
        modules = list(model.modules())
        chosen = [
            each
            for each in modules
            if type(each).__name__.endswith(_KINDS) and "forward" not in vars(each)
        ]
        fast = {kind: compile_(kind.forward) for kind in {type(each) for each in chosen}}
        self._forwards: list[tuple[Any, Callable[..., Any]]] = [
            (each, functools.partial(fast[type(each)], each)) for each in chosen
        ]
        for trio in find_trios(model):
            self._forwards += trio.forwards()
        self._turns = [(home, compile_(getattr(home, _TURN))) for home in _homes(modules)]

    @contextlib.contextmanager
    def fused(self) -> Generator[None, None, None]:
        """Within it, the model is run with them."""
        plain = [(home, getattr(home, _TURN)) for home, _ in self._turns]
        try:
            for module, forward in self._forwards:
                module.forward = forward
            for home, turn in self._turns:
                setattr(home, _TURN, turn)
            yield
        finally:
            for module, _ in self._forwards:
                vars(module).pop("forward", None)
            for home, turn in plain:
                setattr(home, _TURN, turn)


def find_pieces(model: Any, device: torch.device) -> Pieces | None:
    """Return the pieces of *model* if there is what compiles for *device*: CUDA, and Triton."""
    if device.type != "cuda" or not find_spec("triton"):
        return None
    pieces = Pieces(model)
    torch.cuda.empty_cache()  # where weights were before they were put together
    return pieces


def _homes(modules: list[Any]) -> list[ModuleType]:
    """Return the Python modules of *modules* that have a function to turn heads."""
    names = dict.fromkeys(type(each).__module__ for each in modules)
    return [sys.modules[name] for name in names if hasattr(sys.modules.get(name), _TURN)]
