"""What other packages bring: the entry points of our groups, looked up once for all of them.

Looking reads a file of every installed package, so it happens with the first `install`, not before.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

__all__ = ["DIALECTS", "STORES", "TRANSPORTS", "forget", "plugins"]

DIALECTS = "cachesaver.dialects"
STORES = "cachesaver.stores"
TRANSPORTS = "cachesaver.transports"


@cache
def _found() -> dict[str, tuple[EntryPoint, ...]]:
    everything = entry_points()
    return {
        group: tuple(everything.select(group=group)) for group in (DIALECTS, STORES, TRANSPORTS)
    }


def plugins(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of *group*, one of the three names above."""
    return _found()[group]


def forget() -> None:
    """Look anew next time."""
    _found.cache_clear()
