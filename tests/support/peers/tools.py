"""The tools: how a block over a recording is entered, and how its files end. Imports none of them."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["PACKAGES", "TOOLS", "Tool"]

PACKAGES = ("vcrpy==9.4.2", "cassetter==0.16.1", "promptecho==0.1.3", "pycachy==0.0.22")
"""The newest of each on PyPI on 2026-11-26."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool, in one way to set it up.

    Attributes:
        ending: Of its files.
        entered: Returns the block, given a path and a mode: "once" or "none", by the names of vcrpy.
        marker: Of its pytest plugin; empty where it has none that takes the path from the test.
        without: The plugin of another tool, which has the same marker.
    """

    ending: str
    entered: Callable[[Path, str], Any]
    marker: str = ""
    without: str = "none"


def _cachesaver(path: Path, mode: str) -> Any:
    tool: Any = importlib.import_module("cachesaver")
    return tool.use_cassette(path, record_mode=mode, record_errors=True)


def _vcrpy(path: Path, mode: str) -> Any:
    tool: Any = importlib.import_module("vcr")
    return tool.VCR().use_cassette(str(path), record_mode=mode)


def _vcrpy_by_body(path: Path, mode: str) -> Any:
    tool: Any = importlib.import_module("vcr")
    match_on = ["method", "scheme", "host", "port", "path", "query", "body"]
    return tool.VCR(match_on=match_on).use_cassette(str(path), record_mode=mode)


def _cassetter(path: Path, mode: str) -> Any:
    tool: Any = importlib.import_module("cassetter")
    return tool.use_cassette(path, record_mode=mode)


def _cassetter_by_body(path: Path, mode: str) -> Any:
    tool: Any = importlib.import_module("cassetter")
    return tool.use_cassette(path, record_mode=mode, match_on=["method", "uri", "json_body"])


def _promptecho(path: Path, mode: str) -> Any:
    tool: Any = importlib.import_module("promptecho")
    return tool.use_cassette(str(path), mode=mode)


def _pycachy(path: Path, mode: str) -> Any:
    del mode  # it has one
    tool: Any = importlib.import_module("cachy")
    return tool.cachy(cache_dir=str(path.parent), doms=("127.0.0.1",))  # the file is cachy.jsonl


def _nobody(path: Path, mode: str) -> Any:
    del path, mode
    return contextlib.nullcontext()


TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "cachesaver": Tool(ending=".cassette", entered=_cachesaver, marker="cassette"),
        "vcrpy": Tool(ending=".yaml", entered=_vcrpy, marker="vcr", without="cassetter"),
        "vcrpy, matching bodies": Tool(ending=".yaml", entered=_vcrpy_by_body),
        "cassetter": Tool(ending=".yaml", entered=_cassetter, marker="vcr", without="recording"),
        "cassetter, matching bodies": Tool(ending=".yaml", entered=_cassetter_by_body),
        "promptecho": Tool(ending=".yaml", entered=_promptecho),
        "pycachy": Tool(ending=".jsonl", entered=_pycachy),
        "nobody": Tool(ending="", entered=_nobody),
    }
)
