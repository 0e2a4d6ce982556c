"""Answers that nobody asks for any more, taken out of cassettes."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cachesaver.cassettes.answers import moment_of
from cachesaver.cassettes.format import Document, document
from cachesaver.errors import ConfigurationError

__all__ = ["Keep", "first", "pruned", "since", "those_used", "unused_in"]

Keep = Callable[[str, int, Mapping[str, Any]], bool]
"""Asked of each answer by fingerprint, index and members: whether it stays."""

Unused = Mapping[Path, frozenset[tuple[str, int]]]
"""By cassette, fingerprint and index of the answers that no test was given."""


def unused_in(file: Path) -> Unused:
    """Return what *file* tells: JSON, `{"a.cassette": [{"fingerprint": ..., "index": ...}]}`.

    Paths in it are seen from the current folder. `pytest --cassette-unused=FILE` writes such a file.

    Raises:
        ConfigurationError: It cannot be read, or is no such file.
    """
    try:
        told: dict[str, list[dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
        return {
            Path(path).resolve(): frozenset(
                (each["fingerprint"], each["index"]) for each in answers
            )
            for path, answers in told.items()
        }
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} does not say what was not used: `pytest --cassette-unused={file}` writes it"
        ) from error


def those_used(unused: Container[tuple[str, int]]) -> Keep:
    """Return a rule that keeps what is not among *unused*."""
    return lambda fingerprint, index, _: (fingerprint, index) not in unused


def first(count: int) -> Keep:
    """Return a rule that keeps the first *count* answers to each question."""
    return lambda _fingerprint, index, _: index < count


def since(moment: datetime) -> Keep:
    """Return a rule that keeps what was recorded at *moment* or later, or nobody knows when."""

    def keeps(_fingerprint: str, _index: int, answer: Mapping[str, Any]) -> bool:
        recorded = answer.get("recorded")
        return recorded is None or moment_of(recorded) >= moment

    return keeps


def pruned(documents: Iterable[Document], rules: Iterable[Keep]) -> Iterator[Document]:
    """Iterate *documents* less the answers that one of *rules* does not keep; empty ones are gone.

    What else stands in a document stays.
    """
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
            yield document(each.fingerprint, each.asked, kept, each.errors)
