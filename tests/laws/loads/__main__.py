"""Loads for as long as wanted: `python -m tests.laws.loads --minutes 10 --workers 8`.

Season after season, each with programs, a provider and a store of its own, and a kill every half
second or so. One line for each; ends with 1 at the first breach of a law, and says which seed.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from loads.judge import same_again
from loads.season import Kills, Program, Season, season


def main() -> int:
    """Go on until the time is over or a law is broken; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=8, help="processes at a time (%(default)s)")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=0, help="of the first season")
    args = parser.parse_args()
    # A provider whose clients are killed writes to many a connection that is no more.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    end = time.monotonic() + 60 * args.minutes
    sums = [0, 0, 0, 0]
    for seed in itertools.count(args.seed):
        with (
            tempfile.TemporaryDirectory() as folder,
            season(Path(folder), seed=seed, latency="0.1~0.9") as opened,
        ):
            told, counted = _played(opened, seed, args.workers, args.every)
        sums = [a + b for a, b in zip(sums, counted, strict=True)]
        print(f"season {seed}: {_line(counted)}", flush=True)  # noqa: T201
        for breach in told:
            print(breach, flush=True)  # noqa: T201
        if told:
            return 1
        if time.monotonic() > end:
            break
    print(f"all: {_line(sums)}, no law was broken")  # noqa: T201
    return 0


def _line(counted: list[int]) -> str:
    drawn, sold, kills, lost = counted
    return f"{drawn} draws, {sold} samples sold, {kills} kills, {lost} lost in flight"


def _played(opened: Season, seed: int, workers: int, every: float) -> tuple[list[str], list[int]]:
    """Perform one season: two programs beside each other with kills, and then again without."""
    shares = (workers + 1) // 2, workers // 2
    programs = [
        Program(namespace=name, seed=2 * seed + place, workers=share, questions=8, size=2)
        for place, (name, share) in enumerate(zip("ab", shares, strict=True))
        if share
    ]
    kills = Kills(every=every, whole=bool(seed % 2), most=30, seed=seed)
    cold = opened.perform(*programs, kills=kills, limit=300)
    bought, dead = opened.provider.calls().samples, sum(life.killed for life in cold)
    opened.provider.latency = 0
    warm = opened.perform(*programs, limit=300)
    told = opened.breaches()
    if opened.provider.calls().samples != bought:
        told.append("something was bought again")
    for each in programs:
        last = [life for life in cold if life.job.namespace == each.namespace]
        last = [life for life in last if life.run == last[-1].run or not kills.whole]
        again = [life for life in warm if life.job.namespace == each.namespace]
        told += [*same_again(again, last), *same_again(last, again)]
    drawn = sum(len(life.tags) for life in opened.lives)
    return told, [drawn, bought, dead, opened.lost()]


if __name__ == "__main__":
    sys.exit(main())
