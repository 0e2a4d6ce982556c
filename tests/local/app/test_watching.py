from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cachesaver.local.app.watching import Watching


def decode(ids: Sequence[int]) -> str:
    return "".join(WORDS[each] for each in ids)


WORDS = ["a ", "<ca", "ll>", "ll>{", "b", "<", "call>"]


class Inner:
    """Ends at the second token."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.heard: list[int] = []

    def allowed(self) -> Any:
        return "mask"

    def accept(self, token: int) -> bool:
        self.heard.append(token)
        return len(self.heard) == 2


def watching() -> tuple[Watching, list[Inner]]:
    begun: list[Inner] = []

    def begin(behind: str) -> Inner:
        begun.append(Inner(behind))
        return begun[-1]

    return Watching("<call>", decode, begin), begun


def test_before_the_mark_anything_may_be_said() -> None:
    guide, begun = watching()

    assert [guide.accept(each) for each in (0, 1, 4, 0)] == [False] * 4
    assert guide.allowed() is None
    assert begun == []


def test_behind_the_mark_the_other_guide_leads_to_its_end() -> None:
    guide, begun = watching()

    for each in (0, 1, 2):
        guide.accept(each)
    assert guide.allowed() == "mask"
    assert not guide.accept(4)
    assert not guide.accept(5)

    assert guide.allowed() is None
    assert [(each.behind, each.heard) for each in begun] == [("", [4, 5])]


def test_it_is_told_what_the_marks_last_token_said_behind_it() -> None:
    guide, begun = watching()

    guide.accept(1)
    guide.accept(3)

    assert [each.behind for each in begun] == ["{"]


def test_it_begins_again_with_each_mark() -> None:
    """Given two calls, then each has a guide; the end of the first is no part of the second mark."""
    guide, begun = watching()

    for each in (1, 2, 4, 5, 6, 0, 5, 6):
        guide.accept(each)

    assert len(begun) == 2
