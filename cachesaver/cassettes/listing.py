"""What a cassette holds, as people read it: who was asked what, and how two cassettes differ. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, cast

from cachesaver.cassettes.answers import answer_of
from cachesaver.cassettes.imports import Answer
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.differences import difference
from cachesaver.exchange import Sample
from cachesaver.usage import tokens_of

__all__ = ["Entry", "differences", "entries", "excerpt", "tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A question, and the answers to it.

    Attributes:
        fingerprint: 64 hex digits.
        question: In canonical form, without secrets.
        samples: In their order.
    """

    fingerprint: str
    question: bytes
    samples: tuple[Sample, ...]

    @property
    def dialect(self) -> str:
        """Its name."""
        return self.question.partition(b"\n")[0].split(b" ")[1].decode("utf-8", "replace")

    @property
    def model(self) -> str:
        """As the first answer names it."""
        return self.samples[0].model if self.samples else ""


def entries(answers: Iterable[Answer]) -> dict[str, Entry]:
    """Return *answers* by their question, in the order of fingerprints."""
    questions, samples = dict[str, bytes](), dict[str, list[Sample]]()
    for each in answers:
        questions.setdefault(each.fingerprint, each.question)
        samples.setdefault(each.fingerprint, []).append(each.sample)
    return {
        fingerprint: Entry(
            fingerprint=fingerprint,
            question=questions[fingerprint],
            samples=tuple(samples[fingerprint]),
        )
        for fingerprint in sorted(questions)
    }


# --- texts

_TEXTS = ("content", "text", "input", "inputs", "prompt", "contents", "parts", "messages")
"""Members of a request that lead to what was said last, in the APIs we know."""


def excerpt(question: bytes, *, width: int = 60) -> str:
    """Return what was said last in *question*, on one line of at most *width* characters."""
    body = question.partition(b"\n\n")[2]
    try:
        found = _last_text(json.loads(body))
    except ValueError:
        found = body.decode("utf-8", "replace")
    return _short(found, width)


def _last_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if is_list(value):
        texts = (_last_text(item) for item in reversed(value))
        return next((text for text in texts if text), "")
    if is_object(value):
        texts = (_last_text(value[name]) for name in _TEXTS if name in value)
        return next((text for text in texts if text), "")
    return ""


def _short(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def tokens(samples: Iterable[Sample]) -> int:
    """Return how many tokens *samples* say that they are of, prompts and all."""
    found = (tokens_of(each.usage) for each in samples)
    return sum(each.total for each in found if each is not None)


# --- differences


def differences(
    one: Mapping[str, Entry], other: Mapping[str, Entry], names: tuple[str, str]
) -> Iterator[str]:
    """Iterate how two cassettes differ: a text for each question that is not the same in both.

    A question that only one has is held against the nearest that only the other has.
    """
    new = [other[each] for each in other if each not in one]
    for entry in (one[each] for each in one if each not in other):
        nearest = max(new, key=lambda each: _likeness(each, entry), default=None)
        if nearest is None or _likeness(nearest, entry) < _LIKE:
            yield f"only in {names[0]}: {_named(entry)}"
            continue
        new.remove(nearest)
        lines = difference(entry.question, nearest.question, names=names)
        yield f"asked otherwise: {_named(entry)}\n{lines}"
    yield from (f"only in {names[1]}: {_named(entry)}" for entry in new)
    for fingerprint, entry in one.items():
        if fingerprint in other and (lines := _answers(entry, other[fingerprint], names)):
            yield f"answered otherwise: {_named(entry)}\n{lines}"


_LIKE = 0.5
"""Of two questions, the part that is common at the beginning and the end: from here on it is one that
was changed, below it they are two."""


def _likeness(one: Entry, other: Entry) -> float:
    if one.dialect != other.dialect:
        return 0.0
    texts = (one.question, other.question)
    common = _common(*texts) + _common(*(each[::-1] for each in texts))
    return min(1.0, common / max(map(len, texts)))


def _common(one: bytes, other: bytes) -> int:
    """The length of the common beginning."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _named(entry: Entry) -> str:
    return f"{entry.fingerprint[:12]} {entry.dialect} {excerpt(entry.question)}".rstrip()


_OF_THE_CALL = ("recorded", "seconds", "draw", "client")
"""Members of an answer that say how it came, and not what it is."""


def _answers(one: Entry, other: Entry, names: tuple[str, str]) -> str:
    lines = unified_diff(_lines(one.samples), _lines(other.samples), *names, lineterm="", n=2)
    return "\n".join(lines)


def _lines(samples: Sequence[Sample]) -> list[str]:
    return json.dumps([*map(_told, samples)], indent=1, ensure_ascii=False).split("\n")


def _told(sample: Sample) -> dict[str, Any]:
    """Return what *sample* is, its headers by name: exports of others have them in another order."""
    told = {name: value for name, value in answer_of(sample).items() if name not in _OF_THE_CALL}
    if isinstance(headers := told.get("headers"), dict):
        told["headers"] = dict(sorted(cast("dict[str, Any]", headers).items()))
    return told
