"""Intercept every LLM call of a process and answer it from a namespaced store of samples.

One line does it: `cachesaver.install(namespace="exp1")`. Importing this package loads none of its
parts and no HTTP client; each part comes with its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cachesaver.budget import Budget
    from cachesaver.errors import (
        BudgetExceededError,
        CachesaverError,
        ConfigurationError,
        NotRecordedError,
        StoreDamagedError,
        StoreError,
        StoreUnavailableError,
    )
    from cachesaver.recording import use_cassette
    from cachesaver.scopes import namespace, request_id
    from cachesaver.session import Session
    from cachesaver.settings import Mode
    from cachesaver.statistics import Statistics
    from cachesaver.wiring import current_session, install, uninstall

__all__ = [
    "Budget",
    "BudgetExceededError",
    "CachesaverError",
    "ConfigurationError",
    "Mode",
    "NotRecordedError",
    "Session",
    "Statistics",
    "StoreDamagedError",
    "StoreError",
    "StoreUnavailableError",
    "current_session",
    "install",
    "namespace",
    "request_id",
    "uninstall",
    "use_cassette",
]

_HOMES = {
    "Budget": "budget",
    "BudgetExceededError": "errors",
    "CachesaverError": "errors",
    "ConfigurationError": "errors",
    "Mode": "settings",
    "NotRecordedError": "errors",
    "Session": "session",
    "Statistics": "statistics",
    "StoreDamagedError": "errors",
    "StoreError": "errors",
    "StoreUnavailableError": "errors",
    "current_session": "wiring",
    "install": "wiring",
    "namespace": "scopes",
    "request_id": "scopes",
    "uninstall": "wiring",
    "use_cassette": "recording",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("cachesaver")
    if name not in _HOMES:
        raise AttributeError(f"module 'cachesaver' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"cachesaver.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
