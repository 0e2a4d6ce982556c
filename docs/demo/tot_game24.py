"""Tree of Thoughts on the Game of 24.

Breadth-first search after Yao et al. 2023 (https://arxiv.org/abs/2305.10601): from each kept state
the model proposes next steps, it judges what each leaves over several times, and the best few
states are kept. After three steps one number is left; where it is 24, the model writes the answer
down as one expression.

An ordinary program, with an ordinary client. It prints a JSON report.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import operator
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from fractions import Fraction

from openai import AsyncOpenAI

PROPOSE = """\
Combine two of the numbers with + - * / to get closer to 24. List possible next steps.

Input: 2 8 8 14
Possible next steps:
2 + 8 = 10 (left: 8 10 14)
8 / 2 = 4 (left: 4 8 14)
14 - 8 = 6 (left: 2 6 8)

Input: {numbers}
Possible next steps:
"""

VALUE = """\
Judge whether the numbers can be combined with + - * / to 24, each used once. \
Try a little, then say one word on the last line: sure/likely/impossible.

10 14
10 + 14 = 24
sure

1 3 3
1 * 3 * 3 = 9
(1 + 3) * 3 = 12
impossible

{numbers}
"""

ANSWER = """\
Write the steps as one expression that equals 24 and uses each input number once.

Input: {numbers}
Steps:
{steps}
Answer:
"""

GOAL = 24
WORTH = {"sure": 20.0, "likely": 1.0, "impossible": 0.001}

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class State:
    left: str
    steps: tuple[str, ...] = ()
    value: float = 0.0


@dataclass
class Usage:
    calls: int = 0
    samples: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Solver:
    client: AsyncOpenAI
    model: str
    temperature: float
    breadth: int
    votes: int
    usage: Usage = field(default_factory=Usage)

    async def ask(self, prompt: str, n: int = 1) -> list[str]:
        completion = await self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": prompt}],
            temperature=self.temperature,
            n=n,
        )
        self.usage.calls += 1
        self.usage.samples += len(completion.choices)
        if completion.usage is not None:
            self.usage.prompt_tokens += completion.usage.prompt_tokens
            self.usage.completion_tokens += completion.usage.completion_tokens
        return [choice.message.content or "" for choice in completion.choices]

    async def propose(self, state: State) -> list[State]:
        (text,) = await self.ask(PROPOSE.format(numbers=state.left))
        found = re.findall(r"^(.+ = .+) \(left: (.+)\)$", text, re.MULTILINE)
        return [State(left=left, steps=(*state.steps, step)) for step, left in found]

    async def evaluate(self, state: State) -> State:
        votes = await self.ask(VALUE.format(numbers=state.left), n=self.votes)
        words = [(vote.splitlines() or [""])[-1].strip() for vote in votes]
        return State(state.left, state.steps, sum(WORTH.get(word, 0.0) for word in words))

    async def solve(self, puzzle: str) -> dict[str, object]:
        states, kept = [State(left=puzzle)], list[list[State]]()
        for _ in puzzle.split()[1:]:
            proposed = await asyncio.gather(*(self.propose(state) for state in states))
            judged = await asyncio.gather(*(self.evaluate(s) for group in proposed for s in group))
            states = sorted(judged, key=lambda state: -state.value)[: self.breadth]
            kept.append(states)
        answer = await self.answer(puzzle, states)
        return {
            "puzzle": puzzle,
            "solved": is_right(puzzle, answer),
            "answer": answer,
            "trajectory": [[asdict(state) for state in level] for level in kept],
        }

    async def answer(self, puzzle: str, states: list[State]) -> str | None:
        done = next((state for state in states if state.left == str(GOAL)), None)
        if done is None:
            return None
        (text,) = await self.ask(ANSWER.format(numbers=puzzle, steps="\n".join(done.steps)))
        return text.strip()


def is_right(puzzle: str, answer: str | None) -> bool:
    """Tell whether *answer* uses the puzzle's numbers, each once, and equals 24."""
    expression = (answer or "").partition("=")[0].strip()
    used = re.findall(r"\d+", expression)
    try:
        return Counter(used) == Counter(puzzle.split()) and calculated(expression) == GOAL
    except (SyntaxError, ValueError, ZeroDivisionError):
        return False


def calculated(expression: str) -> Fraction:
    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.BinOp(left, op, right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
            case ast.Constant(int(number)):
                return Fraction(number)
            case _:
                raise ValueError(expression)

    return value(ast.parse(expression, mode="eval").body)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", nargs="+", help='such as "4 9 10 13"')
    parser.add_argument("--model", default="gpt-4o-mini")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--breadth", type=int, default=5, help="states kept after each step")
    parser.add_argument("--votes", type=int, default=3, help="judgements of each state")
    args = parser.parse_args()

    async with AsyncOpenAI() as client:
        solver = Solver(client, args.model, args.temperature, args.breadth, args.votes)
        puzzles = await asyncio.gather(*(solver.solve(puzzle) for puzzle in args.puzzles))

    solved = sum(puzzle["solved"] is True for puzzle in puzzles)
    report = {"solved": solved, "usage": asdict(solver.usage), "puzzles": puzzles}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
