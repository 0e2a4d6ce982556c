"""What tests of the command line share: a way to run it, and a store with something in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal

Run = subprocess.CompletedProcess[str]
Command = Callable[..., Run]


@pytest.fixture
def env(tmp_path: Path, rehearsal: Rehearsal) -> dict[str, str]:
    """The environment of a user without settings, who reaches the simulated provider only."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CACHESAVER_")}
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home" / "cache"),
        "PYTHONPATH": str(Path(str(cachesaver.__file__)).parents[1]),
        "URL": f"{rehearsal.openai_url}/chat/completions",
    }


@pytest.fixture
def command(env: Mapping[str, str], tmp_path: Path) -> Command:
    """Return a function that runs the command line in a process of its own, in an empty folder."""
    work = tmp_path / "work"
    work.mkdir()

    def run(*arguments: object, given: str = "", **more: str) -> Run:
        return subprocess.run(
            [sys.executable, "-m", "cachesaver", *map(str, arguments)],
            cwd=work,
            env={**env, **more},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return run


@pytest.fixture
def filled(tmp_path: Path, rehearsal: Rehearsal) -> Path:
    """A store with three samples of two questions."""
    where = tmp_path / "filled"
    with cachesaver.install(namespace="a", store=where, quiet=True):
        for content in ("Hi", "Hi", "Bye"):
            body: dict[str, Any] = {
                "model": "gpt-5-mini",
                "messages": [{"role": "user", "content": content}],
            }
            httpx.post(f"{rehearsal.openai_url}/chat/completions", json=body)
    return where
