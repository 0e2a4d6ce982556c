"""Runs the programs of one test module in a process of its own: `python runner.py MODULE`.

Standard input says where the provider is and in which sessions to run them all, one session after
the other; standard output gets what they said. A program is a plain or async function of the
rehearsal's address that returns JSON; what it raises is told too.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import cachesaver

Program = Callable[[str], Any]


def main() -> None:
    told = json.load(sys.stdin)
    # Installed before the client libraries are imported, except where the test wants it otherwise.
    programs = load(sys.argv[1]) if told["import_first"] else None
    answers: list[dict[str, Any]] = []
    for options in told["sessions"]:
        options |= {"store": told["store"], "strict": True, "quiet": True}
        with cachesaver.install(**options):
            programs = programs or load(sys.argv[1])
            replays = options["mode"] == "replay"
            answers.append(
                {name: perform(each, told["url"], replays) for name, each in programs.items()}
            )
    json.dump(answers, sys.stdout)


def load(path: str) -> dict[str, Program]:
    """Import the module at *path* and return its table of programs."""
    spec = importlib.util.spec_from_file_location("programs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    programs: dict[str, Program] = module.PROGRAMS
    return programs


def perform(program: Program, url: str, replays: bool) -> dict[str, Any]:  # noqa: FBT001  # ours
    """Return what *program* said and how often that reached the provider."""
    before = 0 if replays else calls(url)
    try:
        said = program(url)
        if inspect.iscoroutine(said):
            said = asyncio.run(said)
    except Exception as error:  # noqa: BLE001  # told to the test, which fails
        said = {"raised": f"{type(error).__name__}: {error}"}
    return {"said": said, "calls": 0 if replays else calls(url) - before}


def calls(url: str) -> int:
    with urllib.request.urlopen(f"{url}/rehearsal/calls") as answer:  # noqa: S310  # loopback
        total: int = json.load(answer)["total"]["calls"]
    return total


if __name__ == "__main__":
    main()
