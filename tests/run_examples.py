"""Run the examples of one page, one after another, in this process: run_examples.py STEPS RESULTS.

Not a test: test_docs.py starts it, so that each page has a fresh interpreter. STEPS is a JSON list of
objects with *kind* (`python`, `command` or `file`), *text*, *page* (path), *line* (of the first line
of the text in the page, from 1) and, for a file, *name*. RESULTS gets one object per step that was
run: *output* (stdout and stderr together, as a terminal shows them) and *exit* (0, unless it failed).
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TypedDict


class Step(TypedDict):
    """One thing to do."""

    kind: str
    text: str
    page: str
    line: int
    name: str


class Result(TypedDict):
    """What came of it."""

    output: str
    exit: int


def run_python(step: Step, program: ModuleType) -> Result:
    """Execute in *program*, so that later blocks see the names; tracebacks name the page's lines."""
    printed = io.StringIO()
    source = "\n" * (step["line"] - 1) + step["text"]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(source, step["page"], "exec"), vars(program))  # noqa: S102 - our own pages
        except BaseException:  # noqa: BLE001 - an example may end in any way; the test tells it
            traceback.print_exc()
            return {"output": printed.getvalue(), "exit": 1}
    return {"output": printed.getvalue(), "exit": 0}


def run_command(step: Step) -> Result:
    """Run one line of a console block in the shell."""
    done = subprocess.run(  # noqa: S602 - our own pages, as a reader would type them
        step["text"],
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return {"output": done.stdout, "exit": done.returncode}


def write_file(step: Step) -> Result:
    """Save a block under its name, in the working directory."""
    Path(step["name"]).write_text(step["text"], encoding="utf-8")
    return {"output": "", "exit": 0}


def main(steps_file: str, results_file: str) -> None:
    """Run every step, whatever came of those before it."""
    program = sys.modules["__main__"] = ModuleType("__main__")
    steps: list[Step] = json.loads(Path(steps_file).read_text(encoding="utf-8"))
    results: list[Result] = []
    for step in steps:
        match step["kind"]:
            case "python":
                results.append(run_python(step, program))
            case "command":
                results.append(run_command(step))
            case _:
                results.append(write_file(step))
        Path(results_file).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
