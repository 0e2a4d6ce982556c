"""One program, five runs: what a store of samples saves, and that it changes no result.

Tree of Thoughts plays the Game of 24 (tot_game24.py, which knows nothing of cachesaver) against a
simulated provider on this machine: no key, no network. Prices are those of the model's provider.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from genai_prices import Usage, calc_price
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cachesaver.rehearsal import Latency, Rehearsal, Tally

PROGRAM = Path(__file__).with_name("tot_game24.py")
PUZZLES = ("4 9 10 13", "1 4 8 8", "6 6 6 6", "2 3 5 12", "3 3 8 8")
MODEL = "gpt-4o-mini"

LATENCY = Latency(base=0.05, per_token=0.001, jitter=0.6)
"""A tenth of what a provider takes, so that the whole is over in half a minute."""

COLUMNS = (
    "\nsolved",
    "samples\nused",
    "\nbought",
    "calls\nmade",
    "prompt\ntokens",
    "compl.\ntokens",
    "\ncost",
    "wall\ns",
    "as\ncold",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the program: under which namespace (None: without cachesaver), and what differs."""

    title: str
    namespace: str | None
    votes: int = 3
    jitter_seed: int = 0
    replay: bool = False


RUNS = (
    Run(title="live, without us", namespace=None),
    Run(title="cold store", namespace="demo-1"),
    Run(title="warm, new namespace", namespace="demo-2", replay=True),
    Run(title="warm, other timing", namespace="demo-3", jitter_seed=1, replay=True),
    Run(title="5 votes instead of 3", namespace="demo-4", votes=5),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one run reported, and what its provider saw of it."""

    run: Run
    report: Mapping[str, Any]
    upstream: Tally
    seconds: float


Launch = Callable[[Run, Path], list[str]]
"""The command that a run's own command is appended to."""


def launch(run: Run, store: Path) -> list[str]:
    if run.namespace is None:
        return []
    options = ["-n", run.namespace, "--store", str(store)]
    return [sys.executable, "-m", "cachesaver", "run", *options, "--"]


def measure(
    run: Run, provider: Rehearsal, before: list[str], watch: Callable[[], None]
) -> Measured:
    """Run the program once; *watch* is called ten times a second meanwhile."""
    provider.latency = replace(LATENCY, seed=run.jitter_seed)
    command = [*before, sys.executable, str(PROGRAM), *PUZZLES]
    command += ["--model", MODEL, "--votes", str(run.votes)]
    address = {"OPENAI_BASE_URL": provider.openai_url, "OPENAI_API_KEY": "none-is-needed"}

    seen, start = provider.calls().total, time.perf_counter()
    with subprocess.Popen(  # noqa: S603  # our own program
        command,
        env={**os.environ, **address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        output, complaints = communicate(process, watch)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        raise SystemExit(f"the run {run.title!r} failed:\n{complaints}")
    return Measured(
        run=run,
        report=json.loads(output),
        upstream=provider.calls().total - seen,
        seconds=seconds,
    )


def communicate(process: subprocess.Popen[str], watch: Callable[[], None]) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            watch()


def measure_all(start: Launch, console: Console) -> list[Measured]:
    columns = (
        TextColumn("{task.description:22}"),
        BarColumn(),
        TextColumn("{task.fields[bought]}"),
    )
    results: list[Measured] = []
    with (
        Rehearsal(seed=24, voice="game24") as provider,
        tempfile.TemporaryDirectory(prefix="cachesaver-demo-") as folder,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
    ):
        bar = progress.add_task("", total=len(RUNS), bought="")
        for run in RUNS:
            seen = provider.calls().samples

            def watch(seen: int = seen) -> None:
                bought = provider.calls().samples - seen
                progress.update(bar, bought=f"{bought} samples bought")

            progress.update(bar, description=run.title, bought="")
            results.append(measure(run, provider, start(run, Path(folder) / "store"), watch))
            progress.advance(bar)
    return results


def cost(tokens: Tally) -> Decimal:
    """Return what the provider of MODEL would have charged, in dollars."""
    usage = Usage(input_tokens=tokens.prompt_tokens, output_tokens=tokens.completion_tokens)
    return calc_price(usage, model_ref=MODEL, provider_id="openai").total_price


def faults(results: list[Measured]) -> list[str]:
    """Return one sentence for each promise that was not kept."""
    cold = next(result for result in results if result.run.namespace == "demo-1")
    broken: list[str] = []
    for result in results:
        title, used = result.run.title, result.report["usage"]["samples"]
        if result.run.replay and result.report != cold.report:
            broken.append(f"{title}: its report differs from the cold run's")
        if result.run.replay and result.upstream.calls:
            broken.append(f"{title}: it made {result.upstream.calls} calls to the provider")
        if result.run.votes != cold.run.votes and not 0 < result.upstream.samples < used:
            broken.append(f"{title}: it bought {result.upstream.samples} of {used} samples")
    return broken


def table(results: list[Measured]) -> Table:
    cold = next(result for result in results if result.run.namespace == "demo-1")
    title = f"Tree of Thoughts, Game of 24, {len(PUZZLES)} puzzles, at the prices of {MODEL}"
    rows = Table(title=title, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    rows.add_column("run", no_wrap=True)
    for heading in COLUMNS:
        rows.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        bought = result.upstream
        rows.add_row(
            result.run.title,
            f"{result.report['solved']}/{len(PUZZLES)}",
            *(f"{n:,}" for n in (result.report["usage"]["samples"], bought.samples, bought.calls)),
            *(f"{n:,}" for n in (bought.prompt_tokens, bought.completion_tokens)),
            f"${cost(bought):.4f}",
            f"{result.seconds:.1f}",
            ("yes" if result.report == cold.report else "NO") if result.run.replay else "",
        )
    return rows


def main(arguments: list[str] | None = None, start: Launch = launch) -> int:
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    console = Console()
    results = measure_all(start, console)
    console.print(table(results))
    for fault in faults(results):
        console.print(f"[bold red]not as promised:[/] {fault}")
    if faults(results):
        return 1
    console.print(
        "Both replays gave the same trajectories, answers and token counts as the cold run, "
        "and asked the provider nothing."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
