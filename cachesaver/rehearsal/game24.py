"""A voice that plays the Game of 24, well but not perfectly: it fits docs/demo/tot_game24.py.

It answers three kinds of prompts, told apart by how their last lines look, and speaks prose else:

    Input: 4 9 10 13 / Possible next steps:      some next steps, most often useful ones
    … (sure/likely/impossible) … / 10 14         a few tries, then one of the three words
    … Steps: … / Answer:                         the steps as one expression
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from random import Random

from cachesaver.rehearsal.values import Prompt, Utterance
from cachesaver.rehearsal.voices import comply, prose

__all__ = ["Numbers", "game24", "next_steps", "read_numbers", "solvable"]

Numbers = tuple[Fraction, ...]
"""What is left to combine, in ascending order."""

_NUMBER = r"-?\d+(?:/\d+)?"
_PROPOSE = re.compile(rf"Input: ({_NUMBER}(?: {_NUMBER})*)\s+Possible next steps:\s*$")
_VALUE = re.compile(rf"sure/likely/impossible.*\n({_NUMBER}(?: {_NUMBER})*)\s*$", re.DOTALL)
_ANSWER = re.compile(r"Steps:\n(.*)\nAnswer:\s*$", re.DOTALL)
_STEP = re.compile(rf"({_NUMBER}) ([-+*/]) ({_NUMBER}) = ({_NUMBER})")

_GOAL = Fraction(24)

_PROPOSALS = {4: 8, 3: 6, 2: 4}
"""How many next steps are proposed for so many numbers."""

_USEFUL = 4.0
"""How much likelier a step is proposed that leads on than one that leads nowhere, at temperature 1."""

_JUDGEMENTS = {True: (0.50, 0.40, 0.10), False: (0.04, 0.31, 0.65)}
"""Chances of sure, likely and impossible, by whether 24 can be reached."""


def game24(prompt: Prompt, rng: Random) -> Utterance:
    """Answer what the Tree of Thoughts asks."""
    if (owed := comply(prompt, rng)) is not None:
        return owed
    if found := _PROPOSE.search(prompt.text):
        return Utterance(text=_proposed(read_numbers(found[1]), prompt.temperature, rng))
    if found := _VALUE.search(prompt.text):
        return Utterance(text=_judged(read_numbers(found[1]), rng))
    if found := _ANSWER.search(prompt.text):
        return Utterance(text=_composed(found[1]))
    return prose(prompt, rng)


def next_steps(numbers: Numbers) -> Iterator[tuple[str, Numbers]]:
    """Iterate every way to combine two of *numbers*, as text and with what is left then."""
    seen = set[tuple[str, Numbers]]()
    for i, j in combinations(range(len(numbers)), 2):
        rest = [n for place, n in enumerate(numbers) if place not in {i, j}]
        for text, value in _combined(numbers[i], numbers[j]):
            step = text, tuple(sorted([*rest, value]))
            if step not in seen:
                seen.add(step)
                yield step


@lru_cache(maxsize=1 << 16)
def solvable(numbers: Numbers) -> bool:
    """Tell whether *numbers* (ascending) can be combined to 24."""
    if len(numbers) == 1:
        return numbers[0] == _GOAL
    return any(solvable(left) for _, left in next_steps(numbers))


def _combined(low: Fraction, high: Fraction) -> Iterator[tuple[str, Fraction]]:
    yield f"{low} + {high} = {low + high}", low + high
    yield f"{high} - {low} = {high - low}", high - low
    yield f"{low} - {high} = {low - high}", low - high
    yield f"{low} * {high} = {low * high}", low * high
    if low:
        yield f"{high} / {low} = {high / low}", high / low
    if high:
        yield f"{low} / {high} = {low / high}", low / high


def read_numbers(text: str) -> Numbers:
    """Return the numbers in *text*, such as `8/3 8 3`, in ascending order."""
    return tuple(sorted(map(Fraction, text.split())))


def _shown(numbers: Numbers) -> str:
    return " ".join(map(str, numbers))


def _proposed(numbers: Numbers, temperature: float, rng: Random) -> str:
    steps = list(next_steps(numbers))
    eagerness = _USEFUL ** (1 / max(temperature, 0.2))
    # The Efraimidis-Spirakis way to draw without replacement: the highest keys u ** (1 / weight).
    keys = [rng.random() ** (1 / (eagerness if solvable(left) else 1.0)) for _, left in steps]
    ranked = sorted(zip(keys, steps, strict=True), reverse=True)
    chosen = [step for _, step in ranked[: _PROPOSALS.get(len(numbers), 1)]]
    return "\n".join(f"{text} (left: {_shown(left)})" for text, left in chosen)


def _judged(numbers: Numbers, rng: Random) -> str:
    if len(numbers) == 1:
        return "sure" if numbers[0] == _GOAL else "impossible"
    (word,) = rng.choices(("sure", "likely", "impossible"), _JUDGEMENTS[solvable(numbers)])
    # Who is sure has found it at once; who gives up has tried for long.
    tries = {"sure": 1, "likely": 3, "impossible": 6}[word] + rng.randrange(3)
    lines = [_tried(numbers, rng) for _ in range(tries)]
    return "\n".join([*lines, word])


def _tried(numbers: Numbers, rng: Random) -> str:
    line, left = rng.choice(list(next_steps(numbers)))
    while len(left) > 1:
        more, left = rng.choice(list(next_steps(left)))
        line += f", {more}"
    return line


def _composed(steps: str) -> str:
    made: dict[str, list[str]] = {}

    def expression(number: str) -> str:
        return made[number].pop() if made.get(number) else number

    said = "none"
    for left, operator, right, value in _STEP.findall(steps):
        said = f"({expression(left)} {operator} {expression(right)})"
        made.setdefault(value, []).append(said)
    return f"{said} = 24"
