"""A tracer where we are, in some orders of coming and leaving; `make patchers` tries all of everybody."""

from __future__ import annotations

import os

import pytest

from patchers.judge import ALONE, NAMES, ORDERS, faults, sight, touched
from patchers.play import play

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each order is played in a fork")


SOME = (
    "theirs first, they leave first",
    "ours first, ours leave first",
    "ours leave, come again, leave last",
)


def test_proxies_on_our_own_methods_see_all_calls_in_any_order() -> None:
    """Given somebody on the very methods that we patch, then everybody sees, answers and leaves."""
    alone, *played = play(
        "wrapt's proxies on our own methods", [ALONE, *(ORDERS[order] for order in SOME)]
    )

    found = {order: list(faults(each, alone)) for order, each in zip(SOME, played, strict=True)}
    assert found == {order: [] for order in SOME}
    assert len(touched(alone)) == len(NAMES)
    assert sight("urllib", played, alone) == sight("aiohttp", played, alone) == "as a live call"
