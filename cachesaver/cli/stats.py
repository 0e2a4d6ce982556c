"""`cachesaver stats`: what the store holds, by dialect and model.

Counts questions, samples, and the tokens their providers said they took.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cachesaver.cli.opening import existing_store
from cachesaver.cli.tables import table
from cachesaver.ports import Store
from cachesaver.usage import total_of

__all__ = ["HELP", "add_arguments", "run"]

HELP = "what the store holds, by dialect and model"

Row = tuple[str, str]
"""Dialect and model."""


@dataclass(slots=True)
class _Counts:
    questions: Counter[Row] = field(default_factory=Counter[Row])
    samples: Counter[Row] = field(default_factory=Counter[Row])
    tokens: Counter[Row] = field(default_factory=Counter[Row])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver stats` takes."""
    parser.add_argument("--store", help="a directory or store URL")


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    with existing_store(arguments.store) as store:
        counts, totals = _counted(store), store.summary()
    print(table(("dialect", "model", "questions", "samples", "tokens"), _rows(counts)))
    print(
        f"{totals.fingerprints:,} questions, {totals.samples:,} samples, "
        f"{totals.namespaces:,} namespaces"
    )
    return 0


def _counted(store: Store) -> _Counts:
    counts = _Counts()
    for fingerprint, question in store.questions():
        dialect = question.split(b" ", 2)[1].decode("utf-8", "replace")
        models = set[Row]()
        for _, sample in store.samples(fingerprint):
            row = (dialect, sample.model or "-")
            models.add(row)
            counts.samples[row] += 1
            counts.tokens[row] += total_of(sample.usage)
        counts.questions.update(models)
    return counts


def _rows(counts: _Counts) -> Sequence[Sequence[str]]:
    return [
        (*row, f"{counts.questions[row]:,}", f"{samples:,}", f"{counts.tokens[row]:,}")
        for row, samples in sorted(counts.samples.items())
    ]
