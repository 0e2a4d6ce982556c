"""vcrpy, which has no types: `vcr` is the package, with all of its modules that tests look at."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["vcr"]

_MODULES = ("cassette", "config", "errors", "matchers", "request", "serialize")

vcr: Any = importlib.import_module("vcr")
for _name in (*_MODULES, "persisters.filesystem", "serializers.yamlserializer"):
    importlib.import_module(f"vcr.{_name}")
