"""Share one usage block out over the samples it paid for, and add the shares up again, exactly.

The prompt was paid once and every sample was an answer to all of it: its fields stay whole in every
share and are not added. Everything else that is a number is shared out so that the shares sum to
it to the last digit (of 15, as a double holds no more).

Where one request had several inputs that were read apart, of which nothing is written (embeddings),
there is no common prompt: then every number is shared out (`cut`) and added (`pile`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from types import MappingProxyType

from cachesaver.dialects.jsontext import is_object

__all__ = ["NO_USAGE", "add", "cut", "pile", "share", "total", "usage_in"]

NO_USAGE: Mapping[str, object] = MappingProxyType({})

_OF_THE_PROMPT = ("prompt_", "input_", "num_cached_")
"""Beginnings of the names of fields that count the prompt.

https://platform.openai.com/docs/api-reference/chat/object: `prompt_tokens`, `prompt_tokens_details`;
https://api-docs.deepseek.com/api/create-chat-completion: `prompt_cache_hit_tokens`;
https://docs.mistral.ai/api: `num_cached_tokens`.
"""

_TOTAL = "total_tokens"
"""Prompt and answer together: only what exceeds `prompt_tokens` (`input_tokens`) is shared out."""

_BOUND = 10**15
"""Numbers from here on (and NaN) count nothing; below, a double holds 15 digits exactly."""


def share(usage: Mapping[str, object], weights: Sequence[int]) -> tuple[dict[str, object], ...]:
    """Return one usage block for each of *weights* (positive), larger where the weight is.

    `add(share(usage, weights)) == usage`.
    """
    shares: tuple[dict[str, object], ...] = tuple({} for _ in weights)
    for key, value in usage.items():
        for own, part in zip(shares, _parts(key, value, usage, weights), strict=True):
            own[key] = part
    return shares


def add(shares: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the usage of one request that gave all the samples with these *shares*.

    A field the first share lacks is taken from the first that has it.
    """
    names = dict.fromkeys(name for own in shares for name in own)
    return {name: _sum(name, [own for own in shares if name in own]) for name in names}


def cut(usage: Mapping[str, object], weights: Sequence[int]) -> tuple[dict[str, object], ...]:
    """Return one usage block for each of *weights* (positive), as the inputs of one request had them.

    `pile(cut(usage, weights)) == usage`.
    """
    shares: tuple[dict[str, object], ...] = tuple({} for _ in weights)
    for key, value in usage.items():
        for own, part in zip(shares, _cuts(value, weights), strict=True):
            own[key] = part
    return shares


def pile(shares: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the usage of one request that had all the inputs with these *shares*."""
    names = dict.fromkeys(name for own in shares for name in own)
    return {name: _heap([own[name] for own in shares if name in own]) for name in names}


def usage_in(part: Mapping[str, object]) -> dict[str, object] | None:
    """Return the usage block of *part*, a whole answer or a chunk of one; None if it has none."""
    usage = part.get("usage")
    if usage is None and is_object(groq := part.get("x_groq")):
        usage = groq.get("usage")  # https://console.groq.com/docs/api-reference#chat-create
    return usage if is_object(usage) else None


def total(answers: Sequence[Mapping[str, object]]) -> dict[str, object] | None:
    """Return the usage of all *answers*; None if one has none: a sum without it would be false."""
    usages = [usage for answer in answers if is_object(usage := answer.get("usage"))]
    return add(usages) if len(usages) == len(answers) else None


def _parts(
    key: str, value: object, usage: Mapping[str, object], weights: Sequence[int]
) -> Sequence[object]:
    if key.startswith(_OF_THE_PROMPT):
        return [value] * len(weights)
    if is_object(value):
        return share(value, weights)
    if not _is_number(value):
        return [value] * len(weights)
    prompt = _prompt_in(key, usage)
    return [_number(prompt + part, value) for part in _apportion(_exact(value) - prompt, weights)]


def _cuts(value: object, weights: Sequence[int]) -> Sequence[object]:
    if is_object(value):
        return cut(value, weights)
    if not _is_number(value):
        return [value] * len(weights)
    return [_number(part, value) for part in _apportion(_exact(value), weights)]


def _heap(values: Sequence[object]) -> object:
    if objects := [value for value in values if is_object(value)]:
        return pile(objects)
    numbers = [value for value in values if _is_number(value)]
    if not numbers:
        return values[0]
    like = 0 if all(isinstance(number, int) for number in numbers) else 0.0
    return _number(sum(map(_exact, numbers), Decimal()), like)


def _sum(name: str, shares: Sequence[Mapping[str, object]]) -> object:
    values = [own[name] for own in shares]
    first = values[0]
    if name.startswith(_OF_THE_PROMPT):
        return first
    if is_object(first):
        return add([value for value in values if is_object(value)])
    if not _is_number(first):
        return first
    numbers = [
        _exact(own[name]) - (_prompt_in(name, own) if place else 0)
        for place, own in enumerate(shares)
        if _is_number(own[name])
    ]
    whole = all(isinstance(value, int) for value in values)
    return _number(sum(numbers, Decimal()), 0 if whole else 0.0)


def _apportion(total: Decimal, weights: Sequence[int]) -> list[Decimal]:
    """Cut *total* in whole units of its last digit; the running sum is never off by a unit."""
    digits = total.as_tuple()
    exponent = min(int(digits.exponent), 0)
    units, heaviest = int(total.scaleb(-exponent)), sum(weights)
    ends = [units * upto // heaviest for upto in accumulate(weights, initial=0)]
    return [Decimal(end - start).scaleb(exponent) for start, end in pairwise(ends)]


def _prompt_in(key: str, usage: Mapping[str, object]) -> Decimal:
    # OpenAI's images say input_tokens (https://platform.openai.com/docs/api-reference/images/object).
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    return _exact(prompt) if key == _TOTAL and _is_number(prompt) else Decimal()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _BOUND


def _exact(value: object) -> Decimal:
    """The number as it was written, not as the nearest double is."""
    return Decimal(repr(value))


def _number(value: Decimal, like: object) -> object:
    return int(value) if isinstance(like, int) else float(value)
