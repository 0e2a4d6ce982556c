from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachesaver.ports import Store
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.testing import StoreContract


class TestLmdbStore(StoreContract):
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "store"
        self.opened: list[LmdbStore] = []
        yield
        for store in self.opened:
            store.close()

    def store(self) -> LmdbStore:
        self.opened.append(LmdbStore(self.path))
        return self.opened[-1]

    def reopen(self, store: Store) -> Store:
        store.close()
        return self.store()
