"""What `cachesaver stats` counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachesaver.cli import main


def test_samples_by_dialect_and_model(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["stats", "--store", str(filled)])

    head, row, totals = capsys.readouterr().out.splitlines()
    assert status == 0
    assert head.split() == ["dialect", "model", "questions", "samples", "tokens"]
    *counts, tokens = row.split()
    assert counts == ["openai.chat", "gpt-5-mini", "2", "3"]
    assert int(tokens.replace(",", "")) > 3
    assert totals == "2 questions, 3 samples, 1 namespaces"


def test_nothing_stored_is_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["stats", "--store", "memory://"])

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        "dialect  model  questions  samples  tokens",
        "0 questions, 0 samples, 0 namespaces",
    ]
