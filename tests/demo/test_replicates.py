"""The page about replicates says what its script finds, and so does its picture."""

from __future__ import annotations

import html
import inspect
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import cachesaver

pytestmark = [
    pytest.mark.source_tree,
    pytest.mark.skipif(
        "replicate" not in inspect.signature(cachesaver.install).parameters,
        reason="waits for cachesaver.install(replicate=)",
    ),
]

EXPLANATION = Path(__file__).parents[2] / "docs" / "explanation"
PAGE = EXPLANATION / "replicates.md"
PICTURE = EXPLANATION / "replicates.svg"
VOTES = (1, 3)


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(EXPLANATION / "replicates.py"))


@pytest.fixture(scope="module")
def points(script: dict[str, Any]) -> Any:
    """The first half of the experiment; what comes after it cannot change it."""
    return script["experiment"](VOTES)


def test_error_bars_have_width_over_replicates_only(points: Any) -> None:
    """Given one noisy program, when it is repeated both ways, then only replicates differ."""
    widths = {(point.way, point.votes): point.deviation for point in points}

    assert {widths["namespaces", votes] for votes in VOTES} == {0.0}
    assert all(widths["replicates", votes] > 0.01 for votes in VOTES)


def test_independent_runs_are_bought_and_coupled_ones_are_not(
    script: dict[str, Any], points: Any
) -> None:
    bought = {(point.way, point.votes): point.bought for point in points}
    new = {1: 1, 3: 2}  # of the samples that 3 votes need, 1 was bought for 1 vote
    puzzles, repetitions = len(script["PUZZLES"]), script["REPETITIONS"]

    assert bought == {
        **{("namespaces", votes): new[votes] * puzzles for votes in VOTES},
        **{("replicates", votes): new[votes] * puzzles * repetitions for votes in VOTES},
    }


def test_the_page_has_the_numbers_of_the_script(script: dict[str, Any], points: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")

    missing = [row for row in script["table"](points).splitlines() if row not in page]

    assert missing == [], "run: python docs/explanation/replicates.py"


def test_the_picture_shows_the_numbers_of_the_script(script: dict[str, Any], points: Any) -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    (description,) = re.findall(r"<dc:description>(.*?)</dc:description>", picture, re.DOTALL)

    shown = json.loads(html.unescape(description))

    assert [row for row in shown if row[1] in VOTES] == json.loads(script["told"](points))
    assert {(way, votes) for way, votes, *_ in shown} == {
        (way, votes) for way in script["WAYS"] for votes in script["VOTES"]
    }


def test_the_picture_says_what_it_shows() -> None:
    picture = PICTURE.read_text(encoding="utf-8")

    for label in ("8 runs over namespaces", "8 runs over replicates", "votes per puzzle"):
        assert label in picture
