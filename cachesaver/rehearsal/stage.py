"""From a question to its samples: who counts, who draws, who cuts.

Sample k of a question is a pure function of (seed, voice, question, k); k is counted here, per
question, in the order the requests arrived.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from cachesaver.rehearsal.tokens import split_tokens
from cachesaver.rehearsal.values import Ask, Finish, Take, Utterance, Voice, digest

__all__ = ["Stage"]


@dataclass(slots=True)
class Stage:
    """The one place where samples come from. Not thread-safe: it lives on the server's loop."""

    seed: int
    voice: Voice
    _drawn: Counter[str] = field(default_factory=Counter[str])

    def draw(self, ask: Ask) -> tuple[Take, ...]:
        """Return the next samples of the question, as many as are asked for."""
        first = self._drawn[ask.question]
        self._drawn[ask.question] += ask.count
        return tuple(self.take(ask, first + n) for n in range(ask.count))

    def take(self, ask: Ask, ordinal: int) -> Take:
        """Return sample *ordinal* of the question; repeatable."""
        rng = Random(digest(self.seed, ask.question, ordinal))  # noqa: S311  # reproducible on purpose
        prompt = replace(ask.prompt, tag=f"{ask.question[:8]}#{ordinal}")
        said = self.voice(prompt, rng)
        text, finish, stopped_by = _cut(said, ask)
        return Take(
            question=ask.question,
            ordinal=ordinal,
            text=text,
            finish=finish,
            calls=said.calls,
            stopped_by=stopped_by,
        )

    def reset(self) -> None:
        """Begin again with sample 0 of every question."""
        self._drawn.clear()


def _cut(said: Utterance, ask: Ask) -> tuple[str, Finish, str | None]:
    """Return the text as far as stop sequences and the token limit let it go (calls stay whole)."""
    text, finish, stopped_by = said.text, Finish.CALLS if said.calls else Finish.STOP, None
    found = [(at, stop) for stop in ask.stops if (at := text.find(stop)) >= 0]
    if found:
        at, stopped_by = min(found)
        text, finish = text[:at], Finish.SEQUENCE
    pieces = split_tokens(text)
    if ask.limit is not None and len(pieces) > ask.limit:
        return "".join(pieces[: ask.limit]), Finish.LENGTH, None
    return text, finish, stopped_by
