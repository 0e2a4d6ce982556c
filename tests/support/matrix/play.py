"""Performs the rows of an SDK: a provider, and two processes, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cachesaver.rehearsal import Rehearsal
from matrix.table import Row, Sdk

__all__ = ["play"]

Acts = dict[str, dict[str, Any]]
"""`live`, `first` and `second`: by program, what was seen."""


def play(
    sdk: Sdk, rows: Sequence[Row], store: Path, python: Path | str = sys.executable
) -> list[Acts]:
    """Return what was seen of each row of *sdk*, by the interpreter *python*.

    Raises:
        RuntimeError: A process did not end as it should; with what it said.
    """
    told: dict[str, Any] = {
        "module": sdk.module,
        "ways": [row.way for row in rows],
        "store": str(store),
        "hosts": ["127.0.0.1"] if sdk.named else [],
    }
    with Rehearsal(seed=0) as provider:
        first, second = (
            _acted(python, {**told, "url": provider.url, "again": again}) for again in (False, True)
        )
    return [{**one, **other} for one, other in zip(first, second, strict=True)]


def _acted(python: Path | str, told: dict[str, Any]) -> list[Acts]:
    ran = subprocess.run(
        [python, "-m", "matrix.actor"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ran.returncode or ran.stderr:
        raise RuntimeError(f"{told['module']} ended with {ran.returncode}:\n{ran.stderr}")
    answers: list[Acts] = json.loads(ran.stdout)
    return answers
