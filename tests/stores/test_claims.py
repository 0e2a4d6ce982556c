"""What `Claims` costs; what it decides is for the contract and the model to say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachesaver.ports import Policy
from cachesaver.stores.claims import Claims
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.testing import F, a_run, a_sample, draw


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    found = LmdbStore(tmp_path)
    names = [str(number) for number in range(1000)]
    grants = draw(found, a_run(), *names)
    futures = [
        found.fill(F, grant.index, grant.token, a_sample(name), question=b"{}")
        for name, grant in zip(names, grants, strict=True)
    ]
    for future in futures:
        future.result(60)
    yield found
    found.close()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the indexes that were looked at, as they come."""
    found: list[int] = []
    real = Claims.is_free

    def counting(self: Claims, index: int) -> bool:
        found.append(index)
        return real(self, index)

    monkeypatch.setattr(Claims, "is_free", counting)
    return found


@pytest.mark.parametrize("policy", list(Policy))
def test_the_last_draw_of_a_run_looks_at_no_more_than_the_first(
    store: LmdbStore, looks: list[int], policy: Policy
) -> None:
    run = a_run("two", namespace="other")
    for number in range(990):
        draw(store, run, f"new {number}", policy=policy)
    looks.clear()

    for number in range(10):
        draw(store, run, f"last {number}", policy=policy)

    assert len(looks) <= 40


def test_many_failures_cost_as_little_each(store: LmdbStore, looks: list[int]) -> None:
    run = a_run("two", namespace="other")
    grants = draw(store, run, *[f"new {number}" for number in range(1500)])
    for grant in grants[1000:]:
        store.release(run, F, grant.index, grant.token)
    looks.clear()

    draw(store, run, *[f"again {number}" for number in range(500)])

    assert len(looks) <= 4 * 500
