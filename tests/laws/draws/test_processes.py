"""Laws 1 and 3 for processes of one run: no draw in common, and the same ones when it is run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cachesaver.rehearsal import Rehearsal

SCRIPT = Path(__file__).with_name("processes.py")
NAMES = (
    *("os.fork", "Process, forked", "Process, spawned", "Process, by the fork server"),
    *("subprocess", "ranks"),
)


def perform(provider: Rehearsal, store: Path, program: str, seed: int, *session: str) -> list[str]:
    """Return what every process was told, as lines."""
    namespace, mode = session
    told = {
        "url": provider.openai_url,
        "store": str(store),
        "namespace": namespace,
        "mode": mode,
        "seed": seed,
        "program": program,
    }
    ran = subprocess.run(
        [sys.executable, SCRIPT, json.dumps(told)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONHASHSEED": str(seed),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return sorted(ran.stdout.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_process_is_told_the_same_again(tmp_path: Path, name: str) -> None:
    with Rehearsal(seed=0) as provider:
        bought = perform(provider, tmp_path / "s", name, 1, "first", "cache")
        samples = provider.calls().samples
        again = perform(provider, tmp_path / "s", name, 2, "first", "cache")
        fresh = perform(provider, tmp_path / "s", name, 3, "second", "replay")
        assert provider.calls().samples == samples == 2 * len(bought)

    assert len({json.loads(line)[1] for line in bought}) == len(bought) >= 3
    assert again == bought
    assert fresh == bought
