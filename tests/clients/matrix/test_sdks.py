"""Every SDK of our test group, in every way to call it: cold, warm, streams, errors, limits, leaving.

The others are put through the same by `make matrix`, which writes docs/reference/clients.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from matrix.judge import judge
from matrix.play import play
from matrix.table import SDKS, Sdk

LIGHT = [sdk for sdk in SDKS if not sdk.heavy]


@pytest.mark.parametrize("sdk", LIGHT, ids=[sdk.title for sdk in LIGHT])
def test_it_is_as_without_us_but_bought_once(sdk: Sdk, tmp_path: Path) -> None:
    acts = play(sdk, tmp_path)

    judged = {row.way: judge(row, told) for row, told in zip(sdk.rows, acts, strict=True)}
    wrong = {way: {k: v for k, v in columns.items() if v} for way, columns in judged.items()}
    assert wrong == {way: {} for way in judged}
