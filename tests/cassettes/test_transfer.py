"""Samples from one place to another, and nothing lost on the way."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from types import MappingProxyType

import pytest

from cachesaver.cassettes.files import read
from cachesaver.cassettes.imports import Answer
from cachesaver.cassettes.store import CassetteStore
from cachesaver.cassettes.transfer import (
    add_to_cassette,
    add_to_store,
    answers_in,
    answers_of,
    errors_in,
)
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.exchange import Response, Sample
from cachesaver.ports import Policy, Run, Store
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.processes import here


def answer(fingerprint: str, text: str, *, is_only: bool = False, created: float = 1.5) -> Answer:
    sample = Sample(
        response=Response(
            status=200,
            reason="OK",
            headers=(("content-type", "text/event-stream"), ("a", "1"), ("a", "2")),
            chunks=(b"data: 1\n\n", text.encode()),
            offsets=(0.25, 0.5),
        ),
        draw="d" * 64,
        usage=MappingProxyType({"total_tokens": 3}),
        model="m",
        created=created,
        latency=0.5,
        first_byte=0.25,
        user_agent="sdk/1",
    )
    question = f"cachesaver/1 generic POST\nhttps://a.test\n/{fingerprint}\n\n\n{{}}".encode()
    return Answer(fingerprint=fingerprint * 64, question=question, sample=sample, is_only=is_only)


ANSWERS = [answer("b", "1"), answer("a", "2"), answer("b", "3"), answer("b", "1")]


def texts(answers: list[Answer]) -> list[tuple[str, str]]:
    return [(each.fingerprint[0], each.sample.response.chunks[1].decode()) for each in answers]


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LmdbStore(tmp_path / "store")


def test_from_cassette_to_store_and_back_nothing_is_lost(store: Store, tmp_path: Path) -> None:
    """Given lists, one with the same answer twice, then order, index, draw and times stay."""
    one, other = tmp_path / "one.cassette", tmp_path / "other.cassette"
    add_to_cassette(one, ANSWERS)

    assert add_to_store(store, answers_in(one)) == 4
    add_to_cassette(other, answers_of(store))
    store.close()

    assert list(answers_in(one)) == [ANSWERS[1], ANSWERS[0], ANSWERS[2], ANSWERS[3]]
    assert other.read_bytes() == one.read_bytes()


def test_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"

    assert [add_to_cassette(path, ANSWERS) for _ in range(2)] == [4, 0]
    assert [add_to_store(store, ANSWERS) for _ in range(2)] == [4, 0]
    store.close()


def numbered(*numbers: int, first: str = "") -> list[Answer]:
    """Return samples of a seed that say their numbers, asked for from *first* on."""
    made = list[Answer]()
    for number in numbers:
        plain = answer("b", str(number), created=float(next(CLOCK)))
        said = (*plain.sample.response.headers, (FIRST_INDEX, str(number)))
        response = replace(plain.sample.response, headers=said)
        asked = f"{FIRST_INDEX}: {first}\n".encode() if first else b""
        question = plain.question.replace(b"\n\n\n{", b"\n\n" + asked + b"\n{")
        made.append(
            replace(plain, question=question, sample=replace(plain.sample, response=response))
        )
    return made


CLOCK = count(1)


@pytest.mark.parametrize(
    ("there", "coming", "first", "stored"),
    [
        ([0, 1], [0, 1, 2], "", {0: 0, 1: 1, 2: 2}),
        ([0, 1, 2], [0, 1], "", {0: 0, 1: 1, 2: 2}),
        ([0, 1, 4], [0, 2], "", {0: 0, 1: 1, 2: 2, 4: 4}),
        ([4, 5], [4, 5, 6], "4", {0: 4, 1: 5, 2: 6}),
        ([0], [2**62, 1], "", {0: 0, 1: 1}),
        ([3], [1, 3], "3", {0: 3}),
    ],
)
def test_a_sample_of_a_seed_goes_to_its_place_or_nowhere(
    store: Store, there: list[int], coming: list[int], first: str, stored: dict[int, int]
) -> None:
    """Given two recordings of one seed, when they are put together, then sample i is sample i."""
    for numbers in (there, coming):
        add_to_store(store, numbered(*numbers, first=first))

    fingerprint = numbered(0)[0].fingerprint
    found = {index: int(sample.response.chunks[1]) for index, sample in store.samples(fingerprint)}
    store.close()
    assert found == stored


def test_a_sample_of_a_seed_is_added_to_a_cassette_once(tmp_path: Path) -> None:
    """Given two recordings of one seed, then sample i of the list is sample i of the seed."""
    path = tmp_path / "a.cassette"

    assert [add_to_cassette(path, numbered(*range(n))) for n in (2, 4, 3)] == [2, 2, 0]

    assert texts(list(answers_in(path))) == [("b", str(number)) for number in range(4)]


def test_what_is_there_stays_in_front(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    more = [answer("b", "9"), answer("b", "1"), answer("c", "1")]
    for each in (ANSWERS, more):
        add_to_cassette(path, each)
        add_to_store(store, each)

    wanted = [("a", "2"), ("b", "1"), ("b", "3"), ("b", "1"), ("b", "9"), ("c", "1")]
    assert texts(list(answers_in(path))) == wanted
    assert texts(list(answers_of(store))) == wanted
    store.close()


def test_of_what_has_one_answer_the_first_stays(tmp_path: Path) -> None:
    path, store = tmp_path / "a.cassette", MemoryStore()
    both = [answer("a", "1", is_only=True), answer("a", "2", is_only=True)]

    assert (add_to_cassette(path, both), add_to_store(store, both)) == (1, 1)
    assert (add_to_cassette(path, both[1:]), add_to_store(store, both[1:])) == (0, 0)
    assert texts(list(answers_in(path))) == texts(list(answers_of(store))) == [("a", "1")]


def test_a_slot_that_somebody_is_buying_is_left_to_him() -> None:
    """Given slot 0 under a lease, when answers are added, then they stand behind it."""
    store, run = MemoryStore(), Run(id="r", namespace="n")
    (grant,) = store.acquire(run, "a" * 64, ["d"], owner=here(), policy=Policy.RESERVE)

    add_to_store(store, [answer("a", "1")])

    assert grant.index == 0
    assert [index for index, _ in store.samples("a" * 64)] == [1]


def test_a_slot_that_was_given_up_is_not_filled_out_of_turn() -> None:
    """Given a sample in slot 1 and none in slot 0, then what is added stands behind both."""
    store, (known, added) = MemoryStore(), (answer("a", "1"), answer("a", "2"))
    token = store.poll(known.fingerprint, 1, owner=here()).token
    store.fill(known.fingerprint, 1, token, known.sample, question=known.question)

    add_to_store(store, [added])

    assert [index for index, _ in store.samples("a" * 64)] == [1, 2]


def test_a_draw_gets_the_sample_that_was_bought_for_it(tmp_path: Path) -> None:
    """Given a cassette poured into a store, when its draw asks, then it has its own index."""
    store, path = MemoryStore(), tmp_path / "a.cassette"
    add_to_cassette(path, ANSWERS[:1])
    add_to_store(store, answers_in(path))

    (grant,) = store.acquire(
        Run(id="r", namespace="n"), "b" * 64, ["d" * 64], owner=here(), policy=Policy.READ
    )

    assert grant.sample == ANSWERS[0].sample


def test_an_imported_cassette_is_one_to_record_into(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    add_to_cassette(path, ANSWERS)

    with_one = CassetteStore(path)

    assert with_one.summary().samples == 4
    assert [each.fingerprint[0] for each in read(path)[1]] == ["a", "b"]


class TestErrors:
    REFUSED = (answer("b", "429", created=1.25), answer("c", "500", created=1.0))

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "a.cassette"
        assert add_to_cassette(path, ANSWERS, self.REFUSED) == 6
        return path

    def test_they_stand_beside_the_answers_and_again_changes_nothing(self, path: Path) -> None:
        """Given errors of a question with answers and of one without, then both are kept."""
        other = path.with_name("b.cassette")
        for each in (path, other):
            add_to_cassette(each, answers_in(path), errors_in(path))

        assert texts(list(errors_in(other))) == [("b", "429"), ("c", "500")]
        assert other.read_bytes() == path.read_bytes()

    def test_those_that_are_there_come_in_the_order_of_their_arrival(self, path: Path) -> None:
        earlier, later = answer("b", "503", created=1.125), answer("b", "529", created=9.0)

        assert add_to_cassette(path, [], [later, earlier]) == 2

        assert [text for _, text in texts(list(errors_in(path)))] == ["503", "429", "529", "500"]
        assert len(list(answers_in(path))) == 4
