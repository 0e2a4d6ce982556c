from __future__ import annotations

from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.testing import StoreContract


class TestMemoryStore(StoreContract):
    def store(self) -> MemoryStore:
        return MemoryStore()


def test_it_tells_how_much_it_holds() -> None:
    assert repr(MemoryStore()) == "<MemoryStore of 0 fingerprints>"
