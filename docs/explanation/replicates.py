"""Draw the picture of replicates.md, and write its numbers: `python docs/explanation/replicates.py`.

One experiment, repeated once over namespaces and once over replicates, against the simulated provider:
how often a majority of votes is right on whether four numbers can be combined to 24. Needs
matplotlib (dependency group `docs`). tests/demo/test_replicates.py fails where page or picture are behind.
"""

from __future__ import annotations

import json
import re
import runpy
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from openai import OpenAI

import cachesaver
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.game24 import read_numbers, solvable

HERE = Path(__file__).parent
PAGE = HERE / "replicates.md"
PICTURE = HERE / "replicates.svg"

VOTES = (1, 3, 5, 9)
REPETITIONS = 8
PUZZLES = (
    *("4 9 10 13", "1 4 8 8", "6 6 6 6", "2 3 5 12", "3 3 8 8", "1 5 5 5", "2 2 6 11", "4 4 10 10"),
    *("1 1 1 1", "2 2 2 2", "1 1 1 2", "1 1 2 2", "1 1 1 5", "5 7 7 11", "7 7 7 9", "1 6 7 7"),
)

WAYS = {"namespaces": "over namespaces", "replicates": "over replicates"}

_PART = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.DOTALL)
_PROMPT = runpy.run_path(str(HERE.parent / "demo" / "tot_game24.py"))["VALUE"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one way of repeating found for one number of votes.

    Attributes:
        accuracies: Share of puzzles that were judged rightly, one for each repetition.
        bought: Samples that the provider was paid for.
    """

    way: str
    votes: int
    accuracies: tuple[float, ...]
    bought: int

    @property
    def mean(self) -> float:
        return statistics.mean(self.accuracies)

    @property
    def deviation(self) -> float:
        return statistics.stdev(self.accuracies)


def experiment(
    votes: Sequence[int] = VOTES,
    repetitions: int = REPETITIONS,
    puzzles: Sequence[str] = PUZZLES,
) -> list[Point]:
    """Repeat the evaluation both ways, each on an empty store."""
    points: list[Point] = []
    with Rehearsal(seed=24, voice="game24") as provider:
        for way in WAYS:
            provider.reset()
            with tempfile.TemporaryDirectory(prefix="cachesaver-replicates-") as folder:
                for each in votes:
                    before = provider.calls().samples
                    accuracies = tuple(
                        repeated(way, number, each, puzzles, f"{folder}/store", provider.openai_url)
                        for number in range(repetitions)
                    )
                    bought = provider.calls().samples - before
                    points.append(Point(way=way, votes=each, accuracies=accuracies, bought=bought))
    return points


def repeated(
    way: str, number: int, votes: int, puzzles: Sequence[str], store: str, url: str
) -> float:
    options: dict[str, Any] = {"namespace": f"votes-{votes}", "replicate": number}
    if way == "namespaces":
        options = {"namespace": f"votes-{votes}-{number}"}
    with (
        cachesaver.install(store=store, quiet=True, strict=True, **options),
        OpenAI(base_url=url, api_key="none-is-needed") as client,
    ):
        return accuracy(client, votes, puzzles)


def accuracy(client: OpenAI, votes: int, puzzles: Sequence[str]) -> float:
    """Return the share of puzzles on which the majority is right."""
    right = [
        majority(client, votes, puzzle) == solvable(read_numbers(puzzle)) for puzzle in puzzles
    ]
    return sum(right) / len(right)


def majority(client: OpenAI, votes: int, puzzle: str) -> bool:
    said = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": _PROMPT.format(numbers=puzzle)}],
        n=votes,
    )
    words = [(choice.message.content or "").split()[-1] for choice in said.choices]
    return 2 * sum(word != "impossible" for word in words) > votes


def expected(votes: int, puzzles: Sequence[str] = PUZZLES) -> float:
    """Return the accuracy in the long run: what the simulated provider is known to answer."""
    from cachesaver.rehearsal.game24 import _JUDGEMENTS  # the very chances it draws by

    def chance(puzzle: str) -> float:
        truth = solvable(read_numbers(puzzle))
        *yes, no = _JUDGEMENTS[truth]
        p = sum(yes) if truth else no
        return sum(
            comb(votes, k) * p**k * (1 - p) ** (votes - k) for k in range(votes // 2 + 1, votes + 1)
        )

    return statistics.mean(map(chance, puzzles))


def table(points: Sequence[Point]) -> str:
    head = "| votes | in the long run | over namespaces | bought | over replicates | bought |"
    rows = [head, "|---|---|---|---|---|---|"]
    for votes in sorted({point.votes for point in points}):
        cells = [str(votes), f"{expected(votes):.1%}"]
        for point in (p for way in WAYS for p in points if (p.way, p.votes) == (way, votes)):
            cells += [f"{point.mean:.1%} ± {point.deviation:.1%}", str(point.bought)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def regenerated(points: Sequence[Point]) -> str:
    """Return the text of the page with its table made anew."""
    text = PAGE.read_text(encoding="utf-8")
    return _PART.sub(lambda _: f"\n{table(points)}\n\n", text)


def told(points: Sequence[Point]) -> str:
    """Return what the picture carries as its description: the numbers it shows."""
    return json.dumps(
        [
            [point.way, point.votes, round(point.mean, 4), round(point.deviation, 4)]
            for point in points
        ]
    )


def draw(points: Sequence[Point], path: Path) -> None:
    """Write the picture: one panel for each way of repeating."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "cachesaver",
            "font.family": "sans-serif",
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    colours = {"namespaces": "#b5562b", "replicates": "#1f6f8b"}
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.9), sharey=True, layout="constrained")
    for panel, (way, title) in zip(panels, WAYS.items(), strict=True):
        shown = [point for point in points if point.way == way]
        places = range(len(shown))
        longrun = [100 * expected(point.votes) for point in shown]
        panel.plot(
            places,
            longrun,
            color="#888888",
            linestyle=(0, (4, 3)),
            linewidth=1.2,
            zorder=1,
            label="in the long run",
        )
        for place, point in zip(places, shown, strict=True):
            beside = [place + 0.16 + 0.03 * number for number in range(len(point.accuracies))]
            panel.scatter(
                beside,
                [100 * accuracy for accuracy in point.accuracies],
                s=18,
                color=colours[way],
                alpha=0.45,
                linewidths=0,
                label="one run" if place == 0 else None,
            )
        panel.errorbar(
            places,
            [100 * p.mean for p in shown],
            yerr=[100 * p.deviation for p in shown],
            fmt="o",
            color=colours[way],
            markersize=7,
            linewidth=2,
            capsize=5,
            capthick=2,
            zorder=3,
            label="mean ± standard deviation",
        )
        panel.set_title(f"{len(shown[0].accuracies)} runs {title}", loc="left", fontsize=12)
        panel.set_xticks(places, [str(point.votes) for point in shown])
        panel.set_xlabel("votes per puzzle")
        panel.set_xlim(-0.4, len(shown) - 0.4)
        panel.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        panel.set_axisbelow(True)
    panels[0].set_ylabel("puzzles judged rightly, in %")
    panels[0].text(
        0.98,
        0.06,
        "the error bars are there:\nthey have no width",
        transform=panels[0].transAxes,
        ha="right",
        color="#555555",
        fontsize=9.5,
    )
    panels[1].legend(loc="lower right", frameon=False, fontsize=9.5)
    figure.savefig(path, metadata={"Date": None, "Description": told(points)})
    plt.close(figure)


if __name__ == "__main__":
    found = experiment()
    PAGE.write_text(regenerated(found), encoding="utf-8")
    draw(found, PICTURE)
