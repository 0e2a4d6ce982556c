"""Tree of Thoughts on the Game of 24: breadth first, next steps proposed, each judged by a vote.

After Yao et al. 2023 (https://arxiv.org/abs/2305.10601). All puzzles are searched at once, over one
client that lets a few calls go out at a time. Prints what was asked and said, puzzle by puzzle.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cachesaver

cachesaver.install()

from openai import AsyncOpenAI  # noqa: E402

GAME = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "demo" / "tot_game24.py"))
"""The prompts of the demonstration."""


@dataclass
class Search:
    client: AsyncOpenAI
    gate: asyncio.Semaphore
    puzzle: str
    votes: int
    breadth: int
    trajectory: list[Any] = field(default_factory=list[Any])

    async def ask(self, prompt: str, n: int = 1) -> list[str]:
        async with self.gate:
            said = await self.client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": prompt}],
                temperature=0.7,
                n=n,
            )
        return [choice.message.content or "" for choice in said.choices]

    async def propose(self, state: str) -> dict[str, Any]:
        prompt = GAME["PROPOSE"].format(numbers=state)
        (text,) = await self.ask(prompt)
        left = re.findall(r"\(left: (.+)\)$", text, re.MULTILINE)
        return {"asked": digest(prompt), "said": text, "left": left}

    async def judge(self, state: str) -> dict[str, Any]:
        prompt = GAME["VALUE"].format(numbers=state)
        said = await self.ask(prompt, n=self.votes)
        score = sum(GAME["WORTH"].get(vote.splitlines()[-1], 0.0) for vote in said)
        return {"asked": digest(prompt), "said": said, "state": state, "score": score}

    async def solve(self) -> dict[str, Any]:
        states = [self.puzzle]
        for _ in self.puzzle.split()[1:]:
            proposed = await asyncio.gather(*(self.propose(state) for state in states))
            left = [state for each in proposed for state in each["left"]]
            # The same state is reached on several ways, and is judged anew on each.
            judged = await asyncio.gather(*(self.judge(state) for state in left))
            best = sorted(judged, key=lambda each: -each["score"])[: self.breadth]
            states = [each["state"] for each in best]
            self.trajectory.append({"proposed": proposed, "judged": judged, "kept": states})
        return {"trajectory": self.trajectory, "result": "24" in states}


def digest(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()[:12]


async def main(arguments: argparse.Namespace) -> None:
    async with AsyncOpenAI() as client:
        gate = asyncio.Semaphore(arguments.workers)
        searches = [
            Search(client, gate, puzzle, arguments.votes, arguments.breadth)
            for puzzle in arguments.puzzles
        ]
        found = await asyncio.gather(*(search.solve() for search in searches))
    print(json.dumps(dict(zip(arguments.puzzles, found, strict=True))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", nargs="+")
    parser.add_argument("--votes", type=int, default=3)
    parser.add_argument("--breadth", type=int, default=3)
    parser.add_argument("--workers", type=int, default=8, help="calls that go out at a time")
    parser.add_argument("--uvloop", action="store_true")
    given = parser.parse_args()
    if given.uvloop:
        import uvloop

        uvloop.run(main(given))
    else:
        asyncio.run(main(given))
