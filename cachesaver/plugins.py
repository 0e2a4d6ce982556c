"""What other packages bring: the entry points of our groups, looked up once for all of them.

Looking reads a file of every installed package, so it happens with the first `install`, not before. Most
environments hold none; that is told from those files alone, for `importlib.metadata` takes longer to
import than everything else of ours.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["DIALECTS", "READERS", "STORES", "TRANSPORTS", "forget", "plugins"]

DIALECTS = "cachesaver.dialects"
READERS = "cachesaver.readers"
STORES = "cachesaver.stores"
TRANSPORTS = "cachesaver.transports"


@cache
def _found() -> dict[str, tuple[EntryPoint, ...]]:
    groups = (DIALECTS, READERS, STORES, TRANSPORTS)
    if not any(_tells_of_us(place) for place in sys.path):
        return dict.fromkeys(groups, ())
    from importlib.metadata import entry_points

    everything = entry_points()
    return {group: tuple(everything.select(group=group)) for group in groups}


def _tells_of_us(place: str) -> bool:
    """Tell whether a package installed in *place*, an item of `sys.path`, may bring something.

    Only for a folder can the answer be no: archives and the like are left to `importlib.metadata`.
    """
    folder = place or "."
    try:
        names = os.listdir(folder)  # noqa: PTH208  # pathlib takes twice as long for all of this
    except NotADirectoryError:
        return True
    except OSError:
        return False
    kept = (name for name in names if name.endswith((".dist-info", ".egg-info")))
    return any(b"[cachesaver." in _entry_points(f"{folder}/{name}") for name in kept)


def _entry_points(package: str) -> bytes:
    try:
        with open(f"{package}/entry_points.txt", "rb") as file:  # noqa: PTH123  # likewise
            return file.read()
    except OSError:  # most have none
        return b""


def plugins(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of *group*, one of the names above."""
    return _found()[group]


def forget() -> None:
    """Look anew next time."""
    _found.cache_clear()
