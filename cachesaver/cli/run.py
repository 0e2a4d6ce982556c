"""`cachesaver run`: a program under a session, with no change to its code.

Everything after `--` is the program:

    cachesaver run -n exp1 -- python script.py --its-own arguments
    cachesaver run -n exp1 --mode replay -- python -m package

Every Python process that the program starts joins the same run, through the environment and a
`sitecustomize` module at the head of PYTHONPATH (a sitecustomize of yours still runs, after ours).
Python started with -I, -E or -S ignores both, and runs live.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cachesaver.errors import ConfigurationError
from cachesaver.settings import Mode, settings

__all__ = ["HELP", "add_arguments", "prepared", "run"]

HELP = "run a program with every LLM call answered from the store"

BOOT = Path(__file__).with_name("boot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver run` takes."""
    parser.add_argument("-n", "--namespace", help="the stream of randomness to draw from")
    parser.add_argument("--store", help="a directory or store URL")
    parser.add_argument("--mode", help="cache, replay, refresh or live", metavar="MODE")
    parser.add_argument(
        "--host", action="append", help="a further host to answer for", metavar="HOST"
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
        raise ConfigurationError(f"{program[0]} cannot be run: {error.strerror}") from error


def prepared(inherited: Mapping[str, str], arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment of the program. Checks the options first, the store included."""
    from cachesaver.stores import open_store

    chosen = settings(
        namespace=arguments.namespace,
        store=arguments.store,
        mode=arguments.mode,
        hosts=arguments.host,
        strict=arguments.strict or None,
        quiet=arguments.quiet or None,
    )
    store = str(chosen.store)
    if chosen.mode is not Mode.LIVE:
        open_store(store).close()
    told = {
        "CACHESAVER_AUTOSTART": "1",
        "CACHESAVER_NAMESPACE": chosen.namespace,
        "CACHESAVER_STORE": store if "://" in store or not store else str(Path(store).absolute()),
        "CACHESAVER_MODE": chosen.mode.value,
        "CACHESAVER_HOSTS": ",".join(chosen.hosts),
        "CACHESAVER_STRICT": "1" if chosen.strict else "",
        "CACHESAVER_QUIET": "1" if chosen.quiet else "",
        "CACHESAVER_RUN": chosen.run or os.urandom(16).hex(),
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
