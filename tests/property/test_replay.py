"""Law 3 across namespaces: whatever a store went through, a program run twice draws the same twice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesaver.ports import Grant, Policy, Run, Store
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.processes import here
from cachesaver.stores.testing import F, a_sample, dead_owner, fill

REPLICATES = st.sampled_from([None, 0, 1])

DRAWS = st.sampled_from("abcdef")

RUNS = st.builds(
    Run,
    id=st.sampled_from(["1", "2"]),
    namespace=st.sampled_from(["n", "m"]),
    replicate=REPLICATES,
)

FATES = st.sampled_from(["fills", "fills", "fills", "fails", "flies", "dies"])

POLICIES = st.just(Policy.RESERVE) | st.sampled_from(Policy)

HISTORIES = st.lists(st.tuples(RUNS, DRAWS, POLICIES, FATES), max_size=15)

PROGRAMS = st.lists(st.tuples(DRAWS, FATES), unique_by=lambda step: step[0], max_size=6)
"""Draws, and what becomes of the first try of each."""


@contextmanager
def memory() -> Generator[Store]:
    yield MemoryStore()


@contextmanager
def lmdb() -> Generator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = LmdbStore(Path(folder))
        try:
            yield store
        finally:
            store.close()


def play(store: Store, run: Run, draw: str, policy: Policy, fate: str) -> int:
    """Let *draw* be drawn in *run*, and what it leads come to *fate*; return its index."""
    owner = dead_owner() if fate == "dies" else here()
    (grant,) = store.acquire(run, F, [draw], owner=owner, policy=policy)
    if grant.token and fate == "fills":
        fill(store, grant, a_sample(draw))
    if grant.token and fate == "fails":
        store.release(run, F, grant.index, grant.token)
    return grant.index


def drawn(store: Store, run: Run, draws: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Run a program whose draws come to their fates and are tried again, till each has its sample."""
    for draw, fate in draws:
        play(store, run, draw, Policy.RESERVE, fate)
    got: dict[str, int] = {}
    for draw, _ in draws:
        index = got[draw] = play(store, run, draw, Policy.RESERVE, "flies")
        fill(store, Grant(index=index), a_sample(draw))
    return got


@pytest.mark.parametrize("opened", [memory, lmdb], ids=["memory", "lmdb"])
def test_a_program_draws_the_same_in_one_fresh_namespace_after_another(
    opened: Callable[[], AbstractContextManager[Store]],
) -> None:
    """Given any history, when it runs in any order and then in any other, each draw has its own."""

    @settings(max_examples=80, deadline=None, derandomize=True)
    @given(HISTORIES, REPLICATES, PROGRAMS, st.data())
    def check(
        history: Sequence[tuple[Run, str, Policy, str]],
        replicate: int | None,
        program: Sequence[tuple[str, str]],
        chance: st.DataObject,
    ) -> None:
        with opened() as store:
            for step in history:
                play(store, *step)
            first = drawn(store, Run(id="x", namespace="x", replicate=replicate), program)
            order = chance.draw(st.permutations(program))
            second = drawn(store, Run(id="y", namespace="y", replicate=replicate), order)
            assert second == first
            assert len(set(first.values())) == len(first)

    check()
