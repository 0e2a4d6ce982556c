"""What `cachesaver run` and `cachesaver gateway` are both told: the options of a session."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_session_options", "session_options"]


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a session."""
    parser.add_argument(
        "-n", "--namespace", help="the stream of randomness to draw from", metavar="NAME"
    )
    parser.add_argument(
        "--replicate",
        type=int,
        help="which independent repetition this is, from 0",
        metavar="NUMBER",
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


def session_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what *arguments* say, as `settings` takes it; `run` is not among it."""
    return {
        "namespace": arguments.namespace,
        "replicate": arguments.replicate,
        "store": arguments.store,
        "mode": arguments.mode,
        "hosts": arguments.host,
        "strict": arguments.strict or None,
        "quiet": arguments.quiet or None,
        "max_concurrency": arguments.max_concurrency,
        "budget": arguments.budget,
    }
