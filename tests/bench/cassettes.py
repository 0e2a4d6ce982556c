"""Cassettes beside those of others, in one run: 2,000 questions, each 2 kB asked and 2 kB answered.

Each tool runs in a process and an environment of its own, made in `.cache/bench` from the registry.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["PEERS", "measured"]

ROOT = Path(__file__).parents[2]
PEERS = ("vcrpy==9.4.2", "cassetter==0.16.1", "promptecho==0.1.3", "pycachy==0.0.22")
"""What there was on PyPI on 2026-11-26; vcrpy matches by the body too, cassetter by `json_body`."""

Measured = Iterator[tuple[str, str, str, str, bool]]
Seconds = Mapping[str, float]


def measured() -> Measured:
    """Yield a row for each figure, and one for each peer."""
    python = _environment()
    found = {name: _run(sys.executable, name) for name in ("nobody", "cachesaver")}
    found |= {name: _run(python, name) for name, _, _ in (peer.partition("==") for peer in PEERS)}
    ours, vcrpy = found["cachesaver"], found["vcrpy"]
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
_WANTED = {("load", "vcrpy"): 10}


def _environment() -> Path:
    """Return the interpreter of an environment that has the peers."""
    folder = ROOT / ".cache" / "bench" / "cassettes"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    uv: list[str | Path] = [sys.executable, "-m", "uv"]
    if not python.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", python]
    subprocess.run([*install, "httpx", "requests", *PEERS], check=True)
    return python


def _run(python: str | Path, tool: str) -> Seconds:
    script = Path(__file__).with_name("cassette_tool.py")
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [python, script, tool, folder],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT) if tool == "cachesaver" else ""},
        )
    found: Seconds = json.loads(ran.stdout)
    return found


if __name__ == "__main__":
    for row in measured():
        sys.stdout.write(" | ".join(map(str, row)) + "\n")
