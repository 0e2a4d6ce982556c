"""What has one answer, and no draws: who leads it, who finds it."""

from __future__ import annotations

from functools import partial

from cachesaver.stores.processes import here
from cachesaver.stores.testing.parts import (
    Contract,
    F,
    G,
    a_run,
    a_sample,
    at_once,
    dead_owner,
    draw,
    fill,
    indexes,
)

__all__ = ["Looking"]


class Looking(Contract):
    """What has one answer, and no draws: who leads it, who finds it."""

    def test_what_is_looked_for_is_led_once_and_found_by_everybody(self) -> None:
        store = self.store()

        first = store.look([G, F], owner=here(), leads=True)
        then = store.look([F], owner=here(), leads=True)
        kept = fill(store, first[1], a_sample("a"))
        found = store.look([F, G], owner=here(), leads=True)

        assert [bool(grant.token) for grant in (*first, *then)] == [True, True, False]
        assert [(grant.index, grant.sample) for grant in found] == [(0, kept), (0, None)]
        assert [grant.token for grant in found] == ["", ""]

    def test_who_may_not_lead_is_told_that_it_is_missing(self) -> None:
        store = self.store()

        missing = store.look([F, G], owner=here(), leads=False)
        (led,) = store.look([F], owner=here(), leads=True)
        (flying,) = store.look([F], owner=here(), leads=False)
        fill(store, led, a_sample("a"))
        (found,) = store.look([F], owner=here(), leads=False)

        assert indexes(missing) == [-1, -1]
        assert (flying.index, flying.token) == (-1, "")
        assert found.sample == a_sample("a")

    def test_what_was_looked_for_is_led_by_the_next_when_it_is_given_up(self) -> None:
        store = self.store()
        (lost,) = store.look([F], owner=dead_owner(), leads=True)
        (taken,) = store.look([F], owner=here(), leads=True)

        store.release(a_run(), F, 0, lost.token, keeps=True)  # outdated: without effect
        (waiting,) = store.look([F], owner=here(), leads=True)
        store.release(a_run(), F, 0, taken.token, keeps=True)
        (again,) = store.look([F], owner=here(), leads=True)

        assert lost.token != taken.token != again.token
        assert (waiting.index, waiting.token) == (0, "")
        assert again.token

    def test_what_is_looked_for_is_no_draw_of_any_run(self) -> None:
        store = self.store()
        (led,) = store.look([F], owner=here(), leads=True)
        fill(store, led, a_sample("a"))
        store.look([F], owner=here(), leads=True)

        assert indexes(draw(store, a_run(), "x", "y")) == [0, 1]

    def test_one_of_many_threads_leads_what_all_look_for(self) -> None:
        store = self.store()
        many = [f"{number:064x}" for number in range(300)]

        seen = at_once(*[partial(store.look, many, owner=here(), leads=True)] * 4)

        assert [sum(bool(each[place].token) for each in seen) for place in range(300)] == [1] * 300
