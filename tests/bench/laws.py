"""What the laws cost and save: samples bought, calls made, processes side by side, first tokens."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2

import cachesaver
from cachesaver.rehearsal import Rehearsal
from cachesaver.session import Session

SUPPORT = Path(__file__).parents[1] / "support"
sys.path.insert(0, str(SUPPORT))

from loads.season import Kills, Program, season  # noqa: E402  # where it lies is known by now
from loads.texts import OPENAI  # noqa: E402

Measured = Iterator[tuple[str, str, str, str, bool]]


def measured() -> Measured:
    """Yield a row for each."""
    yield _herd()
    yield _bought(1, None)
    yield _bought(8, None)
    yield _bought(8, Kills(every=0.5, most=30))
    yield _side_by_side()
    yield _first_token()


def _ask(model: object, **more: object) -> dict[str, Any]:
    return {"model": str(model), "messages": [{"role": "user", "content": "Why?"}], **more}


def _herd() -> tuple[str, str, str, str, bool]:
    draws, most = 1000, 128

    async def ask(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            asked = [client.post(OPENAI, json=_ask("m")) for _ in range(draws)]
            for answer in await asyncio.gather(*asked):
                answer.raise_for_status()

    with Rehearsal(latency=0.02) as provider:
        with cachesaver.install("a", store="memory://", quiet=True, strict=True):
            asyncio.run(ask(provider.url))
        calls = provider.calls().calls
    fewest = -(-draws // most)
    return (
        "1,000 concurrent identical draws, cold",
        f"the fewest calls with `n` ≤ {most}",
        f"{calls} calls",
        f"{fewest} calls",
        calls == fewest,
    )


def _bought(workers: int, kills: Kills | None) -> tuple[str, str, str, str, bool]:
    program = Program(namespace="a", seed=1, workers=workers)
    with (
        tempfile.TemporaryDirectory() as folder,
        season(Path(folder), latency="0.1~0.9" if kills else "0.01") as opened,
    ):
        lives = opened.perform(program, kills=kills, limit=300)
        told, lost = opened.breaches(), opened.lost()
        kept = opened.provider.calls().samples - lost - opened.broken_off()
    least, dead = program.plan.draws().total(), sum(life.killed for life in lives)
    crashes = f", {dead} times one killed and started again" if kills else ""
    flying = f", and {lost} in flight at a kill" if kills else ""
    return (
        f"samples bought for a workload, {workers} process{'es' if workers > 1 else ''}{crashes}",
        f"the least that independence allows, {least}",
        f"{kept / least:.2f}x{flying}",
        "1.00x",
        kept == least and not told,
    )


DRAWER = """
import json, os, sys, time
import httpx2
import cachesaver

url, store, run, rank, draws, questions = sys.argv[1:]
os.environ["RANK"] = rank
tags = []
with (
    cachesaver.install("a", store=store, run=run, mode="replay", quiet=True),
    httpx2.Client(base_url=url) as client,
):
    def draw(number):
        body = {"model": f"m{number % int(questions)}", "messages": [{"role": "user", "content": "Why?"}]}
        answer = client.post("/v1/chat/completions", json=body).json()
        tags.append(answer["choices"][0]["message"]["content"].partition("]")[0])

    draw(0)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.time()
    for number in range(1, int(draws)):
        draw(number)
    print(json.dumps([start, time.time(), tags]), flush=True)
"""


def _side_by_side() -> tuple[str, str, str, str, bool]:
    """Beside them as many that share nothing: what of its cores a busy machine gives to anybody."""
    processes, cores = 8, os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "s"
        with Rehearsal() as provider:
            url = provider.url
            with (
                cachesaver.install("fill", store=store, quiet=True, strict=True),
                httpx2.Client(base_url=url, timeout=60) as client,
            ):
                for question in range(QUESTIONS):
                    client.post(OPENAI, json=_ask(f"m{question}", n=128)).raise_for_status()
        own = [shutil.copytree(store, Path(folder) / f"s{rank}") for rank in range(processes)]
        together, apart, duplicates = list[float](), list[float](), 0
        for turn in range(5):
            one, _ = _drawn(url, [store], f"one {turn}")
            all_, twice = _drawn(url, [store] * processes, f"all {turn}")
            each, _ = _drawn(url, own, f"each {turn}")
            together.append(all_ / one)
            apart.append(each / one)
            duplicates += twice
    speed = statistics.median(together)
    needed, alone = 0.8 * min(processes, cores), statistics.median(apart)
    beside = f"{processes} with a store each: {alone:.2f}x"
    return (
        f"{processes} processes drawing from one store, hits on {cores} cores",
        "1 process",
        f"{speed:.2f}x its throughput ({beside}), {duplicates} duplicates",
        f"≥ {needed:.1f}x, 0 duplicates",
        speed >= needed and not duplicates,
    )


DRAWS, QUESTIONS = 600, 40


def _drawn(url: str, stores: Sequence[Path], run: str) -> tuple[float, int]:
    """Let a process draw from each of *stores*.

    Returns:
        Draws a second of all together, and how many samples came twice.
    """
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                DRAWER,
                url,
                str(store),
                run,
                *map(str, (rank, DRAWS, QUESTIONS)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank, store in enumerate(stores)
    ]
    for each in started:
        assert each.stdout is not None
        each.stdout.readline()
    said = list[tuple[float, float, list[str]]]()
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\\n")
        each.stdin.flush()
    for each in started:
        out, _ = each.communicate()
        said.append(tuple(json.loads(out)))
    seconds = max(end for _, end, _ in said) - min(start for start, _, _ in said)
    tags = [tag for _, _, some in said for tag in some]
    return len(tags) / seconds, len(tags) - len(set(tags))


def _first_token() -> tuple[str, str, str, str, bool]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Rehearsal(latency="0.005+0.001/token") as provider,
        Session.open("a", store=Path(folder) / "s", strict=True) as session,
        httpx2.Client(
            base_url=provider.url, transport=session.httpx_transport(httpx2.HTTPTransport())
        ) as ours,
        httpx2.Client(base_url=provider.url) as theirs,
    ):
        found = [(_until_first(ours, n), _until_first(theirs, n)) for n in range(60)][10:]
    more = 1000 * statistics.median(a - b for a, b in found)
    return (
        "first token while recording a stream",
        "the live stream without us (clock on the wall)",
        f"{more:.2f} ms more",
        "≤ 2 ms more",
        more <= 2,
    )


def _until_first(client: httpx2.Client, number: int) -> float:
    start = time.perf_counter()
    with client.stream("POST", OPENAI, json=_ask(number, stream=True)) as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        first = time.perf_counter() - start
        for _ in chunks:
            pass
    return first
