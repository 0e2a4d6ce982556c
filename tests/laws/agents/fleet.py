"""A fleet of agents on the Game of 24: all step at once, and are resampled by value now and then.

After Klein et al. 2024, Fleet of Agents (https://arxiv.org/abs/2405.06691): agents mutate by
themselves; every few steps they are drawn anew among all states seen so far, by value, so that hopeless
agents go on from better ones or turn back. Prints what was asked and said, puzzle by puzzle.
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
from random import Random
from typing import Any

import cachesaver

cachesaver.install()

from openai import AsyncOpenAI  # noqa: E402

GAME = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "demo" / "tot_game24.py"))
"""The prompts of the demonstration."""

DISCOUNT = 0.5
"""What a state is worth less for every step that lies between."""


@dataclass
class Fleet:
    client: AsyncOpenAI
    puzzle: str
    agents: int
    every: int
    votes: int
    steps: int = 6
    trajectory: list[Any] = field(default_factory=list[Any])

    async def ask(self, prompt: str, n: int = 1) -> list[str]:
        said = await self.client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": prompt}],
            temperature=0.7,
            n=n,
        )
        return [choice.message.content or "" for choice in said.choices]

    async def step(self, state: str) -> dict[str, Any]:
        """Let one agent take one of the steps it thinks of; from a dead end, start again."""
        if " " not in state:
            return {"left": state if state == "24" else self.puzzle}
        prompt = GAME["PROPOSE"].format(numbers=state)
        (text,) = await self.ask(prompt)
        left = re.findall(r"\(left: (.+)\)$", text, re.MULTILINE)
        return {"asked": digest(prompt), "said": text, "left": left[0] if left else self.puzzle}

    async def judge(self, state: str) -> dict[str, Any]:
        prompt = GAME["VALUE"].format(numbers=state)
        said = await self.ask(prompt, n=self.votes)
        score = sum(GAME["WORTH"].get(vote.splitlines()[-1], 0.0) for vote in said)
        return {"asked": digest(prompt), "said": said, "score": score}

    async def solve(self) -> dict[str, Any]:
        states, seen = [self.puzzle] * self.agents, dict[str, tuple[int, float]]()
        dice = Random(24)  # noqa: S311  # reproducible on purpose
        for step in range(1, self.steps + 1):
            async with asyncio.TaskGroup() as group:
                moves = [group.create_task(self.step(state)) for state in states]
            moved = [move.result() for move in moves]
            states = [each["left"] for each in moved]
            self.trajectory.append({"moved": moved})
            if "24" in states:
                break
            if step % self.every == 0:
                judged = await self.judge_all(states)
                seen |= {state: (step, each["score"]) for state, each in judged.items()}
                worth = {s: v * DISCOUNT ** (step - at) + 1e-6 for s, (at, v) in seen.items()}
                order = sorted(worth)
                states = dice.choices(order, [worth[state] for state in order], k=self.agents)
                self.trajectory.append({"judged": judged, "drawn": states})
        return {"trajectory": self.trajectory, "result": "24" in states}

    async def judge_all(self, states: list[str]) -> dict[str, Any]:
        # A set: in which order its members are judged depends on the hash seed.
        async with asyncio.TaskGroup() as group:
            tasks = {state: group.create_task(self.judge(state)) for state in set(states)}
        return {state: tasks[state].result() for state in sorted(tasks)}


def digest(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()[:12]


async def main(arguments: argparse.Namespace) -> None:
    async with AsyncOpenAI() as client, asyncio.TaskGroup() as group:
        fleets = {
            puzzle: group.create_task(
                Fleet(client, puzzle, arguments.agents, arguments.every, arguments.votes).solve()
            )
            for puzzle in arguments.puzzles
        }
    print(json.dumps({puzzle: fleet.result() for puzzle, fleet in fleets.items()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", nargs="+")
    parser.add_argument("--agents", type=int, default=5)
    parser.add_argument("--every", type=int, default=2, help="steps between two resamplings")
    parser.add_argument("--votes", type=int, default=2)
    parser.add_argument("--uvloop", action="store_true")
    given = parser.parse_args()
    if given.uvloop:
        import uvloop

        uvloop.run(main(given))
    else:
        asyncio.run(main(given))
