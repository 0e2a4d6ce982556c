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

What is not Python, or has an HTTP stack of its own, is answered by a gateway beside the program,
with --gateway: the usual base URL variables (OPENAI_BASE_URL, ANTHROPIC_BASE_URL ...) lead there,
and it ends with the program. Needs the extra: pip install 'cachesaver[gateway]'

    cachesaver run -n exp1 --gateway -- node agent.js
"""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cachesaver.cli.options import add_session_options, session_options
from cachesaver.errors import ConfigurationError
from cachesaver.runs import id_in
from cachesaver.settings import Mode, settings
from cachesaver.stores import folder_of, open_store
from cachesaver.stores.processes import here

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
    add_session_options(parser)
    parser.add_argument(
        "--gateway",
        action="store_true",
        help="start a gateway beside the program, for its parts that are not Python",
    )
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
    if arguments.gateway:
        from cachesaver.cli.beside import beside

        environment |= beside(environment)
    try:
        return _replace(program, environment)
    except OSError as error:
        what = _ADVICE.get(error.errno or 0, f"cannot be run: {error.strerror}")
        raise ConfigurationError(f"the program {program[0]} {what}") from error


def prepared(inherited: Mapping[str, str], arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment of the program. Checks the options first, the store included."""
    chosen = settings(**session_options(arguments))
    store = str(chosen.store)
    path = folder_of(store)
    joined = id_in(arguments.joined or "") or os.urandom(16).hex()
    if chosen.mode is not Mode.LIVE:
        _enter(store, joined, lasting=bool(arguments.joined))
    told = {
        "CACHESAVER_AUTOSTART": "1",
        "CACHESAVER_NAMESPACE": chosen.namespace,
        "CACHESAVER_REPLICATE": "" if chosen.replicate is None else str(chosen.replicate),
        "CACHESAVER_STORE": store if path is None else str(path.absolute()),
        "CACHESAVER_MODE": chosen.mode.value,
        "CACHESAVER_HOSTS": ",".join(chosen.hosts),
        "CACHESAVER_STRICT": "1" if chosen.strict else "",
        "CACHESAVER_QUIET": "1" if chosen.quiet else "",
        "CACHESAVER_CONCURRENCY": str(chosen.max_concurrency or ""),
        "CACHESAVER_BUDGET": str(chosen.budget or ""),
        "CACHESAVER_RUN": joined,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(BOOT), inherited.get("PYTHONPATH")))),
    }
    # What is not said is left out: clients that go through the environment at every call pay for each.
    kept = {name: value for name, value in inherited.items() if name not in told}
    return kept | {name: value for name, value in told.items() if value}


def _enter(store: str, joined: str, *, lasting: bool) -> None:
    """Be a member of the run, so that it does not end between two processes of the program.

    Nobody leaves: the program takes the place of this process, and with its end the run ends.
    """
    opened = open_store(store)
    opened.enter(joined, "command", owner=here(), lasting=lasting)
    opened.close()


def _replace(program: list[str], environment: dict[str, str]) -> int:
    """Become the program where the system can; else run it and return its exit status."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execvpe(program[0], program, environment)  # noqa: S606  # the user's own command
    return subprocess.run(program, env=environment, check=False).returncode  # noqa: S603
