"""`cachesaver cassette`: bring recordings in and out, look at them, and check them.

What is named is a cassette, a recording of another tool (vcrpy and its kin, Ruby's VCR, betamax, go-vcr,
cassetter, httprr, HAR, Azure's test proxy, rig), a folder of them, or a store.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["HELP", "add_arguments", "run"]

HELP = "bring recordings in and out, look at them, and check them"

_FILES = "cassettes, other tools' recordings, or folders of them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver cassette` takes."""
    verbs = parser.add_subparsers(title="what to do", required=True, metavar="WHAT", dest="what")
    for name, (said, add) in _VERBS.items():
        add(verbs.add_parser(name, help=said, description=said))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for; the modules that do it are imported now."""
    module: Any = importlib.import_module(f"cachesaver.cli.cassettes.{_ROOMS[arguments.what]}")
    status: int = getattr(module, f"{arguments.what}_")(arguments)
    return status


_ROOMS = {
    "import": "transferring",
    "export": "transferring",
    "show": "looking",
    "diff": "looking",
    "scan": "checking",
    "verify": "checking",
    "prune": "checking",
}


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a recording, a folder of them, or a store", metavar="SRC")
    parser.add_argument("target", help="a cassette; of a folder, a folder", metavar="DEST")
    parser.add_argument(
        "--host", action="append", help="a further host to answer for", metavar="HOST"
    )
    parser.add_argument(
        "--ignore", action="append", help="a field that is no part of a question", metavar="PATH"
    )
    parser.add_argument(
        "--blank", action="append", help="what to blank in questions", metavar="REGEX"
    )
    parser.add_argument(
        "--alias", action="append", help="what to call an origin", metavar="ORIGIN=NAME"
    )


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a cassette, another recording, or a store", metavar="SRC")
    parser.add_argument("target", help="a file, or a store", metavar="DEST")
    parser.add_argument(
        "--format",
        choices=("vcrpy", "vcrpy-json", "har", "store"),
        help="what to write; else its name tells: .yaml, .json, .har",
    )


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a cassette, another recording, or a store", metavar="SRC")
    parser.add_argument(
        "fingerprint", nargs="?", help="show this question and its answers", metavar="FINGERPRINT"
    )


def _diff(parser: argparse.ArgumentParser) -> None:
    for name in ("one", "other"):
        parser.add_argument(
            name, help="a cassette, another recording, or a store", metavar=name.upper()
        )


def _scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", help=_FILES, metavar="PATH")
    parser.add_argument(
        "--accounts", action="store_true", help="headers that name an account count, too"
    )


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", help="cassettes, or folders of them", metavar="PATH")
    parser.add_argument("--fix", action="store_true", help="set in order what can be")


def _prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", help="cassettes, or folders of them", metavar="PATH")
    parser.add_argument(
        "--unused",
        help="drop what this file says no test was given (pytest --cassette-unused=FILE)",
        metavar="FILE",
    )
    parser.add_argument(
        "--keep", type=int, help="keep the first N answers to each question", metavar="N"
    )
    parser.add_argument(
        "--older-than", type=float, help="drop what was recorded earlier", metavar="DAYS"
    )
    parser.add_argument("--dry-run", action="store_true", help="say it, and change nothing")


_VERBS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "import": ("make a cassette of a recording, or of a store", _import),
    "export": ("write a cassette for another tool, or into a store", _export),
    "show": ("list what a recording holds", _show),
    "diff": ("compare two recordings, question by question", _diff),
    "scan": ("look for secrets; ends with 1 where there are any", _scan),
    "verify": ("check cassettes; ends with 1 where something is wrong", _verify),
    "prune": ("take out of cassettes what is not needed any more", _prune),
}
