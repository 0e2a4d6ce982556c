"""The local endpoint beside transformers: eight samples after a prompt of 1,024 tokens, 64 tokens each.

Every way has a process of its own, with one thread for torch; they draw turn by turn, a new prompt each
turn. In one process: our engine, and three ways of transformers. Over HTTP: our server, asked once for
eight, and `transformers serve`, which knows no `n` and is asked eight times at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from serving.asking import AROUND, ask_all, text  # noqa: E402  # found from here on
from serving.environment import TRANSFORMERS, environment  # noqa: E402
from serving.servers import KINDS, SMALL, run  # noqa: E402

__all__ = ["beside", "measured"]

Measured = Iterator[tuple[str, str, str, str, bool]]
Turn = Callable[[int], tuple[float, float]]
"""Draws after a prompt made from a seed; seconds of processor and of wall."""

SHAPE, LENGTH, N, OUT = "94M", 1024, 8, 64
TURNS = 3
WANTED = 2.0
BARE = (
    "cachesaver's engine",
    "generate(num_return_sequences=n)",
    "n times generate",
    "continuous batching",
)
SHOWN = {
    "generate(num_return_sequences=n)": "`generate(num_return_sequences=8)`",
    "n times generate": "8 times `generate`",
    "continuous batching": "continuous batching, `num_return_sequences=8`",
    "transformers serve": "`transformers serve`, 8 requests at once",
    "transformers serve --continuous-batching": "`transformers serve --continuous-batching`, 8 at once",
}


def beside() -> str:
    """Return what the figures stand beside: versions, and what was drawn."""
    return (
        f"torch 2.13.0 on one thread, transformers {TRANSFORMERS}; a Llama of {SHAPE} random weights in "
        f"float32, a prompt of {LENGTH:,} tokens, n={N}, {OUT} tokens each, {TURNS} turns. "
        "Seconds of processor, medians; in brackets the ratio by the clock, on a machine others used too."
    )


def measured() -> Measured:
    """Yield a row for each peer."""
    python = environment()
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch) / SHAPE
        subprocess.run(_tool(python, "save", SHAPE, folder), check=True, env=_settings())
        bare = {way: stack.enter_context(_drawing(python, folder, way)) for way in BARE}
        served = {kind: stack.enter_context(_serving(python, folder, kind)) for kind in KINDS}
        found = _turns(bare | served)
    yield from _rows(found, BARE, "the engine, in one process")
    yield from _rows(found, KINDS, "`cachesaver local serve`, over HTTP")


def _turns(ways: Mapping[str, Turn]) -> Mapping[str, Sequence[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(TURNS):
        for way, draw in ways.items():
            found[way].append(draw(turn + 1))
            sys.stderr.write(f"{way}: {found[way][-1][0]:.1f} s\n")
    return found


def _rows(
    found: Mapping[str, Sequence[tuple[float, float]]], ways: Sequence[str], what: str
) -> Measured:
    ours, *peers = ways
    for peer in peers:
        pairs = [*zip(found[ours], found[peer], strict=True)]
        ratio, walls = (statistics.median(b[at] / a[at] for a, b in pairs) for at in (0, 1))
        mine, theirs = (statistics.median(each[0] for each in found[way]) for way in (ours, peer))
        shown = f"{mine:.1f} s, theirs {theirs:.1f}: {ratio:.2f}x ({walls:.2f}x)"
        yield what, SHOWN[peer], shown, f"≥ {WANTED:.0f}x", ratio >= WANTED


@contextlib.contextmanager
def _drawing(python: Path, folder: Path, way: str) -> Generator[Turn]:
    """Have a process that draws in *way*."""
    numbers = map(str, (LENGTH, N, OUT))
    with subprocess.Popen(
        _tool(python, "draw", folder, way, *numbers),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_settings(),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, said = process.stdin, process.stdout
        _line(said, "ready")

        def draw(seed: int) -> tuple[float, float]:
            told.write(f"{seed}\n")
            told.flush()
            used, took = json.loads(_line(said, "["))
            return used, took

        yield draw
        told.close()


def _line(lines: Iterator[str], beginning: str) -> str:
    """Return the next line that begins so; libraries print what they like before it."""
    return next(line for line in lines if line.startswith(beginning))


@contextlib.contextmanager
def _serving(python: Path, folder: Path, kind: str) -> Generator[Turn]:
    """Have a server of *kind*."""
    fields = {"max_tokens": OUT, "temperature": 1.0}

    options = SMALL if kind == KINDS[2] else ()
    log = folder / f"{kind}.log"
    with run(kind, python, folder, log=log, options=options, settings=_settings()) as server:

        def draw(seed: int, length: int = LENGTH) -> tuple[float, float]:
            asked = [text(length - AROUND, seed)]
            used, began = server.used, time.perf_counter()
            drawn = ask_all(
                server.url, server.model, asked, n=N, knows_n=kind == KINDS[0], fields=fields
            )
            assert drawn == N
            return server.used - used, time.perf_counter() - began

        draw(0, 16)
        yield draw


def _tool(python: Path, *arguments: object) -> list[str]:
    return [str(python), str(Path(__file__).with_name("local_tool.py")), *map(str, arguments)]


def _settings() -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
