"""Forks worker processes from one that has imported everything, so that a worker is up at once.

A program: `python nursery.py`. Standard input and output are lines of JSON: `{"start": JOB}` and
`{"kill": NAME}` come in, `{"ended": NAME, "status": STATUS}` goes out. It ends, with all its
workers, when its input does.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import traceback
from pathlib import Path
from typing import Any

import openai

import cachesaver
from cachesaver import dialects
from loads.worker import Job, perform
from unmeasured import unmeasured

__all__: list[str] = []


class Nursery:
    """The workers that are up, by name."""

    def __init__(self) -> None:
        self.up = dict[str, int]()

    def run(self) -> None:
        """Do what is asked for until nobody asks any more."""
        left = b""
        while True:
            readable, _, _ = select.select([0], [], [], 0.01)
            if readable:
                read = os.read(0, 1 << 16)
                if not read:
                    break
                *lines, left = (left + read).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
            self._reap()
        for pid in self.up.values():
            os.kill(pid, signal.SIGKILL)

    def _obey(self, wish: dict[str, Any]) -> None:
        if "kill" in wish:
            # Only a child that was not waited for: its number cannot be another's by now.
            if wish["kill"] in self.up:
                os.kill(self.up[wish["kill"]], signal.SIGKILL)
            return
        job = Job(**wish["start"])
        pid = os.fork()
        if not pid:
            os._exit(_child(job))
        self.up[job.name] = pid

    def _reap(self) -> None:
        for name, pid in list(self.up.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.up[name]
                said = {"ended": name, "status": os.waitstatus_to_exitcode(status)}
                os.write(1, json.dumps(said).encode() + b"\n")


def _child(job: Job) -> int:
    unmeasured()
    with contextlib.suppress(OSError):
        os.close(0)
    try:
        perform(job)
    except BaseException:  # noqa: BLE001  # whatever it is, it is told
        (Path(job.folder) / f"{job.name}.error").write_text(traceback.format_exc())
        return 1
    return 0


def _warm_up() -> None:
    """Import what clients and sessions import on first use."""
    client: Any = openai.OpenAI
    with cachesaver.install("warm-up", store="memory://", quiet=True), client(api_key="k") as made:
        made.chat.completions.create  # noqa: B018  # imported by being looked at
    for name in ("lmdb", "memory", "session", "writer"):
        importlib.import_module(f"cachesaver.stores.{name}")
    for path in Path(str(dialects.__file__)).parent.glob("[a-z]*.py"):
        importlib.import_module(f"cachesaver.dialects.{path.stem}")


if __name__ == "__main__":
    _warm_up()
    Nursery().run()
