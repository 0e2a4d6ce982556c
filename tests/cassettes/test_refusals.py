"""Whose turn an error is, what is said to SDKs with it, and which are recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachesaver.cassettes.files import read
from cachesaver.cassettes.refusals import Refusals, hastened, statuses
from cachesaver.cassettes.store import CassetteStore, Exhausted
from cachesaver.errors import CassetteError, ConfigurationError
from cachesaver.exchange import Response, Sample
from cachesaver.ports import Grant, KeepsErrors, Policy
from cachesaver.stores.testing import F, a_run, buy, draw

ONE, TWO = a_run("one"), a_run("two")


def an_error(draw: str, status: int = 429, created: float = 0.0) -> Sample:
    headers = (("Retry-After", "20"), ("retry-after-ms", "20000"))
    response = Response(status=status, headers=headers, chunks=(b"{}",))
    return Sample(response=response, draw=draw, created=created)


def shown(refusals: Refusals, index: int) -> list[int]:
    found: list[int] = []
    while give := refusals.of_index(ONE, index):
        found.append(give().status)
    return found


class TestRefusals:
    def test_errors_come_before_the_answer_of_their_draw_in_every_run(self) -> None:
        refusals = Refusals([an_error("a", 429), an_error("b", 500), an_error("a", 529)], {"a": 1})

        assert refusals.of_index(ONE, 0) is None
        assert shown(refusals, 1) == [429, 529]
        again = refusals.of_index(TWO, 1)
        assert again is not None
        assert again().status == 429

    def test_a_draw_that_came_to_nothing_gets_its_own_and_only_those(self) -> None:
        refusals = Refusals([an_error("a", 429), an_error("b", 500)], {"a": 0})

        give = refusals.of_draw(ONE, "b")
        assert give is not None
        assert give().status == 500
        assert refusals.of_draw(ONE, "b") is None
        assert refusals.of_draw(ONE, "a") is None
        assert refusals.of_stranger(ONE, "b") is None

    def test_a_stranger_takes_the_part_that_nobody_has(self) -> None:
        refusals = Refusals([an_error("a", 429), an_error("b", 500), an_error("b", 503)], {})
        taken = refusals.of_draw(ONE, "a")
        assert taken is not None
        taken()

        one = refusals.of_stranger(ONE, "x")
        assert one is not None
        assert one().status == 500
        assert refusals.of_stranger(ONE, "y") is None
        other = refusals.of_stranger(ONE, "x")
        assert other is not None
        assert other().status == 503
        assert refusals.of_stranger(ONE, "x") is None

    def test_only_what_was_tried_again_is_to_be_tried_again_at_once(self) -> None:
        answered = Refusals([an_error("a")], {"a": 0}).of_index(ONE, 0)
        final = Refusals([an_error("a"), an_error("a")], {})
        assert answered is not None

        def wait() -> list[str]:
            give = final.of_draw(ONE, "a")
            assert give is not None
            return [value for name, value in give().headers if name == "retry-after-ms"]

        assert ("retry-after-ms", "1") in answered().headers
        assert wait() == ["1"]
        assert wait() == ["20000"]


def test_what_hastens_touches_no_other_header() -> None:
    assert hastened(an_error("a").response).headers == (
        ("Retry-After", "20"),
        ("retry-after-ms", "1"),
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (True, [400, 429, 500, 529]),
        (False, []),
        ([429, "5XX"], [429, 500, 529]),
        ("4xx", [400, 429]),
    ],
)
def test_statuses_that_are_recorded(given: bool | list[int | str], kept: list[int]) -> None:  # noqa: FBT001
    keeps = statuses(given)

    assert [each for each in (200, 301, 400, 429, 500, 529) if keeps(each)] == kept


@pytest.mark.parametrize("given", [[200], ["3xx"], ["soon"], [429.5]])
def test_what_is_no_error_cannot_be_recorded_as_one(given: list[int | str]) -> None:
    with pytest.raises(ConfigurationError, match="record_errors"):
        statuses(given)


class TestStore:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "a.cassette"

    def recorded(self, path: Path, *errors: Sample, answers: tuple[str, ...] = ()) -> CassetteStore:
        store = CassetteStore(path, errors=statuses(given=True))
        for each in errors:
            store.note(F, each, question=b"q").result()
        if answers:
            buy(store, ONE, *answers)
        store.close()
        return CassetteStore(path)

    def test_an_error_is_on_disk_at_once_and_no_answer(self, path: Path) -> None:
        store = CassetteStore(path, errors=statuses(given=True))
        assert isinstance(store, KeepsErrors)
        assert store.keeps(429)

        store.note(F, an_error("a"), question=b"q").result()

        (document,) = read(path)[1]
        assert [each["status"] for each in document.errors] == [429]
        assert document.answers == []

    def test_it_comes_before_the_answer_and_counts_for_none(self, path: Path) -> None:
        store = self.recorded(path, an_error("b"), answers=("a", "b"))

        first, second = draw(store, ONE, "a", "b")
        assert first.refusal is None
        assert second.refusal is not None
        assert store.played == {F: frozenset({0})}
        second.refusal()
        (again,) = draw(store, ONE, "b")
        assert (again.index, again.refusal) == (1, None)
        assert store.played == {F: frozenset({0, 1})}

    def test_who_came_to_nothing_takes_nobodys_answer(self, path: Path) -> None:
        """Given one draw that failed for good, when it asks first, then the other keeps its answer."""
        store = self.recorded(path, an_error("b"), answers=("a",))

        (failed,) = draw(store, ONE, "b", policy=Policy.READ)
        (answered,) = draw(store, ONE, "a", policy=Policy.READ)

        assert failed.index == -1
        assert failed.refusal is not None
        assert answered.index == 0

    def test_who_asks_at_once_gets_what_was_answered_to_who_asked_again(self, path: Path) -> None:
        """Given an error, then an answer to one draw, when two ask at once, then each gets one."""
        store = self.recorded(path, an_error("a"), answers=("a",))

        (refused,) = draw(store, ONE, "a", policy=Policy.READ)
        (answered,) = draw(store, ONE, "b", policy=Policy.READ)
        assert refused.refusal is not None
        assert (answered.index, answered.refusal) == (0, None)
        assert refused.refusal().status == 429

        assert draw(store, ONE, "b", policy=Policy.READ) == (answered,)
        (again, third) = draw(store, ONE, "a", "c", policy=Policy.READ)
        assert (again, third) == (Grant(index=-1), Grant(index=-1))
        assert store.played == {F: frozenset({0})}

    def test_what_stands_behind_an_error_is_given_to_others_in_need_only(self, path: Path) -> None:
        """Given a second answer, then the draw that was refused keeps its own until it asks again."""
        store = self.recorded(path, an_error("a"), answers=("a", "x"))

        (refused,) = draw(store, ONE, "a", policy=Policy.READ)
        assert refused.refusal is not None
        refused.refusal()
        (other,) = draw(store, ONE, "b", policy=Policy.READ)
        (again,) = draw(store, ONE, "a", policy=Policy.READ)

        assert (other.index, again.index) == (1, 0)
        assert draw(store, ONE, "c", policy=Policy.READ) == (Grant(index=-1),)

    def test_each_error_is_promised_once_to_those_who_ask_at_once(self, path: Path) -> None:
        store = self.recorded(path, an_error("a"), an_error("a", 500), answers=("a",))

        grants = [draw(store, ONE, name, policy=Policy.READ)[0] for name in "abcd"]

        told = [each.refusal().status if each.refusal else each.index for each in grants]
        assert told == [429, 500, 0, -1]

    @pytest.mark.parametrize("exhausted", list(Exhausted))
    def test_where_nothing_but_errors_was_recorded(self, path: Path, exhausted: Exhausted) -> None:
        self.recorded(path, an_error("a"))
        store = CassetteStore(path, exhausted=exhausted)

        (grant,) = draw(store, ONE, "elsewhere", policy=Policy.READ)
        assert grant.refusal is not None
        grant.refusal()
        assert draw(store, ONE, "elsewhere", policy=Policy.READ) == (Grant(index=-1),)

    def test_of_a_question_without_draws_it_comes_before_sample_0(self, path: Path) -> None:
        store = self.recorded(path, an_error(""), answers=("",))

        (grant,) = store.look([F], owner="me", leads=False)
        assert grant.refusal is not None
        grant.refusal()
        (grant,) = store.look([F], owner="me", leads=False)
        assert (grant.index, grant.refusal) == (0, None)

    def test_errors_of_two_recordings_stand_once_each_by_arrival(self, path: Path) -> None:
        self.recorded(path, an_error("a", 500, created=2.0))
        store = self.recorded(
            path, an_error("a", 429, created=1.0), an_error("a", 500, created=2.0)
        )

        (document,) = read(path)[1]
        assert [each["status"] for each in document.errors] == [429, 500]
        assert store.summary().samples == 0

    def test_what_is_recorded_anew_forgets_them(self, path: Path) -> None:
        self.recorded(path, an_error("a"))
        store = CassetteStore(path, anew=lambda _: True)
        buy(store, ONE, "a")
        store.close()

        (document,) = read(path)[1]
        assert document.errors == []

    def test_one_that_cannot_be_read_is_said_to_be_damaged(self, path: Path) -> None:
        self.recorded(path, an_error("a"))
        path.write_text(path.read_text().replace('"status"', '"state"'))

        with pytest.raises(CassetteError, match="damaged"):
            draw(CassetteStore(path), ONE, "a")
