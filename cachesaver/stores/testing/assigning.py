"""Which index a draw gets, and what is remembered of that."""

from __future__ import annotations

from cachesaver.ports import Grant, Policy
from cachesaver.stores.testing.parts import (
    Contract,
    F,
    G,
    a_run,
    a_sample,
    buy,
    dead_owner,
    draw,
    fill,
    indexes,
)

__all__ = ["Assigning"]


class Assigning(Contract):
    """Which index a draw gets, and what is remembered of that."""

    def test_the_draws_of_a_run_get_the_indexes_in_their_order(self) -> None:
        store = self.store()

        first = draw(store, a_run(), "a", "b")
        then = draw(store, a_run(), "c")

        assert indexes(first + then) == [0, 1, 2]

    def test_a_draw_for_a_missing_sample_leads_with_a_token_of_its_own(self) -> None:
        store = self.store()

        grants = draw(store, a_run(), "a", "b")

        assert len({grant.token for grant in grants} - {""}) == 2
        assert [grant.sample for grant in grants] == [None, None]

    def test_a_draw_keeps_its_index_in_its_run(self) -> None:
        store = self.store()
        draw(store, a_run(), "a", "b")

        again = draw(store, a_run(), "b", "a", "b")

        assert again == (Grant(index=1), Grant(index=0), Grant(index=1))

    def test_a_draw_keeps_its_index_once_it_is_stored(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")

        again = draw(store, a_run(), "b", "c")

        assert again[0] == Grant(index=1, sample=a_sample("b"))
        assert again[1].index == 2

    def test_two_fingerprints_have_indexes_of_their_own(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")

        (other,) = draw(store, a_run(), "a", fingerprint=G)

        assert other.index == 0
        assert other.token

    def test_another_namespace_gets_the_stored_samples_from_the_first_on(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")

        hits = draw(store, a_run("two", namespace="other"), "x", "y")

        assert hits == (
            Grant(index=0, sample=a_sample("a")),
            Grant(index=1, sample=a_sample("b")),
        )

    def test_a_slot_in_flight_is_waited_for_though_a_later_one_is_stored(self) -> None:
        """Else the answers that come first, the short ones, would head every pool."""
        store = self.store()
        _, later = draw(store, a_run(), "a", "b")
        fill(store, later, a_sample("b"))

        grants = draw(store, a_run("two", namespace="other"), "x", "y")

        assert grants == (Grant(index=0), Grant(index=1, sample=a_sample("b")))

    def test_an_empty_slot_is_led_though_a_later_one_is_stored(self) -> None:
        store = self.store()
        early, later = draw(store, a_run(), "a", "b")
        fill(store, later, a_sample("b"))
        store.release(a_run(), F, early.index, early.token)

        (grant,) = draw(store, a_run("two", namespace="other"), "x")

        assert grant.index == 0
        assert grant.token

    def test_a_namespace_gives_a_draw_what_it_gave_it_last_time(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        draw(store, a_run("one"), "a", "b", "c")

        again = draw(store, a_run("two"), "c", "a", "b")

        assert indexes(again) == [2, 0, 1]

    def test_a_namespace_remembers_after_the_store_is_opened_again(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        draw(store, a_run("one"), "a", "b", "c")

        again = draw(self.reopen(store), a_run("two"), "c", "a", "b")

        assert indexes(again) == [2, 0, 1]

    def test_a_namespace_remembers_what_was_not_bought_when_its_run_died(self) -> None:
        """Given draws in flight at a crash, when it runs again, then none takes another's."""
        store = self.store()
        draw(store, a_run("one"), "a", "b", "c", owner=dead_owner())

        again = draw(store, a_run("two"), "c", "a", "b")

        assert indexes(again) == [2, 0, 1]
        assert all(grant.token for grant in again)

    def test_a_fresh_namespace_gets_what_was_bought_for_its_draws(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b", "c")

        grants = draw(store, a_run("two", namespace="fresh"), "c", "b", "a")

        assert indexes(grants) == [2, 1, 0]

    def test_a_fresh_namespace_gets_what_its_draws_were_given_last(self) -> None:
        """Given draws that were served what was bought for others, then not as they arrive."""
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        for name in "abc":
            draw(store, a_run("one"), name)

        other = a_run("two", namespace="fresh")
        grants = [draw(store, other, name)[0] for name in "cab"]

        assert indexes(grants) == [2, 0, 1]

    def test_what_was_given_last_is_known_after_the_store_is_opened_again(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        draw(store, a_run("one"), "a", "b", "c")

        again = draw(self.reopen(store), a_run("two", namespace="fresh"), "c")

        assert indexes(again) == [2]

    def test_what_was_given_last_goes_before_what_was_bought(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "a", "b", "c")
        draw(store, a_run("one"), "x")  # takes the lowest, which was bought for "a"
        draw(store, a_run("one"), "a")

        (grant,) = draw(store, a_run("two", namespace="fresh"), "a")

        assert grant.index == 1

    def test_memory_goes_before_what_was_given_elsewhere(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        draw(store, a_run("one"), "a", "b")
        draw(store, a_run("two", namespace="other"), "x", "y")
        draw(store, a_run("two", namespace="other"), "b")  # 1 is taken there, so it is given 2
        draw(store, a_run("three", namespace="other"), "b")

        (elsewhere,) = draw(store, a_run("four", namespace="fresh"), "b")
        (grant,) = draw(store, a_run("five"), "b")

        assert (elsewhere.index, grant.index) == (2, 1)

    def test_what_failed_elsewhere_was_not_given(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q")
        draw(store, a_run("one"), "d", "e")
        draw(store, a_run("two", namespace="other"), "y", "z")
        (failed,) = draw(store, a_run("two", namespace="other"), "e")
        store.release(a_run("two", namespace="other"), F, failed.index, failed.token)

        (grant,) = draw(store, a_run("three", namespace="fresh"), "e")

        assert failed.index == 2
        assert grant.index == 1

    def test_a_failure_leaves_what_was_given_since_alone(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        others = [a_run(name, namespace=name) for name in ("a", "b")]
        draw(store, others[0], "1", "2", "3")
        (failed,) = draw(store, others[0], "d")
        draw(store, others[1], "1", "2")
        draw(store, others[1], "d", policy=Policy.APART)  # what is in flight is passed over
        store.release(others[0], F, failed.index, failed.token)

        (grant,) = draw(store, a_run("c", namespace="fresh"), "d")

        assert failed.index == 3
        assert grant.index == 2

    def test_a_replicate_is_given_what_runs_of_its_number_were(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        draw(store, a_run("zero", replicate=0), "a", "b")
        draw(store, a_run("one", replicate=1), "a")

        fresh = [a_run(namespace="fresh", replicate=number) for number in (1, 0)]
        grants = [draw(store, run, "a")[0] for run in fresh]

        assert indexes(grants) == [2, 0]

    def test_a_fresh_replicate_gets_what_was_bought_for_its_draws(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b", "c")

        grants = draw(store, a_run("two", replicate=0), "c", "b", "a")

        assert indexes(grants) == [2, 1, 0]

    def test_memory_goes_before_what_was_bought_for_a_draw(self) -> None:
        store = self.store()
        buy(store, a_run("buyer", namespace="buyer"), "a", "b", "c")
        draw(store, a_run("one"), "x")  # takes the lowest, which was bought for "a"
        draw(store, a_run("one"), "a")

        (grant,) = draw(store, a_run("two"), "a")

        assert grant.index == 1

    def test_an_index_that_is_taken_is_not_given_for_memory_or_purchase(self) -> None:
        store = self.store()
        buy(store, a_run("one"), "a", "b")

        draw(store, a_run("two"), "x")
        grants = draw(store, a_run("two"), "a", "b", "c")

        assert indexes(grants) == [1, 2, 3]
