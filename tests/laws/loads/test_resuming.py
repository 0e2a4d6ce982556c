"""What a crashed run and the one that resumes it have in common, and what they have not."""

from __future__ import annotations

import pytest

from cachesaver.ports import Policy
from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.testing import F, a_run, buy, draw


def test_a_resumed_run_buys_nothing_that_the_crashed_one_had() -> None:
    store = MemoryStore()
    buy(store, a_run("crashed"), "of one worker")

    (grant,) = draw(store, a_run("resumed"), "of one worker")

    assert grant.sample is not None


@pytest.mark.xfail(strict=True, reason="laws 2 and 3 want different things here: see the docstring")
def test_a_resumed_run_gives_each_draw_what_the_crashed_one_gave_it() -> None:
    """Given a draw the crashed run had not come to, when it is first now, then it takes the sample.

    Law 3 would keep the sample for the draw that had it before. Law 2 forbids: nobody can know
    whether that draw comes again in this run, and if it does not, one sample too many is bought.
    """
    store = MemoryStore()
    before = buy(store, a_run("crashed"), "of one worker")

    draw(store, a_run("resumed"), "of another worker")
    after = store.acquire(a_run("resumed"), F, ["of one worker"], owner="me", policy=Policy.RESERVE)

    assert [grant.index for grant in after] == before
