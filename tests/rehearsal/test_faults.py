"""Things that go wrong on demand: spelt, planned, spent."""

from __future__ import annotations

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.faults import NO_FAULT, Fault, Faults
from cachesaver.rehearsal.values import RejectedError


@pytest.mark.parametrize(
    ("spelling", "fault"),
    [
        ("429", Fault(status=429)),
        ("429; times=2; retry-after=0.5", Fault(status=429, times=2, retry_after=0.5)),
        ("cut-stream", Fault(kind="cut-stream")),
        ("error-event;after=3", Fault(kind="error-event", after=3)),
        ("slow-head;seconds=0.1", Fault(kind="slow-head", seconds=0.1)),
        ("hang;after=0", Fault(kind="hang", after=0)),
    ],
)
def test_spellings(spelling: str, fault: Fault) -> None:
    assert Fault.parse(spelling) == fault


@pytest.mark.parametrize(
    "spelling",
    ["", "explode", "200", "4290", "429;times", "429;often=2", "429;times=two", "hang;5"],
)
def test_what_is_no_fault_is_refused(spelling: str) -> None:
    with pytest.raises(RejectedError, match="is no fault"):
        Fault.parse(spelling)


@pytest.mark.parametrize(
    ("spelling", "pieces"),
    [
        ("429", None),
        ("cut-stream", 2),
        ("error-event;after=0", 0),
        ("hang", None),
        ("hang;after=1", 1),
    ],
)
def test_how_many_pieces_still_go_out(spelling: str, pieces: int | None) -> None:
    assert Fault.parse(spelling).pieces == pieces


def test_an_error_answer_says_when_to_try_again_where_providers_do() -> None:
    assert Fault(status=429).error().retry_after == 1.0
    assert Fault(status=429, retry_after=0.0).error().retry_after == 0.0
    assert Fault(status=400).error().retry_after is None
    assert Fault(kind="error-event").error(529).status == 529
    assert "418" in Fault(status=418).error().message


def strikes(faults: Faults, count: int, header: str | None = None, **where: str) -> list[int]:
    at = {"endpoint": "openai.chat", "question": "q", **where}
    return [
        faults.strike(header, endpoint=at["endpoint"], question=at["question"]).status
        for _ in range(count)
    ]


def test_a_header_hits_every_time_or_so_many_times_per_question() -> None:
    faults = Faults()

    assert strikes(faults, 3, "429") == [429, 429, 429]
    assert strikes(faults, 3, "500;times=2") == [500, 500, 0]
    assert strikes(faults, 1, "500;times=2", question="other") == [500]
    assert strikes(faults, 1) == [0]


def test_planned_faults_come_one_after_the_other_where_they_are_meant() -> None:
    faults = Faults()
    faults.plan("429;times=2", endpoint="openai.chat")
    faults.plan("500;times=1")

    assert strikes(faults, 1, endpoint="anthropic.messages") == [500]
    assert strikes(faults, 4) == [429, 429, 0, 0]


def test_a_reset_forgets_plans_and_counts() -> None:
    faults = Faults()
    faults.plan("429")
    strikes(faults, 1, "500;times=1")

    faults.reset()

    assert faults.strike(None, endpoint="e", question="q") is NO_FAULT
    assert strikes(faults, 1, "500;times=1") == [500]


def test_an_overloaded_provider_refuses_its_share_by_seed() -> None:
    def refused(seed: int) -> list[int]:
        faults = Faults(seed=seed, overload=0.3)
        return [
            faults.strike(None, endpoint="e", question="q", overloaded=529).status
            for _ in range(200)
        ]

    assert refused(1) == refused(1) != refused(2)
    assert set(refused(1)) == {0, 529}
    assert 40 < refused(1).count(529) < 80


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ConfigurationError, match="is no share"):
        Faults(overload=share)


def test_who_asks_for_many_is_refused_or_given_few() -> None:
    refusing, giving = Fault.parse("refuse-many;most=2"), Fault.parse("few")

    assert refusing.granted(2) == 2
    with pytest.raises(RejectedError, match="gives 2 at a time, not 3"):
        refusing.granted(3)
    assert [giving.granted(count) for count in (1, 5)] == [1, 1]
    assert NO_FAULT.granted(5) == 5
