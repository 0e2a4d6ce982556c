"""The hook that pytest-recording adds to pytest."""

from __future__ import annotations

from typing import Any

__all__ = ["pytest_recording_configure"]


def pytest_recording_configure(config: Any, vcr: Any) -> None:
    """Let a project register matchers, serializers and a persister on *vcr*, before each cassette."""
