"""Runs, their members, and replicates of a namespace."""

from __future__ import annotations

from cachesaver.ports import Grant
from cachesaver.stores.processes import here
from cachesaver.stores.testing.parts import (
    Contract,
    F,
    a_run,
    a_sample,
    at_once,
    buy,
    dead_owner,
    draw,
    fill,
    indexes,
)

__all__ = ["Running"]


class Running(Contract):
    """Runs, their members, and replicates of a namespace."""

    def test_processes_of_a_run_are_numbered_as_they_join(self) -> None:
        store = self.store()

        numbers = [store.join("r", owner=name) for name in ("p", "q", "p", "r", "q")]

        assert numbers == [0, 1, 0, 2, 1]
        assert store.join("two", owner="q") == 0

    def test_processes_that_join_at_once_get_different_numbers(self) -> None:
        store = self.store()

        numbers = at_once(*[lambda o=name: store.join("r", owner=o) for name in "abcdefgh"])

        assert sorted(numbers) == list(range(8))

    def test_when_its_last_member_leaves_a_run_is_forgotten_but_not_by_its_namespace(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        store.enter("one", "m", owner=here())
        draw(store, a_run("one"), "a", "b", "c")

        store.leave("one", "m")
        grants = [draw(store, a_run("one"), name)[0] for name in "xcy"]

        assert indexes(grants) == [0, 2, 1]

    def test_a_run_is_forgotten_in_all_its_namespaces_and_replicates(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q")
        runs = [
            a_run("one", namespace=name, replicate=number)
            for name in ("n", "m")
            for number in (None, 0)
        ]
        store.enter("one", "m", owner=here())
        for run in runs:
            draw(store, run, "a")
        store.join("one", owner="p")

        store.leave("one", "m")

        assert [draw(store, run, "b")[0].index for run in runs] == [0, 0, 0, 0]
        assert store.join("one", owner="q") == 0

    def test_a_run_is_kept_while_a_member_lives(self) -> None:
        """Given a parent that ends before its child, then the child's draws are still its own."""
        store = self.store()
        store.enter("one", "parent", owner=here())
        store.enter("one", "child", owner=here())
        draw(store, a_run("one"), "a")

        store.leave("one", "parent")
        store.collect()
        child = draw(store, a_run("one"), "b")
        store.leave("one", "child")
        later = draw(store, a_run("one"), "c")

        assert indexes(child) == [1]
        assert indexes(later) == [0]

    def test_a_member_that_died_is_waited_for_by_nobody(self) -> None:
        store = self.store()
        store.enter("one", "dead", owner=dead_owner())
        store.enter("one", "m", owner=here())
        draw(store, a_run("one"), "a")

        store.leave("one", "m")

        assert indexes(draw(store, a_run("one"), "b")) == [0]

    def test_a_run_whose_members_all_died_is_collected(self) -> None:
        store = self.store()
        store.enter("one", "m", owner=here())
        draw(store, a_run("one"), "a")
        store.enter("one", "m", owner=dead_owner())

        store = self.reopen(store)
        store.collect()

        assert indexes(draw(store, a_run("one"), "b")) == [0]

    def test_a_member_that_cannot_be_seen_is_held_for_alive(self) -> None:
        """Given a process in another container, then its run is not forgotten in front of it."""
        boot, _, pid, start = here().split("/")
        store = self.store()
        store.enter("one", "far", owner=f"{boot}/pid:[1]/{pid}/{start}")
        store.enter("one", "m", owner=here())
        draw(store, a_run("one"), "a")

        store.leave("one", "m")
        store.collect()

        assert indexes(draw(store, a_run("one"), "b")) == [1]

    def test_a_lasting_run_outlives_a_gap_between_its_members(self) -> None:
        """Given tasks of a cluster's job, when one ends before the next starts, they share the run."""
        store = self.store()
        store.enter("job", "first", owner=here(), lasting=True)
        numbers = [store.join("job", owner="first")]
        draw(store, a_run("job"), "a")
        store.leave("job", "first")
        store.collect()
        store = self.reopen(store)

        store.enter("job", "second", owner=here(), lasting=True)
        numbers += [store.join("job", owner="second")]

        assert indexes(draw(store, a_run("job"), "b")) == [1]
        assert numbers == [0, 1]

    def test_who_enters_first_says_whether_a_run_lasts(self) -> None:
        store = self.store()
        for run, lasting in (("job", True), ("one", False)):
            store.enter(run, "first", owner=here(), lasting=lasting)
            store.enter(run, "child", owner=here(), lasting=not lasting)
            draw(store, a_run(run), "a")

        for run in ("job", "one"):
            store.leave(run, "first")
            store.leave(run, "child")

        assert [draw(store, a_run(run), run)[0].index for run in ("job", "one")] == [1, 0]

    def test_a_run_that_nobody_entered_is_not_forgotten_at_once(self) -> None:
        store = self.store()
        draw(store, a_run("one"), "a")

        store.leave("one", "nobody")
        store.collect()

        assert indexes(draw(store, a_run("one"), "b")) == [1]

    def test_leaving_a_run_leaves_others_alone(self) -> None:
        store = self.store()
        for run in ("one", "two"):
            store.enter(run, run, owner=here())
            draw(store, a_run(run), "a")

        store.leave("one", "one")
        store.collect()

        assert indexes(draw(store, a_run("two"), "b")) == [1]

    def test_what_flies_in_a_run_that_is_forgotten_is_not_lost(self) -> None:
        store = self.store()
        store.enter("one", "m", owner=here())
        (grant,) = draw(store, a_run("one"), "a")

        store.leave("one", "m")
        fill(store, grant, a_sample("a"))

        assert draw(store, a_run("two"), "a") == (Grant(index=0, sample=a_sample("a")),)

    def test_one_run_in_two_namespaces_draws_in_each_from_the_first_on(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="one"), "a")

        (grant,) = draw(store, a_run(namespace="two"), "a")

        assert grant.index == 0

    def test_what_one_replicate_drew_is_not_free_in_its_sister(self) -> None:
        store = self.store()
        buy(store, a_run("one", replicate=0), "a", "b")

        grants = draw(store, a_run("two", replicate=1), "a", "b")

        assert indexes(grants) == [2, 3]

    def test_what_one_replicate_drew_stays_its_own(self) -> None:
        store = self.store()
        store.enter("one", "m", owner=here())
        buy(store, a_run("one", replicate=0), "a", "b")
        buy(store, a_run("two", replicate=1), "a", "b")
        store.leave("one", "m")
        store = self.reopen(store)

        again = draw(store, a_run("three", replicate=0), "b", "a", "c")
        third = draw(store, a_run("four", replicate=2), "a")

        assert indexes(again) == [1, 0, 4]
        assert indexes(third) == [5]

    def test_what_a_replicate_failed_to_buy_is_free_in_its_sister(self) -> None:
        store = self.store()
        (failed,) = draw(store, a_run("one", replicate=0), "a")
        store.release(a_run("one", replicate=0), F, 0, failed.token)

        assert indexes(draw(store, a_run("two", replicate=1), "a")) == [0]

    def test_what_a_replicate_gave_back_is_the_next_a_sister_draws(self) -> None:
        """Given a sister that has drawn past it already."""
        store = self.store()
        (failed,) = draw(store, a_run("one", replicate=0), "a")
        draw(store, a_run("two", replicate=1), "a")
        store.release(a_run("one", replicate=0), F, failed.index, failed.token)

        grants = draw(store, a_run("two", replicate=1), "b", "c")

        assert indexes(grants) == [0, 2]

    def test_what_one_of_two_runs_of_a_replicate_gave_back_is_still_the_others(self) -> None:
        """Given two that want one sample, when the first fails and the second buys, it is not free."""
        store = self.store()
        (failed,) = draw(store, a_run("one", replicate=0), "a")
        draw(store, a_run("two", replicate=0), "a")
        store.release(a_run("one", replicate=0), F, 0, failed.token)
        fill(store, store.poll(F, 0, owner=here()), a_sample("a"))

        assert indexes(draw(store, a_run("three", replicate=1), "a")) == [1]

    def test_a_run_that_is_no_replicate_is_not_bound_by_them(self) -> None:
        store = self.store()
        buy(store, a_run("one", replicate=0), "a")

        assert indexes(draw(store, a_run("two"), "a")) == [0]
