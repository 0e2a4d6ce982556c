"""`cachesaver rehearse` on the command line; what it serves is tested in tests/rehearsal."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest

from cachesaver.cli import main


def test_it_serves_until_interrupted(env: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "cachesaver", "rehearse", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split(" at ")[1].split()[0]

        status = httpx.get(f"{url}/rehearsal/calls").status_code

        process.send_signal(signal.SIGINT)
        assert (status, process.wait(30)) == (200, 0)


def test_a_wrong_option_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["rehearse", "--latency", "soon"])

    said = capsys.readouterr().err
    assert status == 2
    assert said.startswith("cachesaver: ")
    assert said.count("\n") == 1
