"""The command line as a whole: what it says and how it ends."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cachesaver
from cachesaver.cli import COMMANDS, main, parser


def test_every_command_says_what_it_does() -> None:
    said = parser().format_help()

    assert [name for name in COMMANDS if f"\n    {name} " not in said] == []


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"cachesaver {cachesaver.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["rnu"], ["store", "fix"], ["stats", "--colour"]])
def test_a_slip_of_the_pen_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: cachesaver")


def test_a_command_loads_no_other(tmp_path: Path, env: dict[str, str]) -> None:
    """Given a fresh process, when one command runs, then it has not waited for what others need."""
    program = f"""if True:
        import sys
        before = set(sys.modules)  # whatever starts with Python here
        from cachesaver.cli import main
        assert main(["run", "--store", {str(tmp_path)!r}, "--", "/nowhere/program"]) == 2
        loaded = set(sys.modules) - before
        print(sorted(each for each in loaded if each.startswith("cachesaver.cli.")))
        print(sorted(loaded & {{"cachesaver.answering", "cachesaver.wiring", "importlib.metadata"}}))
    """

    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )

    ours = ["cachesaver.cli.options", "cachesaver.cli.run"]
    assert done.stdout == f"{ours}\n[]\n", done.stderr


def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["stats", "--store", str(tmp_path / "pool")])

    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.startswith(f"cachesaver: there is no store at {tmp_path / 'pool'}: ")
    assert said.err.count("\n") == 1


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))

    assert main(["explain", "-"]) == 130


def test_a_reader_that_has_seen_enough_is_no_error(filled: Path, env: dict[str, str]) -> None:
    """Given a pipe whose reader is gone, when a table is written, then nothing is complained of."""
    read, write = os.pipe()
    os.close(read)

    with os.fdopen(write) as gone:
        done = subprocess.run(
            [sys.executable, "-m", "cachesaver", "stats", "--store", filled],
            stdout=gone,
            stderr=subprocess.PIPE,
            env=env,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, b"")


def test_python_m_is_the_command_line(command: Callable[..., Any]) -> None:
    done = command("--help")

    assert (done.returncode, done.stdout) == (0, parser().format_help())
