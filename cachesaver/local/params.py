"""How to draw an answer: the parameters of one request, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from cachesaver.local.errors import ParameterError

__all__ = ["BOUNDS", "Params"]

BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        # https://platform.openai.com/docs/api-reference/chat/create
        "temperature": (0.0, 2.0),
        "top_p": (0.0, 1.0),
        "presence_penalty": (-2.0, 2.0),
        "frequency_penalty": (-2.0, 2.0),
        "logprobs": (0, 20),
        # https://huggingface.co/docs/transformers/main_classes/text_generation
        "top_k": (0, 2**31 - 1),
        "min_p": (0.0, 1.0),
        "repetition_penalty": (0.01, 100.0),
        # ours: what the counters hold
        "max_tokens": (1, 2**31 - 1),
        "seed": (-(2**63), 2**63 - 1),
    }
)
"""The lowest and the highest value of each number, both allowed."""

_BIAS = (-100.0, 100.0)
"""https://platform.openai.com/docs/api-reference/chat/create, `logit_bias`."""

_WHOLE = frozenset({"top_k", "max_tokens", "seed", "logprobs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """How the samples of one request are drawn; the defaults draw from the model as it is.

    They apply in this order: penalties, *logit_bias*, a guide's mask, *temperature*, *top_k*,
    *top_p*, *min_p*; each of the last three works on what the one before it left over.

    Attributes:
        max_tokens: Of the answer, an end token included; `None`: as many as fit.
        temperature: Divides the logits; 0 takes the likeliest token, the first of equals.
        top_k: Keep this many of the likeliest tokens; 0 keeps all.
        top_p: Keep the likeliest tokens until their probabilities sum to this; never fewer than one.
        min_p: Keep tokens at least this probable, relative to the likeliest.
        presence_penalty: Subtracted from the logit of each token that the answer has.
        frequency_penalty: Subtracted once for each time the answer has it.
        repetition_penalty: Divides a positive logit, and multiplies a negative one, of each token
            that prompt or answer have; 1 does nothing.
        logit_bias: Added to the logits, by token id; -100 to 100.
        seed: What the samples are drawn from: with model, prompt and parameters equal, sample *i*
            of a seed is always the same. `None`: the engine draws one, see `Stream.seed`.
        logprobs: Report the log-probability of each token, and of so many of the likeliest ones;
            `None`: of none. They are the model's own: nothing of the above changes them.
        stop_ids: Tokens that end an answer, besides the model's own end tokens.
        ignore_end: Let the model's own end tokens not end it.

    Raises:
        ParameterError: A value is out of `BOUNDS`, or no number.
    """

    max_tokens: int | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    seed: int | None = None
    logprobs: int | None = None
    stop_ids: frozenset[int] = frozenset()
    ignore_end: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name in BOUNDS and not _may_be_none(each.default, getattr(self, each.name)):
                _check(each.name, getattr(self, each.name), BOUNDS[each.name])
        if self.top_p == 0:
            raise ParameterError("top_p", "top_p must be above 0: at 0 no token would be left")
        for bias in self.logit_bias.values():
            _check("logit_bias", bias, _BIAS)

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken."""
        return self.temperature == 0

    @property
    def is_filtered(self) -> bool:
        """Whether some tokens are left out of the draw."""
        return not self.is_greedy and (self.top_k > 0 or self.top_p < 1 or self.min_p > 0)

    @property
    def is_penalised(self) -> bool:
        """Whether what was said before counts."""
        return (self.presence_penalty, self.frequency_penalty, self.repetition_penalty) != (0, 0, 1)


def _may_be_none(default: object, value: object) -> bool:
    return default is None and value is None


def _check(name: str, value: object, bounds: tuple[float, float]) -> None:
    low, high = bounds
    kinds = int if name in _WHOLE else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        kind = "a whole number" if name in _WHOLE else "a number"
        raise ParameterError(name, f"{name} must be {kind}, not a {type(value).__name__}")
    if not low <= value <= high:
        raise ParameterError(name, f"{name} must be from {low:g} to {high:g}, not {value:g}")
