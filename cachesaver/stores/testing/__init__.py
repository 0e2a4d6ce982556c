"""What every store must do, as a test class to inherit. Knows the port and its values, no backend.

Used like::

    class TestMyStore(StoreContract):
        def store(self) -> Store:
            return MyStore()

Needs pytest to run it, and nothing but the standard library to be imported.
"""

from __future__ import annotations

from cachesaver.stores.testing.assigning import Assigning
from cachesaver.stores.testing.filling import Filling
from cachesaver.stores.testing.keeping import Keeping
from cachesaver.stores.testing.leasing import Leasing
from cachesaver.stores.testing.looking import Looking
from cachesaver.stores.testing.parts import (
    QUESTION,
    F,
    G,
    a_run,
    a_sample,
    at_once,
    buy,
    dead_owner,
    draw,
    fill,
    indexes,
)
from cachesaver.stores.testing.policies import Policies
from cachesaver.stores.testing.running import Running

__all__ = [
    "QUESTION",
    "F",
    "G",
    "StoreContract",
    "a_run",
    "a_sample",
    "at_once",
    "buy",
    "dead_owner",
    "draw",
    "fill",
    "indexes",
]


class StoreContract(Looking, Assigning, Policies, Leasing, Filling, Running, Keeping):
    """The port's sentences, each as a test."""
