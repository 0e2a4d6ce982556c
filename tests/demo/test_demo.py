"""The demonstration: the program it runs, what it checks, and that it can fail."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cachesaver.rehearsal import Latency, Rehearsal, Tally
from cachesaver.rehearsal.game24 import read_numbers, solvable

pytestmark = pytest.mark.source_tree

DEMO = Path(__file__).parents[2] / "docs" / "demo"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_demo_{name}", DEMO / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demo() -> Any:
    pytest.importorskip("genai_prices", reason="the demo's own dependency group")
    pytest.importorskip("rich", reason="the demo's own dependency group")
    return load("demo")


@pytest.fixture(scope="module")
def program() -> Any:
    return load("tot_game24")


def results(demo: Any) -> list[Any]:
    """Return what the five runs measure when everything is as promised."""
    report: dict[str, Any] = {"solved": 4, "usage": {"samples": 100}, "puzzles": []}
    bought = {None: 100, "demo-1": 100, "demo-4": 40}
    return [
        demo.Measured(
            run=run,
            report=report,
            upstream=Tally(
                calls=bought.get(run.namespace, 0), samples=bought.get(run.namespace, 0)
            ),
            seconds=1.0,
        )
        for run in demo.RUNS
    ]


def test_every_puzzle_can_be_solved(demo: Any) -> None:
    assert all(solvable(read_numbers(puzzle)) for puzzle in demo.PUZZLES)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(10 - 4) * (13 - 9) = 24", True),
        ("(4 * (10 - (13 - 9))) = 24", True),
        ("10 + 13 + 4 - 9 = 24", False),
        ("24 = 24", False),
        ("4 * 9 - 10 - 13 / 1", False),
        ("(4 / (9 - 9)) * 10 * 13", False),
        ("4 ** 9 + 10 + 13", False),
        ("4 9 10 13", False),
        (None, False),
    ],
)
def test_answers_are_checked(program: Any, answer: str | None, right: bool) -> None:  # noqa: FBT001
    assert program.is_right("4 9 10 13", answer) is right


def test_tree_of_thoughts_solves_a_good_share_and_counts_what_it_asks(tmp_path: Path) -> None:
    """Given the voice that plays, when the program runs by itself, then most puzzles are solved."""
    puzzles = ["4 9 10 13", "1 4 8 8", "6 6 6 6", "2 3 5 12"]
    with Rehearsal(seed=5, voice="game24") as provider:
        address = {"OPENAI_BASE_URL": provider.openai_url, "OPENAI_API_KEY": "k"}
        done = subprocess.run(
            [sys.executable, DEMO / "tot_game24.py", *puzzles, "--breadth", "3"],
            env={**os.environ, **address},
            capture_output=True,
            text=True,
            check=True,
        )
        seen = provider.calls().total
    report = json.loads(done.stdout)

    assert report["solved"] >= 2
    assert report["usage"] == {
        "calls": seen.calls,
        "samples": seen.samples,
        "prompt_tokens": seen.prompt_tokens,
        "completion_tokens": seen.completion_tokens,
    }
    assert [len(puzzle["trajectory"]) for puzzle in report["puzzles"]] == [3, 3, 3, 3]


def test_a_run_as_promised_has_no_faults_and_a_table(demo: Any) -> None:
    assert demo.faults(results(demo)) == []
    assert demo.table(results(demo)).row_count == 5


@pytest.mark.parametrize(
    ("place", "change", "complaint"),
    [
        (2, {"report": {"solved": 3, "usage": {"samples": 100}}}, "differs from the cold run"),
        (3, {"upstream": Tally(calls=1)}, "made 1 calls"),
        (4, {"upstream": Tally(calls=1, samples=100)}, "bought 100 of 100"),
        (4, {"upstream": Tally()}, "bought 0 of 100"),
    ],
)
def test_a_broken_promise_is_told(
    demo: Any, place: int, change: dict[str, object], complaint: str
) -> None:
    measured = results(demo)
    measured[place] = replace(measured[place], **change)

    (fault,) = demo.faults(measured)

    assert complaint in fault
    assert fault.startswith(demo.RUNS[place].title)


def test_a_token_has_its_price(demo: Any) -> None:
    million = Tally(prompt_tokens=1_000_000, completion_tokens=1_000_000)

    assert 0 < demo.cost(Tally(prompt_tokens=1000)) < demo.cost(million)


def test_the_demonstration_keeps_its_promises(
    demo: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "PUZZLES", ("4 9 10 13",))
    monkeypatch.setattr(demo, "LATENCY", Latency(base=0.01, jitter=0.9))

    assert demo.main([]) == 0
    assert "asked the provider nothing" in capsys.readouterr().out.replace("\n", " ")


def test_a_broken_promise_fails_the_demonstration(
    demo: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given runs that all asked the provider, then each promise that is broken is told."""
    live = [replace(each, upstream=Tally(calls=9, samples=100)) for each in results(demo)]

    def measured(start: object, console: object) -> list[Any]:
        return live

    monkeypatch.setattr(demo, "measure_all", measured)

    assert demo.main([]) == 1
    assert capsys.readouterr().out.count("not as promised") == 3


def test_a_program_that_fails_ends_the_demonstration(
    demo: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('out of luck')")
    monkeypatch.setattr(demo, "PROGRAM", broken)

    with Rehearsal() as provider, pytest.raises(SystemExit, match="out of luck"):
        demo.measure(demo.RUNS[0], provider, [], lambda: None)
