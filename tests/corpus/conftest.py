"""The corpus, read once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from recordings import Exchange, read_corpus


@pytest.fixture(scope="session")
def exchanges(corpus: Path) -> tuple[Exchange, ...]:
    """Every exchange of the corpus, in the order of its index."""
    return read_corpus(corpus)
