"""The local endpoint on one big GPU, in one call of ten minutes at most and without a network.

    PYTHONPATH=.:tests/support python tests/bench/local_gpu.py --out results.jsonl

Sixteen prompts of 512 tokens, eight samples of each, 128 tokens a sample, from Llamas of random weights in
bf16 with the shapes of 1B and 8B: our engine in a process, with and without graphs, ours over HTTP, and
`transformers serve` with and without continuous batching. Weights and tokenizer are made on the spot.
Ours is timed after three rounds, as the median of three, theirs after one.
Takes the torch and transformers that are there; for ours over HTTP it needs the extra `local`, for theirs
transformers' extra `serving`, and a part that cannot run says why and does not stop the others.

First of all, tiny models of several families are drawn from, and their answers compared with those of
`generate`: if they are others, or no step was a graph, figures are worth nothing.

Prints a JSON line for each part as it ends, then a table. A step's time is that of a whole round less that
of a round of one token each, by the steps between; its floor is the bytes of weights and of keys and values
that it must read, at the bandwidth that a copy reaches on this device. `--tiny` runs everything on a
processor in a minute, to see that it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.local_gpu_parts import (  # noqa: E402  # found from here on
    BATCHING,
    CHECK,
    ENGINE,
    OURS,
    PLAIN,
    SAVE,
    UNGRAPHED,
    Load,
)

PARTS = (CHECK, SAVE, ENGINE, UNGRAPHED, OURS, BATCHING, PLAIN, "continuous batching")
"""In the order of their worth; of each shape."""

NEEDS = {"1B": 25, "8B": 60, "tiny": 5}
"""Seconds that must be left for a part to be begun: about what loading takes."""


def main() -> int:
    """Measure each shape, part by part; 1 if ours was not measured, or is wrong."""
    given = _arguments()
    ends = time.monotonic() + given.budget
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for shape in ["tiny"] if given.tiny else given.shapes:
            for part in [
                each for each in PARTS if each in given.parts and (each != CHECK or not results)
            ]:
                results.append(_run(part, _load(shape, scratch, given.tiny), ends))
                _tell(results[-1], given.out)
    sys.stdout.write("\n" + "\n".join(table(results)) + "\n")
    return int(any("failed" in each for each in results if each["part"] in (CHECK, ENGINE, OURS)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiny", action="store_true", help="a model of nothing, on the processor")
    parser.add_argument("--shapes", nargs="+", default=["1B", "8B"], choices=["1B", "8B"])
    parser.add_argument(
        "--parts", nargs="+", default=PARTS, choices=PARTS, metavar="PART", help="these only"
    )
    parser.add_argument("--budget", type=float, default=560, help="seconds for everything")
    parser.add_argument("--out", type=Path, help="where the lines go as well")
    return parser.parse_args()


def _load(shape: str, scratch: str, is_tiny: bool) -> Load:  # noqa: FBT001
    sizes = (2, 24, 2, 12, 1) if is_tiny else (16, 512, 8, 128, 4)
    names = ("prompts", "length", "n", "out", "few")
    return Load(
        shape=shape,
        folder=str(Path(scratch) / shape),
        device="cpu" if is_tiny else "cuda",
        **dict(zip(names, sizes, strict=True)),
    )


def _run(part: str, load: Load, ends: float) -> dict[str, Any]:
    """Run *part* in a process group of its own, which is ended when the time is over."""
    began, told = time.monotonic(), dict[str, Any](part=part, shape=load.shape)
    left = ends - began
    if left < NEEDS[load.shape]:
        return told | {"failed": f"{max(0, left):.0f} s were left: not begun"}
    script = Path(__file__).with_name("local_gpu_parts.py")
    with subprocess.Popen(
        [sys.executable, script, part, json.dumps(dataclasses.asdict(load))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=_settings(),
    ) as process:
        try:
            said, complaints = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            return told | {"failed": f"was not over after {left:.0f} s"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    told["seconds"] = round(time.monotonic() - began)
    if process.returncode:
        return told | {"failed": _last(complaints)}
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return told | found


def _settings() -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
    given = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (paths, given)))}


def _last(complaints: str) -> str:
    lines = [line for line in complaints.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "without a word"


def _tell(result: dict[str, Any], out: Path | None) -> None:
    line = json.dumps(result)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    if out:
        with out.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")


def table(results: Iterable[dict[str, Any]]) -> list[str]:
    """Return what was found, as Markdown."""
    lines = [
        "| shape | what | tokens/s | ms a step | times the floor | prompts, ms |",
        "|---|---|---|---|---|---|",
    ]
    for each in results:
        if each["part"] in (CHECK, SAVE):
            continue
        names = ("tokens_per_second", "step_ms", "times_floor", "prompts_ms")
        cells = [f"{each[name]:.4g}" if name in each else "" for name in names]
        if "failed" in each:
            cells[0] = "not measured: " + each["failed"].replace("|", "/")
        lines.append(f"| {each['shape']} | {each['part']} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
