"""What every store must do, as a test class to inherit. Knows the port and its values, no backend.

Used like::

    class TestMyStore(StoreContract):
        def store(self) -> Store:
            return MyStore()

Needs pytest to run it, and nothing but the standard library to be imported.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import chain
from typing import TypeVar

from cachesaver.exchange import Response, Sample
from cachesaver.ports import Grant, Policy, Run, Store
from cachesaver.stores.processes import here

__all__ = [
    "QUESTION",
    "F",
    "G",
    "StoreContract",
    "a_run",
    "a_sample",
    "at_once",
    "buy",
    "dead_owner",
    "draw",
    "fill",
    "indexes",
]

T = TypeVar("T")

F = "0f" * 32
"""A fingerprint, and *G* another one that sorts after it."""
G = "f0" * 32

QUESTION = b'{"q":1}'


def a_run(name: str = "run", *, namespace: str = "exp", replicate: int | None = None) -> Run:
    """Return a run."""
    return Run(id=name, namespace=namespace, replicate=replicate)


def a_sample(draw: str, text: bytes = b"answer") -> Sample:
    """Return a sample bought for *draw*."""
    return Sample(response=Response(status=200, chunks=(text, draw.encode())), draw=draw)


def draw(
    store: Store,
    run: Run,
    *draws: str,
    fingerprint: str = F,
    policy: Policy = Policy.RESERVE,
    owner: str = "",
) -> tuple[Grant, ...]:
    """Acquire *draws*, as this process unless another *owner* is named."""
    return store.acquire(run, fingerprint, draws, owner=owner or here(), policy=policy)


def fill(store: Store, grant: Grant, sample: Sample, *, fingerprint: str = F) -> Sample:
    """Fill what *grant* leads, wait until it is kept, and return what the slot holds."""
    future = store.fill(fingerprint, grant.index, grant.token, sample, question=QUESTION)
    return future.result(timeout=60)


def buy(store: Store, run: Run, *draws: str, fingerprint: str = F) -> list[int]:
    """Draw each of *draws*, buy what is missing, and return the indexes."""
    grants = [draw(store, run, name, fingerprint=fingerprint)[0] for name in draws]
    for name, grant in zip(draws, grants, strict=True):
        if grant.token:
            fill(store, grant, a_sample(name), fingerprint=fingerprint)
    return [grant.index for grant in grants]


def indexes(grants: Sequence[Grant]) -> list[int]:
    """Return the indexes of *grants*."""
    return [grant.index for grant in grants]


@cache
def dead_owner() -> str:
    """Return the owner name of a process that has ended."""
    program = "from cachesaver.stores.processes import here; print(here())"
    ended = subprocess.run(  # noqa: S603  (our own interpreter and program)
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


def at_once(*works: Callable[[], T]) -> list[T]:
    """Do all *works* at the same time, each in a thread of its own; return their results."""
    barrier = threading.Barrier(len(works))
    results: dict[int, T] = {}

    def perform(number: int, work: Callable[[], T]) -> None:
        barrier.wait()
        results[number] = work()

    threads = [threading.Thread(target=perform, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(works))]


class StoreContract(ABC):
    """The port's sentences, each as a test."""

    @abstractmethod
    def store(self) -> Store:
        """Return a new, empty store."""

    def reopen(self, store: Store) -> Store:
        """Return another handle on what *store* keeps, read anew from where it is kept.

        *store* is not used afterwards. A store that does not outlive its handle returns it.
        """
        return store

    # What has one answer, and no draws.

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

    # Assignment: which index a draw gets.

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

    # Policies.

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

    # Leases.

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

    # Filling.

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

    # Runs and replicates.

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

    # Looking at what is kept.

    def test_samples_come_by_index_and_without_the_unfilled(self) -> None:
        store = self.store()
        grants = draw(store, a_run(), *"abcdefghijkl")
        for number in (11, 9, 2, 0):
            fill(store, grants[number], a_sample(str(number)))

        found = list(self.reopen(store).samples(F))

        assert found == [(number, a_sample(str(number))) for number in (0, 2, 9, 11)]

    def test_questions_come_by_fingerprint_and_only_of_what_is_stored(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", fingerprint=G)
        buy(store, a_run(), "a", fingerprint=F)
        draw(store, a_run(), "a", fingerprint="77" * 32)

        assert list(self.reopen(store).questions()) == [(F, QUESTION), (G, QUESTION)]

    def test_a_sample_comes_back_as_it_was_kept(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")

        fill(store, grant, _ODD)

        assert list(self.reopen(store).samples(F)) == [(0, _ODD)]

    def test_a_summary_counts(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")
        buy(store, a_run(namespace="other"), "a", fingerprint=G)

        summary = self.reopen(store).summary()

        assert (summary.fingerprints, summary.samples, summary.namespaces) == (2, 3, 2)
        assert summary.size >= 0

    def test_an_empty_store_has_nothing(self) -> None:
        store = self.store()

        assert list(store.samples(F)) == []
        assert list(store.questions()) == []
        assert store.summary().samples == 0

    def test_a_sound_store_verifies(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")

        assert list(self.reopen(store).verify()) == []

    def test_it_may_be_closed_twice(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")

        store.close()
        store.close()

    # Names and numbers.

    def test_runs_namespaces_and_draws_may_be_any_text(self) -> None:
        store = self.store()
        names = ["", "\0", "a", "a\0", "ä", "\ud800", "x" * 100_000, "a/b", "N" * 600]

        for name in names:
            run = a_run("r" + name, namespace=name)
            assert indexes(draw(store, run, *names)) == list(range(len(names)))

    def test_threads_of_a_run_never_get_one_index_twice(self) -> None:
        store = self.store()
        names = [[f"{thread}-{number}" for number in range(20)] for thread in range(8)]

        def work(mine: list[str]) -> list[int]:
            return [draw(store, a_run(), name)[0].index for name in mine]

        got = at_once(*[partial(work, mine) for mine in names])

        assert sorted(chain.from_iterable(got)) == list(range(160))

    def test_of_runs_that_want_one_sample_at_once_one_leads(self) -> None:
        store = self.store()
        runs = [a_run(str(number), namespace=str(number)) for number in range(8)]

        grants = at_once(*[lambda r=run: draw(store, r, "a")[0] for run in runs])

        assert indexes(grants) == [0] * 8
        assert sorted(bool(grant.token) for grant in grants) == [False] * 7 + [True]


_ODD = Sample(
    response=Response(
        status=299,
        headers=(("X-B", "2"), ("x-a", "\xff; é"), ("X-B", "1"), ("", "")),
        chunks=(b"", b"\x00\xff\xfe", b"data: {}\r\n\r\n" * 1000, b""),
        offsets=(0.1, 0.1 + 0.2, 1e-9, 1e9),
        reason="Ünusual",
    ),
    draw="d\ud800",
    usage={"tokens": 2**80, "nested": {"list": [1, 1.5, None, True, "\ud83d"]}, "": {}},
    model="m",
    created=1.7e9 + 1e-6,
    latency=0.1,
    first_byte=5e-324,
    user_agent="tests/1",
)
