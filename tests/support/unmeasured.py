"""Forks that end at once leave nothing of what coverage saw in them, and it is a third of their time."""

from __future__ import annotations

import sys
import threading

__all__ = ["unmeasured"]


def unmeasured() -> None:
    """Let nobody watch this process any more."""
    sys.settrace(None)
    threading.settrace(None)  # pyright: ignore[reportArgumentType]  # typeshed knows no end of it
