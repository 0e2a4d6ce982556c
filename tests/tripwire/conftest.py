"""A wire with one rule, and where it is told from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from cachesaver.transports.loopback import LoopbackServer
from cachesaver.tripwire.rules import Replaying
from cachesaver.tripwire.wire import Wire


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def watching() -> Iterator[Callable[..., Wire]]:
    """What watches a module, as by replay, until the test is over."""
    undoings: list[Callable[[], None]] = []

    def watch(hook: Callable[[ModuleType, Wire], Callable[[], None]], *modules: ModuleType) -> Wire:
        wire = Wire()
        wire.rules = (Replaying(),)
        undoings.extend(hook(module, wire) for module in modules)
        return wire

    yield watch
    for undo in reversed(undoings):
        undo()
