"""The environment of the other tools, made from the registry where it is not there yet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from peers.tools import PACKAGES

__all__ = ["environment", "paths", "versions"]

_ROOT = Path(__file__).parents[3]
_SDK = "openai==2.54.0"
"""The last line of it that stands on httpx, which all of them see."""

_VERSIONS = """
import importlib.metadata, json
print(json.dumps({d.name.lower(): d.version for d in importlib.metadata.distributions()}))
"""


def environment() -> Path:
    """Return the interpreter that has them all, and what they are asked through."""
    folder = _ROOT / ".cache" / "peers"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    uv: list[str | Path] = [sys.executable, "-m", "uv"]
    if not python.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", python]
    beside = ("httpx", "requests", "pytest", "pytest-recording", _SDK)
    subprocess.run([*install, *beside, *PACKAGES], check=True)
    return python


def paths(tool: str) -> list[str]:
    """Return where *tool* is found, and what it is put through."""
    support = str(_ROOT / "tests" / "support")
    return [str(_ROOT), support] if tool == "cachesaver" else [support]


def versions(python: str | Path) -> Mapping[str, str]:
    """Return the version of every distribution that *python* has."""
    said = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    found: Mapping[str, str] = json.loads(said.stdout)
    return found
