"""Which tests one worker of pytest-xdist runs all of: those that would otherwise be set up by each.

pytest-xdist 3.8 has marks for that, and pytest 9.2 makes them mean nothing, without a word:
https://github.com/pytest-dev/pytest-xdist/issues/1386
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

__all__ = ["scheduler", "together"]

_TOGETHER: tuple[tuple[str, str], ...] = (
    (r"tests/corpus/", "the corpus"),  # all of it is read, and answered, for each of its tests
    (r"tests/laws/loads/test_workloads\.py", "loads"),  # it uses all cores by itself
    # Programs run for a minute, and all tests look at what they did.
    (r"tests/laws/(?:agents/test_agents|draws/test_replay)\.py", ""),
    (r"tests/clients/test_\w+\.py", ""),  # likewise: see `played`
)
"""What an id of a test begins with, and what it belongs to: itself, where nothing is said."""


def together(nodeid: str) -> str:
    """Return what *nodeid* is run with: tests of which this says the same go to one worker."""
    for pattern, name in _TOGETHER:
        if found := re.match(pattern, nodeid):
            return name or found.group()
    return nodeid


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what hands out the next test, or the next tests that belong together; most of them first."""
    made: Any = importlib.import_module("xdist.scheduler").LoadScopeScheduling(config, log)
    made._split_scope = together  # what its own scheduler of groups has in the same place
    return made
