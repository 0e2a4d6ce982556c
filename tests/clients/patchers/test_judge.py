"""What must hold with others about can fail: what was seen is spotless, then one thing of it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from patchers.company import PATCHERS
from patchers.judge import ALONE, ORDERS, Played, faults, sight, touched
from patchers.page import PAGE, Found, told
from patchers.probe import KINDS, STEPS, Seen

TRACED = ["POST status=200"]


def seen(
    theirs: str, kind: str, said: str, *, ours: bool = False, spans: Sequence[str] = ()
) -> Seen:
    return Seen(
        step=0,
        ours=ours,
        theirs=theirs,
        client="httpx",
        kind=kind,
        said=said,
        asked=int(ours and said != "mocked" and kind != "none of ours"),
        spans=list(spans),
    )


def alone(said: str = "live", spans: Sequence[str] = TRACED) -> Played:
    return Played(
        seen=[
            *(seen("before", kind, "live") for kind in KINDS),
            *(seen("there", kind, said, spans=spans) for kind in KINDS),
            *(seen("gone", kind, "live") for kind in KINDS),
        ],
        left=[],
        ours=[],
    )


HIT = seen("there", "hit", "stored", ours=True, spans=TRACED)
MISS = seen("there", "miss", "live", ours=True, spans=TRACED)
PASSING = seen("there", "none of ours", "live", ours=True, spans=TRACED)
LEFT = seen("gone", "hit", "live")
GOOD = Played(seen=[HIT, MISS, PASSING, LEFT], left=[], ours=[])


def test_what_is_right_has_no_fault() -> None:
    assert list(faults(GOOD, alone())) == []
    assert touched(alone()) == ("httpx",)
    assert sight("httpx", [GOOD], alone()) == "as a live call"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(HIT, said="live"), "httpx, hit, after step 1: live, not stored"),
        (replace(HIT, asked=0), "httpx, hit, after step 1: we were asked 0 times, not 1"),
        (replace(MISS, spans=[]), "httpx, miss, after step 1: they saw nothing, not POST"),
        (
            replace(MISS, spans=["POST status=500"]),
            "httpx, miss, after step 1: they saw status=500, not status=200",
        ),
        (
            replace(PASSING, asked=1),
            "httpx, none of ours, after step 1: we were asked 1 times, not 0",
        ),
        (
            replace(PASSING, said="OSError: x"),
            "httpx, none of ours, after step 1: OSError: x, not live",
        ),
        (replace(LEFT, said="stored"), "httpx, hit, after step 1: stored, not live"),
        (replace(LEFT, spans=TRACED), "httpx, hit, after step 1: they saw POST, not nothing"),
    ],
)
def test_a_call_that_is_not_what_it_has_to_be_is_told(wrong: Seen, said: str) -> None:
    assert list(faults(replace(GOOD, seen=[wrong]), alone())) == [said]


def test_what_is_left_behind_is_told() -> None:
    left = replace(GOOD, left=["httpx.Client.send"], ours=["httpx.Client.send"])

    assert list(faults(left, alone())) == [
        "left behind: httpx.Client.send",
        "of ours is left: httpx.Client.send",
    ]
    assert list(faults(replace(left, ours=[]), replace(alone(), left=left.left))) == []


def test_where_a_mock_answers_we_are_not_asked() -> None:
    mocked = alone("mocked", spans=[])
    right = seen("there", "hit", "mocked", ours=True)

    assert list(faults(Played(seen=[right], left=[], ours=[]), mocked)) == []
    assert sight("httpx", [Played(seen=[right], left=[], ours=[])], mocked) == "their answer"
    assert list(faults(Played(seen=[HIT], left=[], ours=[]), mocked)) != []


@pytest.mark.parametrize(
    ("spans", "sees"), [([], "nothing"), (["POST x=1"], "POST of POST"), (TRACED, "as a live call")]
)
def test_it_is_told_what_they_see_of_a_hit(spans: list[str], sees: str) -> None:
    hit = Played(seen=[replace(HIT, spans=spans)], left=[], ours=[])

    assert list(faults(hit, alone())) == []
    assert sight("httpx", [hit], alone()) == sees


def test_every_order_begins_and_ends_with_nobody() -> None:
    for steps in (ALONE, *ORDERS.values()):
        assert set(steps) <= set(STEPS)
        for come, leave in (("theirs come", "theirs leave"), ("ours come", "ours leave")):
            assert [step for step in steps if step in (come, leave)] == (
                [come, leave] * steps.count(come)
            )


def test_what_is_known_is_no_surprise_unless_it_holds() -> None:
    bad = replace(GOOD, seen=[replace(HIT, said="live")])
    found = Found(
        name="x", version="", known={"a": "why"}, alone=alone(), orders={"a": bad, "b": GOOD}
    )

    assert found.surprises() == {}
    assert told(found) == ["x : 1 of 2 orders hold"]
    assert replace(found, orders={"a": GOOD}).surprises() == {"a": ["it holds now"]}


@pytest.mark.source_tree
def test_the_page_has_everybody() -> None:
    page = PAGE.read_text("utf-8")

    assert [name for name in PATCHERS if f"| {name}" not in page] == []
