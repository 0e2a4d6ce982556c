"""`cachesaver local serve` on the command line; what it serves is tested in tests/local."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from cachesaver.cli import main
from cachesaver.cli.local import KEY
from cachesaver.errors import ConfigurationError
from cachesaver.local import Sizes

has_models = all(find_spec(name) for name in ("torch", "transformers"))
needs_models = pytest.mark.skipif(not has_models, reason="needs cachesaver[local]")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one sentence that *arguments* end in."""
    assert main(["local", "serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("cachesaver: ")
    return error


def test_without_the_extra_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "cachesaver.local.loading", raising=False)

    assert "pip install 'cachesaver[local]'" in said(capsys, "--model", "m")


def test_a_name_is_for_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--name" in said(capsys, "--model", "a", "--model", "b", "--name", "c")


@needs_models
def test_elsewhere_than_on_loopback_it_needs_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an address that others reach, then it is refused before the model is loaded."""
    monkeypatch.delenv(KEY, raising=False)

    assert "--api-key" in said(capsys, "--model", "no-such-model", "--host", "0.0.0.0")


@needs_models
def test_a_model_that_is_not_there_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "cannot be loaded" in said(capsys, "--model", str(tmp_path))


@needs_models
@pytest.mark.parametrize(("more", "graphs"), [((), "auto"), (("--graphs", "off"), "off")])
def test_sizes_are_those_that_were_said(
    more: tuple[str, ...],
    graphs: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[object] = []

    def load(_: str, **given: object) -> None:
        loaded.extend((given["sizes"], given["graphs"]))
        raise ConfigurationError("enough")

    monkeypatch.setattr("cachesaver.local.loading.load", load)

    said(capsys, "--model", "m", "--max-batch", "3", "--max-waiting", "7", "--context", "9", *more)

    assert loaded == [Sizes(rows=3, waiting=7, context=9), graphs]


def test_what_was_loaded_is_no_garbage_and_threads_take_turns_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a server that was loaded, when it starts, then nothing can halt its engine for long."""
    seen: list[str] = []
    handlers: list[Any] = []

    class Server:
        openai_url = "http://127.0.0.1:1/v1"

        def start(self) -> None:
            seen.append("start")
            handlers[0](signal.SIGTERM, None)

        def stop(self) -> None:
            seen.append("stop")

    def load(_: object) -> Server:
        seen.append("load")
        return Server()

    monkeypatch.setattr("cachesaver.cli.local._server", load)

    def handle(_: int, handler: object) -> None:
        handlers.append(handler)

    def turn(seconds: float) -> None:
        seen.append(f"{seconds <= 1e-3}")

    monkeypatch.setattr(signal, "signal", handle)
    monkeypatch.setattr(sys, "setswitchinterval", turn)
    monkeypatch.setattr(gc, "freeze", lambda: seen.append("freeze"))

    assert main(["local", "serve", "--model", "m"]) == 0
    assert seen == ["load", "True", "freeze", "start", "stop"]
    assert Server.openai_url in capsys.readouterr().out


@needs_models
def test_it_serves_until_interrupted(tmp_path: Path) -> None:
    import local_app

    folder = tmp_path / "little-bert"
    local_app.bert().save_pretrained(folder)
    local_app.tokenizer().save_pretrained(folder)
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "cachesaver",
            "local",
            "serve",
            "--model",
            str(folder),
            "--port",
            "0",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, KEY: "secret"},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split(" at ")[1].split()[0]
        directions = process.stdout.readline()

        headers = {"authorization": "Bearer secret"}
        models = httpx.get(f"{url}/models", headers=headers).json()["data"]

        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert [each["id"] for each in models] == ["little-bert"]
    assert "secret" not in directions
