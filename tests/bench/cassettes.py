"""Cassettes beside those of others, in one run: 2,000 questions, each 2 kB asked and 2 kB answered.

Each tool runs in a process of its own, the others in an environment made from the registry.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from peers.environments import environment, paths  # found from here on
from peers.tools import PACKAGES

__all__ = ["beside", "measured"]

ROOT = Path(__file__).parents[2]
PEERS = ("vcrpy, matching bodies", "cassetter, matching bodies", "promptecho", "pycachy")

Measured = Iterator[tuple[str, str, str, str, bool]]
Seconds = Mapping[str, float]


def beside() -> str:
    """Return what the figures stand beside: versions, and what was recorded."""
    return (
        f"{', '.join(PACKAGES)}; 2,000 questions, each of 2 kB asked and 2 kB answered. Seconds of "
        "processor, medians; a stream's first word by the clock. pycachy keeps a database, and has "
        "nothing to open."
    )


def measured() -> Measured:
    """Yield a row for each figure, and one for each peer."""
    python = environment()
    found = {name: _run(sys.executable, name) for name in ("nobody", "cachesaver")}
    found |= {name: _run(python, name) for name in PEERS}
    ours, vcrpy = found["cachesaver"], found[PEERS[0]]
    more = ours["first"] - found["nobody"]["first"]
    name = "the first word of a stream that is recorded"
    yield name, "the stream without us", f"{more * 1e3:+.1f} ms", "≤ +2 ms", more <= 0.002
    for what, said in _WHAT.items():
        for peer, seconds in found.items():
            if peer in ("nobody", "cachesaver"):
                continue
            ratio, wanted = seconds[what] / ours[what], _WANTED.get((what, peer), 1)
            shown = f"{ours[what] * 1e3:.3g} ms, theirs {seconds[what] * 1e3:.3g}: {ratio:.3g}x"
            yield said, peer, shown, f"≥ {wanted}x", ratio >= wanted
    yield (
        "one request, of 2,000 that are recorded",
        "vcrpy 8's 334 ms",
        f"{0.334 / ours['request']:.0f}x (vcrpy today: {vcrpy['request'] * 1e3:.0f} ms)",
        "≥ 100x",
        ours["request"] <= 0.00334,
    )


_WHAT = {
    "load": "opening a cassette of 2,000 questions",
    "request": "a request that is in it",
    "miss": "a request that is not in it, with the report",
}
_WANTED = {("load", PEERS[0]): 10}


def _run(python: str | Path, tool: str) -> Seconds:
    script = Path(__file__).with_name("cassette_tool.py")
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [python, script, tool, folder],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths(tool))},
        )
    found: Seconds = json.loads(ran.stdout)
    return found


if __name__ == "__main__":
    for row in measured():
        sys.stdout.write(" | ".join(map(str, row)) + "\n")
