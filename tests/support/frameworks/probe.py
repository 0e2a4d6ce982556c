"""Runs a program and notes through which packages its calls come to us: `probe.py NOTES PROGRAM ...`."""

from __future__ import annotations

import atexit
import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from cachesaver.doors import Door

HOOKED = {"cachesaver.transports.lm15": "lm15", "cachesaver.transports.urllib3": "urllib3"}
"""Hooks that take the place of the one function of their client's that would be on the stack."""

_WAYS: list[list[str]] = []


def note() -> None:
    """Note the packages on the stack of whoever called the gate."""
    found = list[str]()
    for frame, _ in traceback.walk_stack(sys._getframe(2)):
        module = str(frame.f_globals.get("__name__", ""))
        found.append(HOOKED.get(module) or module.partition(".")[0])
    ours = {"", "__main__", "cachesaver", *sys.stdlib_module_names}
    _WAYS.append([each for each in dict.fromkeys(reversed(found)) if each not in ours])


def wrapped(method: str) -> Any:
    """Return `Door`'s *method*, which notes before it does its work."""
    inner = getattr(Door, method)

    def noting(door: Any, request: Any, send: Any) -> Any:
        note()
        return inner(door, request, send)

    return noting


def main() -> None:
    notes, program, *arguments = sys.argv[1:]
    Door.answer = wrapped("answer")  # type: ignore[method-assign]  # for as long as this runs
    Door.aanswer = wrapped("aanswer")  # type: ignore[method-assign]  # likewise
    atexit.register(lambda: Path(notes).write_text(json.dumps(_WAYS), encoding="utf-8"))
    sys.argv = [program, *arguments]
    sys.path[0] = str(Path(program).parent)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
