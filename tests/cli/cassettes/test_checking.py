"""Checking recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cachesaver.cassettes.transfer import answers_in
from cachesaver.cli import main
from recorded import KEY, vcrpy


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.yaml"
    path.write_bytes(vcrpy("Ada", "Grace", "Ada", answer="Hello"))
    return path


@pytest.fixture
def cassette(yaml: Path) -> Path:
    path = yaml.with_suffix(".cassette")
    main(["cassette", "import", str(yaml), str(path)])
    return path


def test_a_scan_names_the_place_and_not_the_secret(
    yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["cassette", "scan", str(yaml.parent)])

    said = capsys.readouterr().out
    lines = yaml.read_text().splitlines()
    assert status == 1
    assert KEY not in said
    first = said.splitlines()[0]
    assert first.startswith(f"{yaml}:")
    assert KEY in lines[int(first.removeprefix(f"{yaml}:").split(":")[0]) - 1]
    assert "interaction 0, request: header authorization: Bearer… (42 characters)" in first
    assert said.endswith("4 secrets in 1 file\n")


def test_a_cassette_of_ours_has_none(cassette: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()

    status = main(["cassette", "scan", str(cassette)])

    assert (status, capsys.readouterr().out) == (0, "0 secrets in 1 file\n")


def test_verify_finds_and_fix_mends(cassette: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given two documents in the wrong order, then verify says so until they are set in order."""
    head, *documents = cassette.read_text().split("---\n")
    before = cassette.read_text()
    cassette.write_text("---\n".join([head, *reversed(documents)]))
    capsys.readouterr()

    statuses = [
        main(["cassette", "verify", str(cassette)]),
        main(["cassette", "verify", "--fix", str(cassette.parent)]),
        main(["cassette", "verify", str(cassette)]),
    ]

    said = capsys.readouterr().out
    assert statuses == [1, 0, 0]
    assert f"{cassette}: its documents are out of order" in said
    assert said.endswith("0 faults in 1 cassette\n")
    assert cassette.read_text() == before


def test_a_damaged_cassette_is_a_fault_among_others(
    cassette: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cassette.with_name("b.cassette").write_text("no cassette")

    status = main(["cassette", "verify", str(cassette.parent)])

    assert status == 1
    assert "1 fault in 2 cassettes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rule", "left"),
    [(["--keep", "1"], 2), (["--keep", "2"], 3), (["--older-than", "1"], 3)],
)
def test_prune_keeps_what_it_is_told_to(rule: list[str], left: int, cassette: Path) -> None:
    """Given recordings that say no date, then none of them is too old."""
    dry = main(["cassette", "prune", *rule, "--dry-run", str(cassette)])
    assert len(list(answers_in(cassette))) == 3
    status = main(["cassette", "prune", *rule, str(cassette.parent)])

    assert (dry, status) == (0, 0)
    assert len(list(answers_in(cassette))) == left


def test_prune_drops_what_no_test_was_given(
    cassette: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, kept, _ = answers_in(cassette)
    unused, other = cassette.with_name("unused"), cassette.with_name("z.cassette")
    other.write_bytes(cassette.read_bytes())
    told = [{"fingerprint": gone.fingerprint, "index": 0}]
    unused.write_text(json.dumps({str(cassette): told}))
    capsys.readouterr()

    status = main(["cassette", "prune", "--unused", str(unused), str(cassette.parent)])

    assert status == 0
    assert next(answers_in(cassette)) == kept
    assert len(list(answers_in(other))) == 3
    assert capsys.readouterr().out.splitlines() == [
        f"{cassette}: 1 answer of 3",
        "1 answer taken out of 2 cassettes",
    ]
