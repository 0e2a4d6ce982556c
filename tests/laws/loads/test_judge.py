"""The test of the tests: what the judge would say of each breach, if there were one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loads.judge import Life, Sale, independence, keeping, lost, reuse, same_again
from loads.plans import least, plan
from loads.worker import Job


def life(*texts: str, rank: int = 0, name: str = "x", killed: bool = False) -> Life:
    """Return a worker that got one text at each call."""
    job = Job(
        name=name,
        namespace="a",
        run="r",
        rank=rank,
        seed=0,
        workers=2,
        questions=6,
        size=1,
        leaving=0.0,
        url="",
        store="",
        folder="",
    )
    lines = [
        {
            "path": [["g", 0]],
            "place": place,
            "question": "q",
            "caller": f"{name}/{place}",
            "texts": [text],
        }
        for place, text in enumerate(texts)
    ]
    done = [] if killed else [{"done": True}]
    return Life(job=job, lines=(*lines, *done), killed=killed, status=-9 if killed else 0)


def said(number: int) -> str:
    return f"[00000000#{number}] words"


def tags(*numbers: int) -> Counter[str]:
    return Counter(f"00000000#{number}" for number in numbers)


def sold(*numbers: int, caller: str = "x/0", fragile: bool = False) -> Sale:
    return Sale(question="q", caller=caller, tags=tuple(tags(*numbers)), fragile=fragile)


class TestIndependence:
    def test_one_worker_that_gets_a_sample_twice(self) -> None:
        assert list(independence([life(said(0), said(0))])) == ["x got 00000000#0 2 times"]

    def test_two_workers_of_a_run_that_get_one_sample(self) -> None:
        (told,) = independence([life(said(0)), life(said(0), rank=1, name="y")])

        assert told == "in the run r, the workers [0, 1] all got 00000000#0"

    def test_one_that_was_killed_and_begins_again(self) -> None:
        assert not [*independence([life(said(0), killed=True), life(said(0), name="y")])]


class TestReuse:
    def breaches(self, sales: Sequence[Sale], stored: Counter[str], *lives: Life) -> list[str]:
        return list(reuse(sales, stored, lives, {"q": 2}))

    def test_the_least(self) -> None:
        assert self.breaches([sold(0, 1)], tags(0, 1)) == []

    def test_more_than_the_least(self) -> None:
        told = self.breaches([sold(0, 1), sold(2)], tags(0, 1, 2))

        assert told == ["of q, 3 are stored, and 2 needed"]

    def test_one_that_was_sold_and_is_not_stored(self) -> None:
        (told,) = self.breaches([sold(0, 1), sold(2)], tags(0, 1), life(said(0)))

        assert "00000000#2" in told

    def test_one_that_was_broken_off_by_the_provider(self) -> None:
        broken = [sold(2, fragile=True), sold(3, fragile=True)]

        assert self.breaches([sold(0, 1), broken[0]], tags(0, 1)) == []
        assert len(self.breaches([sold(0, 1), *broken], tags(0, 1))) == 1

    def test_one_that_was_in_flight_at_a_kill(self) -> None:
        dead = life(said(0), killed=True)
        flying, landed = sold(2, caller="x/1"), sold(2, caller="x/0")

        assert self.breaches([sold(0, 1), flying], tags(0, 1), dead) == []
        assert lost([sold(0, 1), flying], tags(0, 1), [dead]) == 1
        assert len(self.breaches([sold(0, 1), landed], tags(0, 1), dead)) == 1


def test_an_answer_that_is_not_stored_is_told() -> None:
    assert list(keeping([life(said(0), said(1), killed=True)], tags(0))) == [
        "x got 00000000#1, which is not in the store"
    ]


class TestSameAgain:
    def test_other_answers(self) -> None:
        assert len(list(same_again([life(said(0), said(1))], [life(said(1), said(0))]))) == 3

    def test_a_part_of_the_same_before_a_kill(self) -> None:
        whole = [life(said(0), said(1))]

        assert list(same_again(whole, [life(said(0), killed=True)])) == []
        assert len(list(same_again(whole, [life(said(1), killed=True)]))) == 1


def test_plans_repeat_and_differ_by_seed() -> None:
    assert plan(1, 2) == plan(1, 2) != plan(2, 2)


def test_the_least_is_the_largest_number_of_draws_of_any_plan() -> None:
    first, second = plan(1, questions=6, size=2), plan(2, questions=6, size=2)

    needed = least([first, second])

    assert Counter(needed) == first.draws() | second.draws()
