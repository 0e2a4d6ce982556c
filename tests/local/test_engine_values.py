"""Sizes are checked when they are made."""

from __future__ import annotations

import pytest

from cachesaver.local import ParameterError, Sizes


@pytest.mark.parametrize(
    ("name", "value"),
    [("rows", 0), ("cells", 0), ("chunk", 0), ("kept", -1), ("waiting", -1), ("context", 0)],
)
def test_sizes_below_their_bounds_are_refused(name: str, value: int) -> None:
    with pytest.raises(ParameterError, match=name):
        Sizes(**{name: value})
