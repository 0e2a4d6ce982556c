"""`cachesaver cassette` as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cachesaver.cli import main, parser
from cachesaver.cli.cassette import _ROOMS, _VERBS
from recorded import vcrpy


def test_what_it_does_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["cassette", "--help"])

    said = capsys.readouterr().out
    assert {*_ROOMS} == {*_VERBS}
    assert all(f"    {name} " in said for name in _VERBS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "NOWHERE", "x.cassette"],
        ["export", "NOWHERE", "x.yaml"],
        ["show", "NOWHERE"],
        ["diff", "NOWHERE", "NOWHERE"],
        ["scan", "NOWHERE"],
        ["verify", "NOWHERE"],
        ["prune", "NOWHERE", "--keep", "1"],
        ["show", "PLAIN"],
        ["scan", "PLAIN"],
        ["import", "PLAIN", "x.cassette"],
        ["prune", "FINE"],
        ["prune", "FINE", "--keep", "0"],
        ["prune", "FINE", "--unused", "NOWHERE"],
        ["export", "FINE", "no-suffix"],
        ["show", "FINE", "ffff"],
        ["import", "FINE", "x.cassette", "--alias", "nothing"],
        ["show", "nothing://here"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "PLAIN").write_text("hello")
    (tmp_path / "FINE").write_bytes(vcrpy("Hi"))
    places = {name: str(tmp_path / name) for name in ("NOWHERE", "PLAIN", "FINE", "x.cassette")}

    status = main(["cassette", *(places.get(each, each) for each in arguments)])

    captured: Any = capsys.readouterr()
    assert status == 2
    assert captured.err.startswith("cachesaver: ")
    assert captured.err.count("\n") == 1
