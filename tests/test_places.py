"""Who was started by whom: names that depend on the order of starting alone."""

from __future__ import annotations

from weakref import ref

import pytest

from cachesaver.contexts import Family
from cachesaver.places import Kin, Place, epoch


@pytest.fixture(autouse=True)
def of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch, "now", "run of test_places")


def root() -> Place:
    return Place(parent=None, label="main", is_ordered=True)


def names(*places: Place, question: str = "q") -> list[str]:
    family = Family("0")
    return [place.asking(family, question).id for place in places]


def test_siblings_are_numbered_by_label_in_the_order_of_their_start() -> None:
    above = root()

    a, b, other = (above.born(label, scope=None, is_ordered=True) for label in ("x", "x", "y"))

    assert (a.number, b.number, other.number) == (0, 1, 0)
    assert len(set(names(a, b, other))) == 3


def test_who_asks_first_changes_no_name() -> None:
    one, two = root(), root()
    first = [one.born("x", scope=None, is_ordered=True) for _ in range(3)]
    second = [two.born("x", scope=None, is_ordered=True) for _ in range(3)]

    forwards = names(*first)
    backwards = names(*reversed(second))

    assert forwards == list(reversed(backwards))


def test_each_namespace_counts_for_itself() -> None:
    above = root()

    numbers = [above.born("x", scope=scope, is_ordered=True).number for scope in ("a", "b", "a")]

    assert numbers == [0, 0, 1]


def test_of_what_led_to_the_base_of_a_run_no_name_is_made() -> None:
    """Given two places that were reached in other ways, as bases they and what is below are alike."""
    near = Place(parent=None, label="task")
    far = root().born("x", scope=None, is_ordered=True).below("y", since=frozenset())
    found = list[list[str]]()
    for base in (near, far):
        family = Kin("0", base=ref(base))
        below = base.born("z", scope=None, is_ordered=True)
        deeper = below.below("w", since=frozenset())
        found.append([each.asking(family, "q").id for each in (deeper, base, below)])
        stranger = Place(parent=None, label="task").asking(family, "q").id
        assert stranger not in found[-1]

    assert found[0] == found[1]
    assert len(set(found[0])) == 3


def test_what_was_started_earlier_is_older() -> None:
    above = root()

    first, second = (above.born("x", scope=None, is_ordered=True) for _ in range(2))

    assert first.age < second.age


def test_a_job_of_another_process_is_called_as_it_was_told() -> None:
    told = Place(parent=None, label="job", fixed="0" * 32)
    again = Place(parent=None, label="job", fixed="0" * 32)

    assert names(told.item(1)) == names(again.item(1))
    assert names(told.item(1)) != names(told.item(2))
