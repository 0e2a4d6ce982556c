"""`cachesaver stats`: what the store holds, by model.

Counts samples and the tokens their providers said they took.
"""

from __future__ import annotations

import argparse
from collections import Counter

from cachesaver.cli.tables import table
from cachesaver.settings import settings
from cachesaver.statistics import total_tokens
from cachesaver.stores import open_store

__all__ = ["HELP", "add_arguments", "run"]

HELP = "what the store holds, by dialect and model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver stats` takes."""
    parser.add_argument("--store", help="a directory or store URL")


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    store = open_store(str(settings(store=arguments.store).store))
    questions, samples, tokens = (
        Counter[tuple[str, str]](),
        Counter[tuple[str, str]](),
        Counter[tuple[str, str]](),
    )
    try:
        for fingerprint, question in store.questions():
            dialect = question.split(b" ", 2)[1].decode("utf-8", "replace")
            models = set[tuple[str, str]]()
            for _, sample in store.samples(fingerprint):
                row = (dialect, sample.model or "-")
                models.add(row)
                samples[row] += 1
                tokens[row] += total_tokens(sample.usage)
            questions.update(models)
        totals = store.summary()
    finally:
        store.close()
    rows = [
        (
            dialect,
            model,
            f"{questions[dialect, model]:,}",
            f"{count:,}",
            f"{tokens[dialect, model]:,}",
        )
        for (dialect, model), count in sorted(samples.items())
    ]
    print(table(("dialect", "model", "questions", "samples", "tokens"), rows))
    print(
        f"{totals.fingerprints:,} questions, {totals.samples:,} samples, {totals.namespaces:,} namespaces"
    )
    return 0
