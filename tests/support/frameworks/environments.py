"""A virtual environment for each framework, under `.cache/frameworks`, reused while nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from frameworks.catalogue import ROOT, Framework

__all__ = ["built_wheel", "environment_of", "versions"]

_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""

PLACE = ROOT / ".cache" / "frameworks"


def built_wheel() -> Path:
    """Build the wheel of this checkout; return where it lies."""
    folder = PLACE / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    _uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_of(framework: Framework, wheel: Path, *, renew: bool = False) -> Path:
    """Return the interpreter of *framework*'s environment, with *wheel* installed.

    Args:
        framework: Its requirements are installed anew only where they are others than before.
        wheel: Of cachesaver.
        renew: Make the environment anew in any case, with what is newest today.
    """
    folder = PLACE / framework.key
    ready, wanted = folder / "ready", _digest(framework)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if renew or not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--quiet", "--python", sys.executable, str(folder))
        _install(python, "--requirements", str(framework.requirements))
        ready.write_text(wanted, encoding="utf-8")
    _install(python, "--reinstall-package", "cachesaver", str(wheel))
    return python


def versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions of *packages* in the environment of *python*."""
    told = subprocess.run(
        [python, "-c", _VERSIONS, *packages], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(told.stdout)
    return found


def _digest(framework: Framework) -> str:
    said = f"{sys.version}\n{framework.requirements.read_text(encoding='utf-8')}"
    return hashlib.sha256(said.encode()).hexdigest()


def _install(python: Path, *what: str) -> None:
    _uv("pip", "install", "--quiet", "--python", str(python), *what)


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True)
