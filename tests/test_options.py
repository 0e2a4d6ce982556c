"""Options as values; what they do is tested with those that act on them."""

from __future__ import annotations

import pytest

from cachesaver.options import Rules, Window


def test_no_rules_are_none() -> None:
    assert Rules() == Rules(ignore=(), blank=(), aliases={})


@pytest.mark.parametrize(
    ("window", "blocking", "gathers"),
    [
        (Window(), False, True),
        (Window(), True, False),
        (Window(seconds=0), False, False),
        (Window(seconds=0), True, False),
        (Window(seconds=1), True, True),
        (Window(flights=True), True, True),
        (Window(flights=True), False, True),
    ],
)
def test_a_window_gathers(window: Window, *, blocking: bool, gathers: bool) -> None:
    assert window.gathers(blocking=blocking) is gathers
