from __future__ import annotations

import pytest

from cachesaver.stores.membership import KEPT, is_over
from cachesaver.stores.processes import here
from cachesaver.stores.testing import dead_owner

LIVING, DEAD = here(), dead_owner()
FAR = "/".join((here().split("/")[0], "pid:[1]", *here().split("/")[2:]))
"""A process in another container."""


@pytest.mark.parametrize(
    ("owners", "lasting", "left", "over"),
    [
        pytest.param([LIVING], False, True, False, id="one lives"),
        pytest.param([DEAD, LIVING], False, True, False, id="one of two lives"),
        pytest.param([FAR], False, True, False, id="one may live, out of sight"),
        pytest.param([DEAD], False, False, True, id="all died"),
        pytest.param([DEAD, DEAD], False, True, True, id="one left, the others died"),
        pytest.param([], False, True, True, id="all left"),
        pytest.param([], False, False, False, id="none has come yet"),
        pytest.param([DEAD], True, False, False, id="it lasts"),
        pytest.param([], True, True, False, id="it lasts, and all left"),
        pytest.param([], None, True, False, id="nobody ever entered"),
    ],
)
def test_a_run_is_over_when(
    *, owners: list[str], lasting: bool | None, left: bool, over: bool
) -> None:
    assert is_over(owners, lasting=lasting, left=left, idle=KEPT - 1) == over


@pytest.mark.parametrize(
    ("owners", "lasting", "over"),
    [
        pytest.param([LIVING], False, False, id="whoever lives keeps it"),
        pytest.param([LIVING], True, False, id="whoever lives keeps what lasts"),
        pytest.param([FAR], False, True, id="not who is out of sight"),
        pytest.param([DEAD], True, True, id="it lasts no longer"),
        pytest.param([], None, True, id="nobody ever entered"),
    ],
)
def test_after_a_week_without_a_draw_it_is_over(
    *, owners: list[str], lasting: bool | None, over: bool
) -> None:
    assert is_over(owners, lasting=lasting, left=False, idle=KEPT) == over
