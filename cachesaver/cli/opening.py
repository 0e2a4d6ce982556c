"""Opening a store to look at it: one that is there, never one made by a slip of the pen."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from cachesaver.errors import ConfigurationError
from cachesaver.ports import Store
from cachesaver.settings import settings
from cachesaver.stores import folder_of, open_store

__all__ = ["existing_store"]


@contextmanager
def existing_store(given: str | None) -> Generator[Store]:
    """Open the store *given* on the command line, or the one of the environment; close it after.

    Raises:
        ConfigurationError: Nothing is there, or nobody knows its scheme.
        StoreError: It cannot be opened.
    """
    where = str(settings(store=given).store)
    path = folder_of(where)
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"there is no store at {path}: the first `cachesaver run` makes one, or name another "
            "with --store"
        )
    store = open_store(where)
    try:
        yield store
    finally:
        store.close()
