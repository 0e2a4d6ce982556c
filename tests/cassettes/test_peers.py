"""Ours does as one expects in every case that others are put through by `make compare`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from peers.cases import CASES
from peers.environments import paths


def played(tool: str, case: str, folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "peers.cases", tool, folder, case],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((*paths(tool), *sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.parametrize("case", CASES)
def test_ours_does_as_one_expects(case: str, tmp_path: Path) -> None:
    assert played("cachesaver", case, tmp_path) == '""'


def test_a_case_can_fail(tmp_path: Path) -> None:
    """Given a tool that is none, then what it does is told."""
    assert played("nobody", "altered", tmp_path) == '"went out live"'
