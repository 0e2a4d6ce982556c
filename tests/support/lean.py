"""A pytest without all that is installed here: to import that takes seconds, in each interpreter."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

__all__ = ["lean"]


@contextmanager
def lean() -> Generator[tuple[str, ...]]:
    """Let pytests load nothing but what they are told to; yield what tells them of ours, and of xdist."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield ("-p", "cachesaver.pytest_plugin", "-p", "xdist")
