from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from cachesaver.ports import Store
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.machine import machine
from cachesaver.stores.memory import MemoryStore


def test_memory_behaves_like_the_model() -> None:
    run_state_machine_as_test(
        machine(MemoryStore, lambda store: store),
        settings=settings(max_examples=100, stateful_step_count=30, deadline=None),
    )


def test_lmdb_behaves_like_the_model(tmp_path: Path) -> None:
    numbers = itertools.count()
    paths: dict[int, Path] = {}

    def new() -> LmdbStore:
        path = tmp_path / str(next(numbers))
        store = LmdbStore(path)
        paths[id(store)] = path
        return store

    def reopen(store: Store) -> LmdbStore:
        path = paths.pop(id(store))
        store.close()
        again = LmdbStore(path)
        paths[id(again)] = path
        return again

    run_state_machine_as_test(
        machine(new, reopen),
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
