"""The player of the Game of 24: its arithmetic, its judgement, its noise."""

# ruff: noqa: S311  # reproducible on purpose

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations, product
from random import Random

import pytest

from cachesaver.rehearsal.game24 import Numbers, game24, next_steps, solvable
from cachesaver.rehearsal.values import Message, Prompt

PUZZLES = ("4 9 10 13", "1 4 8 8", "6 6 6 6", "2 3 5 12", "3 3 8 8")
HOPELESS = ("1 1 1 1", "1 1 1 7", "13 13 13 13")

OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
}


def read(text: str) -> Numbers:
    return tuple(sorted(map(Fraction, text.split())))


def calculated(expression: str) -> Fraction:
    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int)
            return Fraction(node.value)
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        assert isinstance(node, ast.BinOp)
        return OPERATORS[type(node.op)](value(node.left), value(node.right))

    return value(ast.parse(expression, mode="eval").body)


def reaches_24(puzzle: str) -> bool:
    """Tell by trying every expression, written out: no code is shared with the voice."""
    shapes = [
        *("(({}{}{}){}{}){}{}", "({}{}({}{}{})){}{}", "({}{}{}){}({}{}{})"),
        *("{}{}(({}{}{}){}{})", "{}{}({}{}({}{}{}))"),
    ]
    for (a, b, c, d), (x, y, z) in product(permutations(puzzle.split()), product("+-*/", repeat=3)):
        for shape in shapes:
            try:
                if calculated(shape.format(a, x, b, y, c, z, d)) == 24:
                    return True
            except ZeroDivisionError:
                continue
    return False


def say(text: str, seed: int = 0, temperature: float = 1.0) -> str:
    prompt = Prompt(messages=(Message(role="user", text=text),), temperature=temperature, tag="q#0")
    return game24(prompt, Random(seed)).text


def proposals(numbers: str, seed: int = 0, temperature: float = 1.0) -> list[str]:
    return say(
        f"Rules.\n\nInput: {numbers}\nPossible next steps:\n", seed, temperature
    ).splitlines()


def judgement(numbers: str, seed: int) -> str:
    return say(f"Say one word: sure/likely/impossible.\n\n{numbers}\n", seed).splitlines()[-1]


@pytest.mark.parametrize("puzzle", PUZZLES + HOPELESS)
def test_what_can_be_solved_is_known(puzzle: str) -> None:
    assert solvable(read(puzzle)) == reaches_24(puzzle) == (puzzle in PUZZLES)


def test_next_steps_are_all_there_are() -> None:
    assert {text for text, _ in next_steps(read("2 4"))} == {
        *("2 + 4 = 6", "4 - 2 = 2", "2 - 4 = -2", "2 * 4 = 8", "4 / 2 = 2", "2 / 4 = 1/2"),
    }
    assert len({text for text, _ in next_steps(read("0 0"))}) == 3  # 0 is divided by nothing


@pytest.mark.parametrize("numbers", [*PUZZLES, "8/3 8 3", "-2 26", "0 24", "0 0"])
def test_proposed_steps_are_true_and_say_what_is_left(numbers: str) -> None:
    for seed in range(20):
        lines = proposals(numbers, seed)
        assert len(lines) == len(set(lines))
        for line in lines:
            found = re.fullmatch(r"(\S+) ([-+*/]) (\S+) = (\S+) \(left: (.+)\)", line)
            assert found
            left, sign, right, result, rest = found.groups()
            assert calculated(f"({left}) {sign} ({right})") == Fraction(result)
            used = Counter(map(str, read(numbers))) - Counter([left, right])
            assert Counter(rest.split()) == used + Counter([result])


def test_useful_steps_are_proposed_more_often_and_more_so_when_cool() -> None:
    def useful_share(temperature: float) -> float:
        lines = [line for s in range(40) for line in proposals(PUZZLES[0], s, temperature)]
        left = [line.partition("left: ")[2].rstrip(")") for line in lines]
        return sum(solvable(read(each)) for each in left) / len(left)

    steps = [left for _, left in next_steps(read(PUZZLES[0]))]
    blind = sum(map(solvable, steps)) / len(steps)
    assert blind < useful_share(1.0) < useful_share(0.2) < 1


def test_judgements_are_noisy_and_sensible() -> None:
    def words(numbers: str) -> Counter[str]:
        return Counter(judgement(numbers, seed) for seed in range(300))

    good, bad = words("4 6"), words("1 2")

    assert good["sure"] > 10 * bad["sure"] > 0
    assert bad["impossible"] > 4 * good["impossible"] > 0
    assert {judgement("24", s) for s in range(20)} == {"sure"}
    assert {judgement("23", s) for s in range(20)} == {"impossible"}


def test_who_gives_up_has_tried_for_longer_and_all_tries_are_true() -> None:
    said = [say(f"sure/likely/impossible.\n{PUZZLES[0]}", seed).splitlines() for seed in range(60)]

    lengths = {word: [len(s) for s in said if s[-1] == word] for word in ("sure", "impossible")}
    assert max(lengths["sure"]) < min(lengths["impossible"])
    for step in (step for lines in said for line in lines[:-1] for step in line.split(", ")):
        found = re.fullmatch(r"(\S+) ([-+*/]) (\S+) = (\S+)", step)
        assert found
        assert calculated(f"({found[1]}) {found[2]} ({found[3]})") == Fraction(found[4])


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        ("10 - 4 = 6\n6 * 4 = 24", "((10 - 4) * 4) = 24"),
        ("8 / 3 = 8/3\n3 - 8/3 = 1/3\n8 / 1/3 = 24", "(8 / (3 - (8 / 3))) = 24"),
        ("6 + 6 = 12\n6 + 6 = 12\n12 + 12 = 24", "((6 + 6) + (6 + 6)) = 24"),
        ("nothing", "none = 24"),
    ],
)
def test_steps_are_written_as_one_expression(steps: str, answer: str) -> None:
    assert say(f"Input: 1 2\nSteps:\n{steps}\nAnswer:\n") == answer


def test_everything_else_is_prose_and_schemas_are_obeyed() -> None:
    asked = Prompt(messages=(Message(role="user", text="x"),), schema={"const": 1})

    assert say("How are you?").startswith("[q#0]")
    assert game24(asked, Random(0)).text == "1"
