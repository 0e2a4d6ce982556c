"""Self-consistency: the same question several times, and the majority of the answers.

After Wang et al. 2022 (https://arxiv.org/abs/2203.11171). The question is whether numbers can be
combined to 24. Three ways to ask many at once; prints what was asked and said, puzzle by puzzle.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import json
import runpy
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cachesaver

cachesaver.install()

from openai import AsyncOpenAI, OpenAI  # noqa: E402

GAME = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "demo" / "tot_game24.py"))
"""The prompts of the demonstration."""


def messages(puzzle: str) -> Any:
    return [{"role": "user", "content": GAME["VALUE"].format(numbers=puzzle)}]


@functools.cache
def client() -> OpenAI:
    return OpenAI()


def sample(puzzle: str) -> str:
    said = client().chat.completions.create(model="gpt-4o-mini", messages=messages(puzzle))
    return said.choices[0].message.content or ""


def samples(puzzle: str, votes: int) -> list[str]:
    return [sample(puzzle) for _ in range(votes)]


def voted(puzzle: str, said: list[str]) -> dict[str, Any]:
    words = [text.splitlines()[-1] for text in said]
    yes = sum(word != "impossible" for word in words)
    asked = hashlib.sha256(str(messages(puzzle)).encode()).hexdigest()[:12]
    return {"asked": asked, "trajectory": said, "result": 2 * yes > len(words)}


def pooled(pool: Executor, puzzles: list[str], votes: int, job: str) -> dict[str, Any]:
    """Ask in the workers of *pool*: one job a puzzle, or one a sample."""
    if job == "puzzle":
        answers = list(pool.map(samples, puzzles, [votes] * len(puzzles)))
    else:
        jobs = [[pool.submit(sample, puzzle) for _ in range(votes)] for puzzle in puzzles]
        answers = [[each.result() for each in row] for row in jobs]
    return {puzzle: voted(puzzle, said) for puzzle, said in zip(puzzles, answers, strict=True)}


async def awaited(puzzles: list[str], votes: int, workers: int) -> dict[str, Any]:
    gate = asyncio.Semaphore(workers)
    async with AsyncOpenAI() as provider:

        async def one(puzzle: str) -> str:
            async with gate:
                said = await provider.chat.completions.create(
                    model="gpt-4o-mini", messages=messages(puzzle)
                )
            return said.choices[0].message.content or ""

        async def many(puzzle: str) -> dict[str, Any]:
            return voted(puzzle, await asyncio.gather(*(one(puzzle) for _ in range(votes))))

        found = await asyncio.gather(*map(many, puzzles))
    return dict(zip(puzzles, found, strict=True))


def main(arguments: argparse.Namespace) -> dict[str, Any]:
    puzzles, votes, workers = arguments.puzzles, arguments.votes, arguments.workers
    if arguments.way == "asyncio":
        if not arguments.uvloop:
            return asyncio.run(awaited(puzzles, votes, workers))
        import uvloop

        return uvloop.run(awaited(puzzles, votes, workers))
    kind = ThreadPoolExecutor if arguments.way == "threads" else ProcessPoolExecutor
    with kind(workers) as pool:
        return pooled(pool, puzzles, votes, arguments.job)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", nargs="+")
    parser.add_argument("--way", choices=["asyncio", "threads", "processes"], default="asyncio")
    parser.add_argument("--job", choices=["puzzle", "sample"], default="sample")
    parser.add_argument("--votes", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--uvloop", action="store_true")
    print(json.dumps(main(parser.parse_args())))
