"""Answers that nobody asks for any more, taken out of cassettes.

Which were given, a run writes down: one line of JSON for each cassette it closed, any number of runs and
processes into one file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cachesaver.cassettes.format import Document, document
from cachesaver.errors import ConfigurationError

__all__ = ["Keep", "first", "note_played", "played_in", "pruned", "since", "those_played"]

Keep = Callable[[str, int, Mapping[str, Any]], bool]
"""Asked of each answer by fingerprint, index and members: whether it stays."""

Played = Mapping[Path, Mapping[str, frozenset[int]]]
"""By cassette and fingerprint, the indexes of the answers that were given."""


def note_played(file: Path, cassette: Path, played: Mapping[str, Iterable[int]]) -> None:
    """Add to *file* which answers of *cassette* were given, by fingerprint. Raises OSError."""
    told = {
        "cassette": str(cassette.resolve()),
        "played": {fingerprint: sorted(indexes) for fingerprint, indexes in played.items()},
    }
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(told) + "\n")


def played_in(file: Path) -> Played:
    """Return what *file* tells of all runs that wrote to it.

    Raises:
        ConfigurationError: It cannot be read, or is no such file.
    """
    found = dict[Path, dict[str, frozenset[int]]]()
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            known = found.setdefault(Path(told["cassette"]), {})
            for fingerprint, indexes in told["played"].items():
                known[fingerprint] = known.get(fingerprint, frozenset()) | frozenset(indexes)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} does not say what was played: it is written by a run with CACHESAVER_PLAYED={file}"
        ) from error
    return found


def those_played(played: Mapping[str, frozenset[int]]) -> Keep:
    """Return a rule that keeps what was given."""
    return lambda fingerprint, index, _: index in played.get(fingerprint, ())


def first(count: int) -> Keep:
    """Return a rule that keeps the first *count* answers to each question."""
    return lambda _fingerprint, index, _: index < count


def since(moment: datetime) -> Keep:
    """Return a rule that keeps what was recorded at *moment* or later, or nobody knows when."""

    def keeps(_fingerprint: str, _index: int, answer: Mapping[str, Any]) -> bool:
        recorded = answer.get("recorded")
        return recorded is None or datetime.fromisoformat(recorded) >= moment

    return keeps


def pruned(documents: Iterable[Document], rules: Iterable[Keep]) -> Iterator[Document]:
    """Iterate *documents* less the answers that one of *rules* does not keep; then empty ones are gone."""
    every = tuple(rules)
    for each in documents:
        kept = [
            answer
            for index, answer in enumerate(each.answers)
            if all(keeps(each.fingerprint, index, answer) for keeps in every)
        ]
        if len(kept) == len(each.answers):
            yield each
        elif kept:
            question = {
                k: v for k, v in each.members.items() if k not in ("answers", "fingerprint")
            }
            yield document(each.fingerprint, question, kept)
