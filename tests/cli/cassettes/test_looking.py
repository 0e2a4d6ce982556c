"""Looking at recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachesaver.cli import main
from recorded import KEY, vcrpy


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.yaml"
    path.write_bytes(vcrpy("Greet Ada.", "Greet Grace.", "Greet Ada."))
    return path


def test_questions_are_listed(yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["cassette", "show", str(yaml)])

    head, *rows, total = capsys.readouterr().out.splitlines()
    assert status == 0
    assert head.split() == ["fingerprint", "dialect", "model", "answers", "tokens", "question"]
    cells = sorted(row.split(maxsplit=5)[1:] for row in rows)
    assert cells == [
        ["openai.chat", "gpt-5-mini-2025-08-07", "1", "7", "Greet Grace."],
        ["openai.chat", "gpt-5-mini-2025-08-07", "2", "14", "Greet Ada."],
    ]
    assert total == "3 answers to 2 questions"


def test_a_cassette_and_a_store_are_listed_alike(
    yaml: Path, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cassette = yaml.with_suffix(".cassette")
    main(["cassette", "import", str(yaml), str(cassette)])
    capsys.readouterr()

    for named in (yaml, cassette):
        main(["cassette", "show", str(named)])
    told = capsys.readouterr().out
    main(["cassette", "show", str(filled)])

    assert told[: len(told) // 2] == told[len(told) // 2 :]
    assert capsys.readouterr().out.endswith("3 answers to 2 questions\n")


def test_one_question_is_shown_with_its_answers(
    yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["cassette", "show", str(yaml)])
    row = next(row for row in capsys.readouterr().out.splitlines() if row.endswith("Ada."))

    status = main(["cassette", "show", str(yaml), row.split()[0]])

    said = capsys.readouterr().out
    assert status == 0
    assert '      "content": "Greet Ada.",' in said
    assert said.count('"content": "Hello Greet Ada."') == 2
    assert "answer 1: status 200, application/json" in said
    assert KEY not in said


def test_a_difference_ends_with_1(yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = yaml.with_name("other.yaml")
    other.write_bytes(vcrpy("Greet Ada!", "Greet Grace.", "Greet Ada!", answer="Hi"))

    same = main(["cassette", "diff", str(yaml), str(yaml)])
    status = main(["cassette", "diff", str(yaml), str(other)])

    said = capsys.readouterr().out
    assert (same, status) == (0, 1)
    assert said.startswith("the same: 2 questions\nasked otherwise: ")
    assert '-      "content": "Greet Ada.",' in said
    assert '+      "content": "Greet Ada!",' in said
    assert "\nanswered otherwise: " in said
