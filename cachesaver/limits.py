"""How many samples one call may ask for: what a dialect documents, and what a provider taught us.

A provider may have a maximum of its own, or ignore the field that asks for several. Nothing is
asserted of it before: it is asked, and what comes is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from cachesaver.identity import Question

__all__ = ["Limits"]

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Learnt:
    most: int
    for_good: bool
    """It answered with so many; else it refused more, which may have been its mood."""


class Limits:
    """By dialect, endpoint and model. Thread-safe: each step is one dictionary operation."""

    def __init__(self) -> None:
        self._learnt: dict[_Key, _Learnt] = {}

    def most(self, question: Question) -> int | None:
        """Return the most samples that one call for *question* may ask for; None: no limit known."""
        documented = question.dialect.max_count if question.exact else 1
        learnt = self._learnt.get(_key(question)) if self._learnt else None
        if learnt is None:
            return documented
        return learnt.most if documented is None else min(documented, learnt.most)

    def gave(self, question: Question, asked: int, got: int) -> None:
        """Learn from an answer with *got* samples, at least one, where *asked* were wanted."""
        if got < asked:
            self._learnt[_key(question)] = _Learnt(got, for_good=True)
            return
        learnt = self._learnt.get(_key(question))
        if learnt is not None and not learnt.for_good and got >= learnt.most:
            self._learnt[_key(question)] = _Learnt(learnt.most * 2, for_good=False)

    def refused(self, question: Question, asked: int, *, for_good: bool) -> None:
        """Learn from a refusal of a call for *asked* samples, more than anybody alone wanted.

        *for_good*: it was told that the request cannot be; else it may have come at a bad time
        (a rate limit counts what a call may cost), and half of it is tried next.
        """
        most = 1 if for_good else max(1, asked // 2)
        self._learnt[_key(question)] = _Learnt(most, for_good=for_good)


def _key(question: Question) -> _Key:
    url = urlsplit(question.request.url)  # Gemini names the model in the path
    return question.dialect.name, url.netloc + url.path, str(question.body.get("model"))
