"""Laws 1, 2, 3 and 5 from the outside: random programs in many processes, some of them killed.

What was sold stands in the provider's own books, what a caller had in a log that it synced itself.
`python -m tests.laws.loads --minutes 10` does the same for as long as it is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loads.judge import same_again
from loads.plans import least
from loads.season import Kills, Program, Season, season

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Season]:
    with season(tmp_path) as opened:
        yield opened


def sold(opened: Season) -> int:
    return opened.provider.calls().samples


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_exactly_the_least_is_bought_and_later_nothing(played: Season, workers: int) -> None:
    """Given a program's processes, when they ran, then again, then in a fresh namespace."""
    size = 1 + (workers < 8)
    program = Program(namespace="a", seed=workers, workers=workers, size=size)

    cold = played.perform(program)
    bought = sold(played)
    warm = played.perform(program)
    fresh = played.perform(Program(namespace="b", seed=workers, workers=workers, size=size))

    assert played.breaches() == []
    assert sold(played) == bought
    assert list(same_again(cold, warm)) == list(same_again(cold, fresh)) == []


def test_runs_at_the_same_time_buy_what_the_greediest_needs(played: Season) -> None:
    """Given programs of several namespaces that ask the same questions, and one of them twice."""
    programs = [
        Program(namespace="a", seed=1, workers=2, questions=6, size=1),
        Program(namespace="a", seed=1, workers=2, questions=6, size=1),
        Program(namespace="b", seed=1, workers=2, questions=6, size=1),
        Program(namespace="c", seed=2, workers=1, questions=6, size=2),
        Program(namespace="d", seed=3, workers=1, questions=6, size=3),
    ]

    cold = played.perform(*programs)
    bought = sold(played)
    warm = played.perform(*programs[2:])

    assert played.breaches() == []
    assert sold(played) == bought
    needed = sum(least([each.plan for each in programs]).values())
    assert needed < sum(each.plan.draws().total() for each in programs) / 2
    for each in programs[2:]:
        lives = ([life for life in some if _is_of(each, life.job.name)] for some in (cold, warm))
        assert list(same_again(*lives)) == []


def _is_of(program: Program, name: str) -> bool:
    return name.startswith(f"{program.namespace}.")


@pytest.mark.parametrize("whole", [False, True], ids=["one worker", "all of the program"])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_kills_cost_what_was_in_flight_and_nothing_else(
    played: Season, workers: int, *, whole: bool
) -> None:
    """Given SIGKILL again and again, when the work goes on, then no more is bought than before.

    One worker that was killed starts again in its run, and gets again what it had got; a program
    that was, as a new run. That they come to an end in time tells that the dead block nobody.
    """
    played.provider.latency = "0.1~0.9"
    program = Program(namespace="a", seed=10 + workers, workers=workers, size=1 + (workers < 8))
    share = program.plan.draws().total() // 5
    kills = Kills(every=0.1, sold=share, most=4, whole=whole, seed=workers)

    cold = played.perform(program, kills=kills)
    bought = sold(played)
    played.provider.latency = 0
    warm = played.perform(program)

    assert sum(life.killed for life in cold) >= 3
    assert played.breaches() == []
    assert sold(played) == bought
    again = [life for life in cold if life.run == cold[-1].run] if whole else cold
    assert list(same_again(warm, again)) == list(same_again(again, warm)) == []


def test_who_loses_patience_and_asks_again_buys_nothing_twice(played: Season) -> None:
    """Given tasks that are cancelled in flight, when they ask again, then they get what was sold."""
    played.provider.latency = "0.1~0.9"
    program = Program(namespace="a", seed=5, workers=2, size=2, leaving=0.4)

    cold = played.perform(program)
    bought = sold(played)
    warm = played.perform(program)

    assert played.breaches() == []
    assert sold(played) == bought
    assert list(same_again(cold, warm)) == []
