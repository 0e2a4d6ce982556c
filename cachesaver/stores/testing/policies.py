"""What each policy gives, reserves and leads."""

from __future__ import annotations

from cachesaver.ports import Grant, Policy
from cachesaver.stores.testing.parts import (
    Contract,
    F,
    a_run,
    a_sample,
    buy,
    dead_owner,
    draw,
    fill,
    indexes,
)

__all__ = ["Policies"]


class Policies(Contract):
    """What each policy gives, reserves and leads."""

    def test_reading_gives_what_is_stored_and_says_what_is_missing(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")

        grants = draw(store, a_run("two", namespace="other"), "x", "y", policy=Policy.READ)

        assert grants == (Grant(index=0, sample=a_sample("a")), Grant(index=-1))

    def test_reading_reserves_nothing(self) -> None:
        store = self.store()
        draw(store, a_run("reader"), "a", "b", policy=Policy.READ)

        (grant,) = draw(store, a_run("buyer"), "a")

        assert grant.index == 0
        assert grant.token

    def test_what_reading_missed_is_found_once_it_is_stored(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")
        draw(store, a_run("reader"), "a", "b", policy=Policy.READ)
        buy(store, a_run(), "b")

        grants = draw(store, a_run("reader"), "b", "c", policy=Policy.READ)

        assert indexes(grants) == [1, -1]

    def test_reading_passes_over_an_empty_slot(self) -> None:
        store = self.store()
        early, later = draw(store, a_run(), "a", "b")
        fill(store, later, a_sample("b"))
        store.release(a_run(), F, early.index, early.token)

        grants = draw(store, a_run("two"), "x", "y", policy=Policy.READ)

        assert grants == (Grant(index=1, sample=a_sample("b")), Grant(index=-1))

    def test_reading_gives_an_empty_slot_to_none_of_those_who_held_it(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")
        draw(store, a_run(), "b", owner=dead_owner())

        same = draw(store, a_run(), "b", policy=Policy.READ)
        later = draw(store, a_run("two"), "b", policy=Policy.READ)

        assert same == (Grant(index=-1),)
        assert later == (Grant(index=0, sample=a_sample("a")),)

    def test_reading_never_leads(self) -> None:
        store = self.store()
        draw(store, a_run(), "a")

        (grant,) = draw(store, a_run("two", namespace="other"), "x", policy=Policy.READ)

        assert (grant.token, grant.sample) == ("", None)

    def test_fresh_leads_a_new_index_for_every_draw(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")
        draw(store, a_run(), "c")  # in flight

        grants = draw(store, a_run("two"), "a", "b", policy=Policy.FRESH)

        assert indexes(grants) == [3, 4]
        assert all(grant.token for grant in grants)

    def test_fresh_keeps_the_index_of_a_draw_in_its_run(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")
        (fresh,) = draw(store, a_run("two"), "a", policy=Policy.FRESH)
        fill(store, fresh, a_sample("a", b"newer"))

        again = draw(store, a_run("two"), "a", policy=Policy.FRESH)

        assert again == (Grant(index=1, sample=a_sample("a", b"newer")),)

    def test_fresh_is_what_is_remembered(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")
        (fresh,) = draw(store, a_run("two"), "a", policy=Policy.FRESH)
        fill(store, fresh, a_sample("a", b"newer"))

        later = draw(store, a_run("three"), "a")
        elsewhere = draw(store, a_run("four", namespace="other"), "a")

        assert indexes(later) == [1]
        assert indexes(elsewhere) == [1]

    def test_fresh_gives_no_index_twice_after_a_failure(self) -> None:
        store = self.store()
        failed, kept = draw(store, a_run(), "a", "b", policy=Policy.FRESH)
        store.release(a_run(), F, failed.index, failed.token)

        (other,) = draw(store, a_run(), "c", policy=Policy.FRESH)
        (again,) = draw(store, a_run(), "a", policy=Policy.FRESH)

        assert (kept.index, other.index, again.index) == (1, 2, 0)

    def test_stored_gives_what_reserving_would_give(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")
        draw(store, a_run(), "c")  # in flight
        other = a_run("two", namespace="other")

        grants = draw(store, other, "b", "x", "y", "z", policy=Policy.STORED)

        assert grants == (
            Grant(index=1, sample=a_sample("b")),
            Grant(index=0, sample=a_sample("a")),
            Grant(index=2),
            Grant(index=-1),
        )
        assert indexes(draw(store, other, "y", "x", "z")) == [2, 0, 3]

    def test_recalling_gives_what_is_known_of_a_draw_and_nothing_else(self) -> None:
        """Given stored samples, then a draw of which nothing is known takes none of them."""
        store = self.store()
        buy(store, a_run(), "a", "b")
        other = a_run("other", namespace="other")

        known = draw(store, other, "x", "b", policy=Policy.RECALL)
        then = draw(store, other, "x", policy=Policy.RESERVE)

        assert [(grant.index, grant.sample is not None) for grant in known] == [
            (-1, False),
            (1, True),
        ]
        assert indexes(then) == [0]

    def test_recalling_reserves_nothing(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")
        store.release(a_run(), F, grant.index, grant.token)

        assert indexes(draw(store, a_run(), "a", policy=Policy.RECALL)) == [-1]
        assert indexes(draw(store, a_run(), "b")) == [0]

    def test_stored_changes_nothing_where_reserving_would_reserve(self) -> None:
        """Given a hole below a sample, then it is not passed over, nor taken, nor remembered."""
        store = self.store()
        early, later = draw(store, a_run(), "a", "b")
        fill(store, later, a_sample("b"))
        store.release(a_run(), F, early.index, early.token)
        other = a_run("two", namespace="other")

        missing = draw(store, other, "x", "y", policy=Policy.STORED)
        grants = draw(store, other, "y", "x")

        assert missing == (Grant(index=-1), Grant(index=-1))
        assert [(grant.index, bool(grant.token)) for grant in grants] == [(0, True), (1, False)]

    def test_who_may_not_wait_gets_what_is_stored_past_what_flies(self) -> None:
        store = self.store()
        _, later, _ = draw(store, a_run(), "a", "b", "c")
        fill(store, later, a_sample("b"))
        other = a_run("two", namespace="other")

        grants = draw(store, other, "x", "y", policy=Policy.APART)

        assert grants[0] == Grant(index=1, sample=a_sample("b"))
        assert (grants[1].index, bool(grants[1].token)) == (3, True)

    def test_who_may_not_wait_gets_its_own_if_that_is_stored(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b", "c")

        bought = draw(store, a_run("two", namespace="other"), "b", policy=Policy.APART)
        draw(store, a_run("three"), "b", "x")
        held = draw(store, a_run("three"), "x", "b", policy=Policy.APART)

        assert indexes(bought) == [1]
        assert indexes(held) == [0, 1]

    def test_a_draw_that_moved_leaves_its_index_free(self) -> None:
        store = self.store()
        draw(store, a_run(namespace="buyer"), "p")  # in flight
        (waiting,) = draw(store, a_run(), "a")

        (moved,) = draw(store, a_run(), "a", policy=Policy.APART)
        fill(store, moved, a_sample("a"))

        assert (waiting.index, moved.index) == (0, 1)
        assert draw(store, a_run(), "a", "b") == (
            Grant(index=1, sample=a_sample("a")),
            Grant(index=0),
        )

    def test_the_namespace_remembers_where_a_draw_moved_to(self) -> None:
        store = self.store()
        draw(store, a_run(namespace="buyer"), "p")  # in flight
        draw(store, a_run(), "a")
        (moved,) = draw(store, a_run(), "a", policy=Policy.APART)
        fill(store, moved, a_sample("p"))

        assert indexes(draw(self.reopen(store), a_run("two"), "x", "a")) == [0, 1]

    def test_what_a_draw_moved_from_is_free_in_a_sister_replicate(self) -> None:
        store = self.store()
        draw(store, a_run(namespace="buyer"), "p")  # in flight
        draw(store, a_run("one", replicate=0), "a")
        draw(store, a_run("one", replicate=0), "a", policy=Policy.APART)

        assert indexes(draw(store, a_run("two", replicate=1), "x", "y")) == [0, 2]

    def test_what_failed_after_a_move_is_not_what_the_namespace_gave(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q")
        draw(store, a_run("one"), "a", "b", "c", owner=dead_owner())  # "c" was given 2
        draw(store, a_run(namespace="flying"), "x", "y", "z")
        draw(store, a_run("two"), "c")
        (moved,) = draw(store, a_run("two"), "c", policy=Policy.APART)
        assert moved.sample is not None

        later = draw(store, a_run("three"), "x", "c")

        assert indexes(later) == [1, 0]

    def test_draws_that_are_known_are_served_before_those_that_are_new(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q", "r")
        draw(store, a_run("one"), "a", "b")

        grants = draw(store, a_run("two"), "new", "b", "newer", "a")
        fresh = draw(store, a_run("three", namespace="fresh"), "x", "r", "y", "p")

        assert indexes(grants) == [2, 1, 3, 0]
        assert indexes(fresh) == [1, 2, 3, 0]

    def test_what_a_run_holds_goes_before_what_was_bought(self) -> None:
        """Given a draw that failed and one that another's index was bought for, both at once."""
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p")
        draw(store, a_run("one"), "a")

        grants = draw(store, a_run("two"), "p", "a")

        assert indexes(grants) == [1, 0]
