"""What is to be measured on a GPU, which is lent for minutes only, runs from end to end on a processor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "bench" / "local_gpu.py"


def run(tmp_path: Path, *options: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Return the exit code, what was told of each part, and the table."""
    out = tmp_path / "lines"
    ran = subprocess.run(
        [sys.executable, SCRIPT, "--tiny", "--out", out, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return ran.returncode, {each["part"]: each for each in told}, ran.stdout


@pytest.mark.timeout(600)  # it loads torch eight times
def test_it_runs_from_end_to_end(tmp_path: Path) -> None:
    """Given no GPU, then ours is measured, and what is not installed here is told and stops nothing."""
    code, told, said = run(tmp_path)

    check, plain = told["beside generate, token by token"], told["cachesaver's engine, graphs off"]
    engine, ours = told["cachesaver's engine"], told["cachesaver local serve"]
    assert code == 0, told
    assert set(check["equal"].values()) == {1}
    assert set(check["graph_steps"].values()) == {0}
    assert engine["tokens_per_second"] > 0
    assert plain["tokens_per_second"] > 0
    assert engine["floor_ms"] > 0
    assert ours["tokens_per_second"] > 0
    assert "transformers serve" in told
    assert f"| tiny | cachesaver's engine | {engine['tokens_per_second']:.4g} |" in said


def test_no_part_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    code, told, said = run(tmp_path, "--budget", "1")

    assert code == 1
    assert len(told) == 8
    assert all("not begun" in each["failed"] for each in told.values())
    assert said.count("not measured: 1 s were left: not begun") == 6
