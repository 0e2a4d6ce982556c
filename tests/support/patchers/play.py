"""Orders of coming and leaving, played by another interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cachesaver.rehearsal import Rehearsal
from patchers.judge import Played
from patchers.probe import Seen

__all__ = ["PATHS", "ROOT", "play"]

ROOT = Path(__file__).parents[3]
PATHS = (str(ROOT), str(ROOT / "tests" / "support"))


def play(
    other: str, orders: Iterable[Sequence[str]], *, python: str | Path = sys.executable
) -> list[Played]:
    """Return what was found when *other*, a key of `company.PATCHERS`, and we took the steps of *orders*.

    *python*: Of the environment that has *other*. Not for Windows, where nothing can be forked.
    """
    with Rehearsal(seed=0) as provider, tempfile.TemporaryDirectory() as folder:
        told = {
            "other": other,
            "orders": list(orders),
            "url": provider.url,
            "store": f"{folder}/store",
        }
        ran = subprocess.run(
            [python, "-m", "patchers.probe"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
            input=json.dumps(told),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    port = provider.url.rpartition(":")[2]
    lines = [line for line in ran.stdout.splitlines() if line.startswith('{"seen"')]
    return [_read(json.loads(line.replace(port, "PORT"))) for line in lines]


def _read(found: dict[str, Any]) -> Played:
    seen = [Seen(**each) for each in found["seen"]]
    return Played(seen=seen, left=found["left"], ours=found["ours"])
