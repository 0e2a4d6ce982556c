"""Servers of a model in a folder, each in a process of its own, and what it has used of the processor."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KINDS", "SMALL", "Running", "run"]

_ROOT = Path(__file__).parents[3]
_SERVE = "from transformers.cli.transformers import main; main()"
_PATIENCE = 300
"""Seconds to wait for a model to be loaded."""

SMALL = ("--cb-num-blocks", "64", "--cb-max-batch-tokens", "2048")
"""Options of continuous batching on a processor, where it would take half of the memory: room for 16,384
tokens."""

KINDS = ("cachesaver local serve", "transformers serve", "transformers serve --continuous-batching")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers.

    Attributes:
        url: Without a path.
        model: What requests call it.
        pid: Of its process.
    """

    url: str
    model: str
    pid: int

    @property
    def used(self) -> float:
        """Seconds of processor time, of all its threads; Linux only."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def health(self) -> int:
        """The status of `/health`; 0: there is no answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=10) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@contextlib.contextmanager
def run(
    kind: str,
    python: str | Path,
    folder: Path,
    *,
    log: Path,
    options: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Generator[Running]:
    """Serve the model in *folder* until the end of the block.

    Args:
        kind: One of `KINDS`.
        python: The interpreter that has what the server needs.
        folder: With weights and tokenizer.
        log: Where it may write what it has to say.
        options: More of its command line.
        settings: Its environment; `None`: ours.

    Raises:
        RuntimeError: It did not begin to answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = settings or os.environ
    paths = os.pathsep.join(filter(None, (str(_ROOT), given.get("PYTHONPATH"))))
    with log.open("wb") as told:
        process = subprocess.Popen(
            [python, *_command(kind, folder, port), *options],
            stdout=told,
            stderr=told,
            env={**given, **_SETTINGS, "PYTHONPATH": paths},
        )
    try:
        running = Running(
            url=f"http://127.0.0.1:{port}",
            model=str(folder) if kind != KINDS[0] else folder.name,
            pid=process.pid,
        )
        _wait(running, process, log)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def _command(kind: str, folder: Path, port: int) -> list[str]:
    if kind == KINDS[0]:
        return ["-m", "cachesaver", "local", "serve", "--model", str(folder), "--port", str(port)]
    return [
        "-c",
        _SERVE,
        *kind.split()[1:2],
        str(folder),
        *kind.split()[2:],
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def _wait(running: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while running.health != 200:
        if process.poll() is not None or time.monotonic() > until:
            last = log.read_text("utf-8", errors="replace").strip().splitlines()[-3:]
            raise RuntimeError(f"the server did not begin to answer: {' / '.join(last)[-500:]}")
        time.sleep(0.2)
