"""What a fill keeps, and which of several wins."""

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
)

__all__ = ["Filling"]


class Filling(Contract):
    """What a fill keeps, and which of several wins."""

    def test_a_fill_gives_what_the_slot_holds(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")

        kept = fill(store, grant, a_sample("a"))

        assert kept == a_sample("a")
        assert list(self.reopen(store).samples(F)) == [(0, a_sample("a"))]

    def test_the_first_fill_wins_and_the_second_gets_its_sample(self) -> None:
        store = self.store()
        (old,) = draw(store, a_run(), "a", owner=dead_owner())
        new = store.poll(F, 0, owner=here())

        fill(store, new, a_sample("a", b"first"))
        kept = fill(store, old, a_sample("a", b"second"))

        assert kept == a_sample("a", b"first")
        assert list(self.reopen(store).samples(F)) == [(0, a_sample("a", b"first"))]

    def test_a_late_fill_of_an_empty_slot_is_accepted(self) -> None:
        store = self.store()
        (old,) = draw(store, a_run(), "a", owner=dead_owner())
        new = store.poll(F, 0, owner=here())

        kept = fill(store, old, a_sample("a", b"late"))
        lost = fill(store, new, a_sample("a", b"later"))

        assert kept == lost == a_sample("a", b"late")

    def test_a_late_fill_of_a_released_slot_is_accepted(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")
        store.release(a_run(), F, 0, grant.token)

        kept = fill(store, grant, a_sample("a"))

        assert kept == a_sample("a")
        assert draw(store, a_run("two"), "b") == (Grant(index=0, sample=a_sample("a")),)

    def test_of_many_fills_at_once_one_wins_and_all_get_its_sample(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")
        samples = [a_sample("a", b"%d" % number) for number in range(8)]

        kept = at_once(*[lambda s=sample: fill(store, grant, s) for sample in samples])

        assert len(set(map(repr, kept))) == 1
        assert list(self.reopen(store).samples(F)) == [(0, kept[0])]

    def test_what_is_bought_for_a_draw_is_what_won(self) -> None:
        """Given a purchase that came too late, then it is not what was bought for its draw."""
        store = self.store()
        buy(store, a_run(), "a", "b")
        fill(store, Grant(index=1, token="0" * 32), a_sample("a"))

        (grant,) = draw(store, a_run("two", replicate=0), "a")

        assert grant.index == 0

    def test_the_question_is_kept_once(self) -> None:
        store = self.store()
        for grant, question in zip(draw(store, a_run(), "a", "b"), (b"1", b"2"), strict=True):
            future = store.fill(F, grant.index, grant.token, a_sample("a"), question=question)
            future.result(timeout=60)

        assert list(self.reopen(store).questions()) == [(F, b"1")]
