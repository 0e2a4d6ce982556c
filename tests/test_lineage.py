"""Draw ids name draws by the questions on the way to them."""

from __future__ import annotations

import threading

from cachesaver.lineage import Drawn, Node, draw, root


def ids(node: Node, fingerprint: str, count: int = 1, explicit: str = "") -> tuple[str, ...]:
    return draw(node, fingerprint, count, explicit=explicit).ids


def test_the_same_program_draws_the_same_ids() -> None:
    def program() -> list[tuple[str, ...]]:
        top = root("0")
        first, second = top.child("q"), top.child("q")
        return [ids(top, "q"), ids(first, "q"), ids(second, "q"), ids(first, "p", 3), ids(top, "q")]

    assert program() == program()
    assert len({each for drawn in program() for each in drawn}) == 7


def test_other_questions_do_not_disturb() -> None:
    """Given siblings, when one asks something else first, then the other's ids stay."""
    quiet, busy = root("0"), root("0")
    busy.child("else")
    ids(busy, "else", 5)

    assert ids(quiet.child("q"), "q") == ids(busy.child("q"), "q")
    assert ids(quiet, "q") == ids(busy, "q")


def test_a_draw_given_back_is_the_next_one_again() -> None:
    node = root("0")
    first = draw(node, "q", 2)
    ids(node, "q")

    first.give_back()
    first.give_back()

    assert ids(node, "q", 2) == first.ids
    assert ids(node, "q") not in [(each,) for each in first.ids]


def test_an_explicit_id_means_the_same_wherever_it_is_used() -> None:
    one, other = root("0"), root("0")
    ids(other, "q", 9)

    assert ids(one, "q", explicit="agent-3") == ids(other, "q", explicit="agent-3")
    assert ids(one, "q", explicit="agent-3") != ids(root("0"), "q", explicit="agent-3")
    assert ids(one, "q", explicit="agent-3") != ids(one, "q", explicit="agent-4")


def test_parts_of_an_id_cannot_run_into_each_other() -> None:
    node = root("0")

    assert ids(node, "c", explicit="a\0b") != ids(root("0"), "b\0c", explicit="a")


def test_processes_have_other_ids() -> None:
    assert ids(root("0"), "q") != ids(root("1"), "q")


def test_threads_never_share_an_ordinal() -> None:
    node, seen = root("0"), list[str]()

    def ask() -> None:
        for _ in range(200):
            seen.extend(ids(node, "q"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(seen)) == 1600


class Taker:
    """A task, as far as this module is concerned."""

    ended = False

    def done(self) -> bool:
        return self.ended


def taken(node: Node, taker: Taker) -> Drawn:
    return draw(node, "q", 1, explicit="agent", taker=taker)


class TestWhoGetsWhatWasGivenBack:
    """Given tasks that share an explicit id, when a call of one fails and it tries again."""

    def test_it_is_the_same_draw_though_another_task_drew_in_between(self) -> None:
        node, failing, other = root("0"), Taker(), Taker()
        failed = taken(node, failing)

        failed.give_back()
        between = taken(node, other)

        assert taken(node, failing).ids == failed.ids != between.ids

    def test_another_task_gets_it_when_that_one_has_ended(self) -> None:
        node, failing = root("0"), Taker()
        failed = taken(node, failing)

        failed.give_back()
        failing.ended = True

        assert taken(node, Taker()).ids == failed.ids

    def test_another_task_gets_it_when_that_one_is_gone(self) -> None:
        node, failing = root("0"), Taker()
        failed = taken(node, failing)

        failed.give_back()
        del failing

        assert taken(node, Taker()).ids == failed.ids
