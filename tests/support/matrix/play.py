"""Performs the rows of an SDK: a provider, and four processes, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cachesaver.rehearsal import Rehearsal
from matrix.predictions import Predictions
from matrix.table import Sdk

__all__ = ["play"]

Acts = dict[str, dict[str, Any]]
"""`live`, `first`, `second`, `recorded` and `replayed`: by program, what was seen."""


def play(
    sdk: Sdk,
    store: Path,
    *,
    python: Path | str = sys.executable,
    path: Sequence[str] | None = None,
) -> list[Acts]:
    """Return what was seen of each row of *sdk*, in their order.

    Args:
        sdk: Whose.
        store: A folder for their stores.
        python: The interpreter that has the SDK,
        path: and where it finds what it has not; None: where this one does.

    Raises:
        RuntimeError: A process did not end as it should; with what it said.
    """
    told: dict[str, Any] = {
        "module": sdk.module,
        "ways": [row.way for row in sdk.rows],
        "store": str(store),
        "hosts": ["127.0.0.1"] if sdk.named else [],
    }
    # Where there are no forks, each process imports the SDK for itself.
    names = ("first", "second", "recorded")
    runs = (names,) if hasattr(os, "fork") else tuple((name,) for name in names)
    with Predictions() if sdk.predicts else Rehearsal(seed=0, tail=1) as provider:
        told["url"] = provider.url
        acts = [
            act
            for processes in runs
            for act in _acted(python, path, {**told, "processes": processes})
        ]
    acts += _acted(python, path, {**told, "processes": ("replayed",)})
    return [dict(ChainMap(*each)) for each in zip(*acts, strict=True)]


def _acted(
    python: Path | str, path: Sequence[str] | None, told: dict[str, Any]
) -> list[list[Acts]]:
    found = filter(None, sys.path) if path is None else path
    ran = subprocess.run(
        [python, "-m", "matrix.actor"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(found)},
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    if ran.returncode or ran.stderr:
        raise RuntimeError(f"{told['module']} ended with {ran.returncode}:\n{ran.stderr}")
    return [json.loads(line) for line in ran.stdout.splitlines()]
