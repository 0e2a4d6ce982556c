"""The command line: `cachesaver run|gateway|stats|explain|store|cassette|doctor|rehearse|local`.

One module each.

A command module has a docstring (the help is all below its first line), `HELP`, `add_arguments` and `run`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["COMMANDS", "main", "parser"]

COMMANDS = (
    "run",
    "gateway",
    "stats",
    "explain",
    "store",
    "cassette",
    "doctor",
    "rehearse",
    "local",
)


class _Version(argparse.Action):
    """As argparse's own, which wants the version beforehand: finding it takes as long as all the rest."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        help_ = "show program's version number and exit"
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help_)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Say it, and end."""
        import cachesaver

        print(f"cachesaver {cachesaver.__version__}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (default: the process's); return the exit status.

    0: done. 1: done, and the answer is no (`store verify` found damage, `explain` a difference).
    2: it cannot be done; one sentence on standard error says why. 130: interrupted.
    """
    from cachesaver.errors import CachesaverError

    said = sys.argv[1:] if arguments is None else arguments
    given = parser(_meant(said)).parse_args(said)
    try:
        status = int(given.command(given))
        sys.stdout.flush()
    except CachesaverError as error:
        print(f"cachesaver: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells say it
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe: or the exit flushes again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _meant(said: Sequence[str]) -> Sequence[str]:
    """Return the command that *said* begins with; all of them, to tell of, where it is none."""
    return said[:1] if said and said[0] in COMMANDS else COMMANDS


def parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of what belongs to *commands* alone."""
    whole = argparse.ArgumentParser(
        prog="cachesaver",
        description="Answer every LLM call of a program from a namespaced store of samples.",
    )
    whole.add_argument("--version", action=_Version)
    kinds = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in commands:
        module: Any = importlib.import_module(f"cachesaver.cli.{name}")
        command = kinds.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__.partition("\n\n")[2] or module.HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(command=module.run)
    return whole
