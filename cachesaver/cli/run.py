"""`cachesaver run`: a program under a session, with no change to its code.

Everything after `--` is the program:

    cachesaver run -n exp1 -- python script.py --its-own arguments
    cachesaver run -n exp1 --mode replay -- python -m package

Every Python process that the program starts joins the same run, through the environment and a
`sitecustomize` module at the head of PYTHONPATH (a sitecustomize of yours still runs, after ours).
Python started with -I, -E or -S ignores both, and runs live. The program takes the place of this
command: its exit status, signals and streams are its own. On what keeps a Python from joining (no
cachesaver in its environment, no store) it goes on live with a warning, but ends with status 2 under
--mode replay or --strict.
"""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cachesaver.errors import ConfigurationError
from cachesaver.settings import Mode, settings
from cachesaver.stores import folder_of, open_store

__all__ = ["HELP", "add_arguments", "prepared", "run"]

HELP = "run a program with every LLM call answered from the store"

BOOT = Path(__file__).with_name("boot")

_ADVICE = {
    errno.ENOENT: "is not found; write it as you would without cachesaver",
    errno.EACCES: "is not a program; for a script write: -- python SCRIPT",
    errno.ENOEXEC: "is not a program; for a script write: -- python SCRIPT",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver run` takes."""
    parser.usage = "cachesaver run [options] -- PROGRAM ..."
    parser.add_argument(
        "-n", "--namespace", help="the stream of randomness to draw from", metavar="NAME"
    )
    parser.add_argument(
        "--run", help="the run to join, such as a Slurm job id", metavar="ID", dest="joined"
    )
    parser.add_argument("--store", help="a directory or store URL")
    parser.add_argument("--mode", help="cache, replay, refresh or live", metavar="MODE")
    parser.add_argument(
        "--host", action="append", help="a further host to answer for", metavar="HOST"
    )
    parser.add_argument(
        "--max-concurrency", type=int, help="the most calls a process makes at a time", metavar="N"
    )
    parser.add_argument(
        "--budget",
        help="the most a process may buy: dollars, or such as '500 samples' or '5 usd, 100 calls'",
        metavar="CAP",
    )
    parser.add_argument("--strict", action="store_true", help="fail when the store fails")
    parser.add_argument("-q", "--quiet", action="store_true", help="no summary line at the end")
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, help="-- and the program's command line"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the program; return its exit status."""
    program = list(arguments.program)
    if program[:1] == ["--"]:
        program = program[1:]
    if not program:
        raise ConfigurationError(
            "no program is given: write it after --, as in: -- python script.py"
        )
    environment = prepared(os.environ, arguments)
    try:
        return _replace(program, environment)
    except OSError as error:
        what = _ADVICE.get(error.errno or 0, f"cannot be run: {error.strerror}")
        raise ConfigurationError(f"the program {program[0]} {what}") from error


def prepared(inherited: Mapping[str, str], arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment of the program. Checks the options first, the store included."""
    chosen = settings(
        namespace=arguments.namespace,
        store=arguments.store,
        mode=arguments.mode,
        hosts=arguments.host,
        strict=arguments.strict or None,
        quiet=arguments.quiet or None,
        max_concurrency=arguments.max_concurrency,
        budget=arguments.budget,
    )
    store = str(chosen.store)
    path = folder_of(store)
    if chosen.mode is not Mode.LIVE:
        open_store(store).close()
    told = {
        "CACHESAVER_AUTOSTART": "1",
        "CACHESAVER_NAMESPACE": chosen.namespace,
        "CACHESAVER_STORE": store if path is None else str(path.absolute()),
        "CACHESAVER_MODE": chosen.mode.value,
        "CACHESAVER_HOSTS": ",".join(chosen.hosts),
        "CACHESAVER_STRICT": "1" if chosen.strict else "",
        "CACHESAVER_QUIET": "1" if chosen.quiet else "",
        "CACHESAVER_CONCURRENCY": str(chosen.max_concurrency or ""),
        "CACHESAVER_BUDGET": str(chosen.budget or ""),
        "CACHESAVER_RUN": arguments.joined or os.urandom(16).hex(),
        "CACHESAVER_SLOT": "",
        "CACHESAVER_PID": "",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(BOOT), inherited.get("PYTHONPATH")))),
    }
    return {**inherited, **told}


def _replace(program: list[str], environment: dict[str, str]) -> int:
    """Become the program where the system can; else run it and return its exit status."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execvpe(program[0], program, environment)  # noqa: S606  # the user's own command
    return subprocess.run(program, env=environment, check=False).returncode  # noqa: S603
