"""Who buys: leases, how they end, and what becomes of a draw that failed."""

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

__all__ = ["Leasing"]


class Leasing(Contract):
    """Who buys: leases, how they end, and what becomes of a draw that failed."""

    def test_a_lease_of_a_dead_owner_is_free_at_once(self) -> None:
        store = self.store()
        draw(store, a_run(), "a", owner=dead_owner())

        (grant,) = draw(store, a_run("two", namespace="other"), "x")

        assert grant.index == 0
        assert grant.token

    def test_a_draw_whose_leader_died_leads_its_index_again(self) -> None:
        store = self.store()
        draw(store, a_run(), "a", "b", owner=dead_owner())

        (grant,) = draw(store, a_run(), "b")

        assert grant.index == 1
        assert grant.token

    def test_a_poll_of_a_stored_slot_hits(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")

        grant = store.poll(F, 0, owner=here())

        assert grant == Grant(index=0, sample=a_sample("a"))

    def test_a_poll_of_a_slot_in_flight_waits(self) -> None:
        store = self.store()
        draw(store, a_run(), "a")

        assert store.poll(F, 0, owner=here()) == Grant(index=0)

    def test_a_poll_of_a_released_slot_leads_and_only_one_does(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")
        store.release(a_run(), F, 0, grant.token)

        grants = at_once(*[lambda: store.poll(F, 0, owner=here())] * 8)

        assert sorted(bool(grant.token) for grant in grants) == [False] * 7 + [True]

    def test_a_poll_takes_over_from_a_dead_leader(self) -> None:
        store = self.store()
        (dead,) = draw(store, a_run(), "a", owner=dead_owner())

        grant = store.poll(F, 0, owner=here())

        assert grant.token not in {"", dead.token}

    def test_a_lease_is_renewed_by_its_token_only(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")

        assert store.renew(F, 0, grant.token)
        assert not store.renew(F, 0, "0" * 32)
        assert not store.renew(F, 1, grant.token)

    def test_a_lease_that_was_released_filled_or_taken_over_is_not_renewed(self) -> None:
        store = self.store()
        released, filled = draw(store, a_run(), "a", "b")
        (taken,) = draw(store, a_run(), "c", owner=dead_owner())
        store.release(a_run(), F, released.index, released.token)
        fill(store, filled, a_sample("b"))
        store.poll(F, taken.index, owner=here())

        renewed = [store.renew(F, grant.index, grant.token) for grant in (released, filled, taken)]

        assert renewed == [False, False, False]

    def test_a_released_slot_is_led_by_the_next_draw_of_any_run(self) -> None:
        store = self.store()
        lost, kept = draw(store, a_run(), "a", "b")
        store.release(a_run(), F, lost.index, lost.token)

        (same,) = draw(store, a_run(), "c")
        (other,) = draw(store, a_run("two", namespace="other"), "x")

        assert (same.index, bool(same.token)) == (0, True)
        assert other == Grant(index=0)
        assert kept.index == 1

    def test_a_draw_that_failed_leads_its_index_again(self) -> None:
        store = self.store()
        grants = draw(store, a_run(), "a", "b", "c")
        for grant in grants:
            store.release(a_run(), F, grant.index, grant.token)

        again = draw(store, a_run(), "c", "a", "b")

        assert indexes(again) == [2, 0, 1]
        assert all(grant.token for grant in again)

    def test_a_draw_that_failed_gets_another_index_if_its_own_was_taken(self) -> None:
        store = self.store()
        (failed,) = draw(store, a_run(), "a")
        store.release(a_run(), F, failed.index, failed.token)
        draw(store, a_run(), "b")

        (again,) = draw(store, a_run(), "a")

        assert again.index == 1

    def test_a_draw_keeps_its_index_when_only_the_lease_is_released(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")

        store.release(a_run(), F, 0, grant.token, keeps=True)
        other = draw(store, a_run(), "b")
        (again,) = draw(store, a_run("two", namespace="other"), "x")
        later = draw(store, a_run("three"), "b", "a")

        assert indexes(other) == [1]
        assert (again.index, bool(again.token)) == (0, True)
        assert indexes(later) == [1, 0]

    def test_only_its_token_ends_a_lease_that_is_kept(self) -> None:
        store = self.store()
        draw(store, a_run(), "a")

        store.release(a_run(), F, 0, "0" * 32, keeps=True)

        assert store.poll(F, 0, owner=here()) == Grant(index=0)

    def test_a_draw_that_took_its_index_again_has_it(self) -> None:
        """Given a draw that failed, when it leads again, then the next draw gets another index."""
        store = self.store()
        (failed,) = draw(store, a_run(), "a")
        store.release(a_run(), F, failed.index, failed.token)

        again = draw(store, a_run(), "a")
        then = draw(store, a_run(), "b")

        assert (indexes(again), indexes(then)) == ([0], [1])

    def test_what_failed_is_not_what_the_namespace_gave(self) -> None:
        store = self.store()
        buy(store, a_run(namespace="buyer"), "p", "q")
        draw(store, a_run("one"), "d", "e")
        draw(store, a_run("two"), "y", "z")
        (failed,) = draw(store, a_run("two"), "e")
        store.release(a_run("two"), F, failed.index, failed.token)

        (grant,) = draw(store, a_run("three"), "e")

        assert failed.index == 2
        assert grant.index == 1

    def test_many_failures_leave_the_lowest_free(self) -> None:
        store = self.store()
        grants = draw(store, a_run(), *"abcdefgh")
        for number in (5, 2, 6):
            store.release(a_run(), F, number, grants[number].token)

        again = draw(store, a_run(), *"uvwxyz")

        assert indexes(again) == [2, 5, 6, 8, 9, 10]

    def test_only_its_token_releases_a_lease(self) -> None:
        store = self.store()
        draw(store, a_run(), "a")

        store.release(a_run(), F, 0, "0" * 32)

        assert store.poll(F, 0, owner=here()) == Grant(index=0)

    def test_a_release_after_the_fill_changes_nothing(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")
        fill(store, grant, a_sample("a"))

        store.release(a_run(), F, 0, grant.token)

        assert draw(store, a_run(), "b")[0].index == 1
        assert store.poll(F, 0, owner=here()).sample == a_sample("a")

    def test_who_took_over_may_release_too(self) -> None:
        store = self.store()
        draw(store, a_run(), "a", owner=dead_owner())
        grant = store.poll(F, 0, owner=here())

        store.release(a_run(), F, 0, grant.token)

        assert draw(store, a_run(), "b")[0].index == 0
