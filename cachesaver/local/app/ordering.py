"""From a request that was read to samples that are drawn: what all endpoints that draw share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.local.app.chat_ask import Drawing
from cachesaver.local.app.jobs import Job
from cachesaver.local.app.narrating import Narrator
from cachesaver.local.app.refusals import Refusal, refusal_of
from cachesaver.local.app.served import Served
from cachesaver.local.errors import EngineError, PromptTooLongError
from cachesaver.local.guides import Guide
from cachesaver.local.params import Params
from cachesaver.local.streams import Stream

__all__ = ["FIRST_INDEX", "Order", "first_index_of", "params_of", "place"]

_LARGEST_SEED = 53
"""Bits: readers of JSON that know only floating point take these whole."""

_LEAST_TOP_P = 1e-9
"""What stands for `top_p` 0, which OpenAI allows: the likeliest token alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to draw.

    Attributes:
        prompts: Token ids of each.
        param: The field of the body that prompts are in.
        continues: Whether answers continue the texts of their prompts.
        shown: Special tokens that are part of answers.
    """

    prompts: Sequence[Sequence[int]]
    n: int
    params: Params
    param: str
    stops: Sequence[str] = ()
    first_index: int = 0
    guide: Callable[[int], Guide] | None = None
    continues: bool = False
    shown: frozenset[int] = frozenset()


_TAIL = 8
"""Tokens of a prompt that the first token of its continuation is decoded behind."""


def place(served: Served, order: Order, pool: Executor) -> Job:
    """Have *order* drawn; of several prompts, all or none.

    Raises:
        Refusal: The engine does not take it.
    """
    streams: list[Stream] = []
    try:
        for prompt in order.prompts:
            streams += served.writer.submit(
                prompt,
                order.n,
                order.params,
                first_index=order.first_index,
                guide=order.guide,
                more=bool(streams),
            )
    except EngineError as error:
        served.writer.cancel(streams)
        raise _refusal(error, order.param) from error
    narrators = [
        Narrator(
            served.tongue,
            stops=order.stops,
            before=prompt[-_TAIL:] if order.continues else (),
            shown=order.shown,
            reports=order.params.logprobs is not None,
        )
        for prompt in order.prompts
        for _ in range(order.n)
    ]
    return Job(
        served.writer, streams, narrators, lengths=[len(each) for each in order.prompts], pool=pool
    )


def _refusal(error: EngineError, param: str) -> Refusal:
    refusal = refusal_of(error)
    if isinstance(error, PromptTooLongError) or refusal.param == "token_ids":
        refusal.param = param
    return refusal


def params_of(ask: Drawing, *, max_tokens: int | None, logprobs: int | None) -> Params:
    """Return the parameters that *ask* gives, with OpenAI's defaults; a seed is drawn if it has none.

    Args:
        ask: Whose two other fields have a name or a meaning of their own at each endpoint.
        max_tokens: See `Params`.
        logprobs: See `Params`.

    Raises:
        Refusal: The engine does not take one.
    """
    try:
        return Params(
            max_tokens=max_tokens,
            temperature=1.0 if ask.temperature is None else ask.temperature,
            top_k=max(ask.top_k or 0, 0),  # -1 is how vLLM says all
            top_p=1.0 if ask.top_p is None else max(ask.top_p, _LEAST_TOP_P),
            min_p=ask.min_p or 0.0,
            presence_penalty=ask.presence_penalty or 0.0,
            frequency_penalty=ask.frequency_penalty or 0.0,
            repetition_penalty=ask.repetition_penalty or 1.0,
            logit_bias={int(token): bias for token, bias in (ask.logit_bias or {}).items()},
            seed=secrets.randbits(_LARGEST_SEED) if ask.seed is None else ask.seed,
            logprobs=logprobs,
            ignore_end=bool(ask.ignore_eos),
        )
    except EngineError as error:
        raise refusal_of(error) from error


def first_index_of(headers: Mapping[str, str]) -> int:
    """Return which sample is the first that is asked for.

    Raises:
        Refusal: The header is no number from 0 to 2**62.
    """
    said = headers.get(FIRST_INDEX, "0")
    if not (said.isascii() and said.isdecimal()) or len(said) > 19 or int(said) > 1 << 62:  # noqa: PLR2004
        message = f"{FIRST_INDEX} must be a whole number from 0 to 2**62, not {said[:40]!r}"
        raise Refusal(400, message, param=FIRST_INDEX, code="invalid_value")
    return int(said)
