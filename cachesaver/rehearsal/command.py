"""`cachesaver rehearse`: the rehearsal as a program, until it is interrupted."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.casting import VOICES
from cachesaver.rehearsal.server import Rehearsal

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver rehearse` takes to *parser*."""
    add = parser.add_argument
    add("--port", type=int, default=8124, help="on 127.0.0.1; 0 for any that is free (%(default)s)")
    add("--seed", type=int, default=0, help="another seed, other answers (%(default)s)")
    add("--voice", choices=sorted(VOICES), default="prose", help="who answers (%(default)s)")
    add(
        "--latency",
        default="0",
        metavar="BASE[+PER_TOKEN/token][~JITTER][@SEED]",
        help="seconds, such as 0.2+0.01/token~0.5@7 (%(default)s)",
    )
    add("--overload", type=float, default=0.0, help="share of requests refused, 0 to 1")
    add("--require-key", metavar="KEY", help="refuse whoever brings another key")
    add("--model", action="append", default=[], help="the only models there are; repeatable")


def run(args: argparse.Namespace, *, wait: Callable[[], object] | None = None) -> int:
    """Serve until interrupted (or *wait* returns); return the exit status.

    Raises:
        ConfigurationError: An argument makes no sense, a library is missing, the port is taken.
    """
    provider = Rehearsal(
        args.seed,
        latency=args.latency,
        voice=args.voice,
        port=args.port,
        overload=args.overload,
        require_key=args.require_key,
        models=tuple(args.model),
    )
    try:
        provider.start()
    except OSError as error:
        message = f"port {args.port} of 127.0.0.1 cannot be had ({error.strerror}); try --port 0"
        raise ConfigurationError(message) from error
    try:
        sys.stdout.write(_directions(provider))
        sys.stdout.flush()
        (wait or threading.Event().wait)()
    except KeyboardInterrupt:
        pass
    finally:
        provider.stop()
    return 0


def _directions(provider: Rehearsal) -> str:
    """Return what to put where, as lines a shell can read."""
    return (
        f"# a simulated provider listens at {provider.url} (Ctrl-C ends it)\n"
        f"export OPENAI_BASE_URL={provider.openai_url} OPENAI_API_KEY=rehearsal\n"
        f"export ANTHROPIC_BASE_URL={provider.anthropic_url} ANTHROPIC_API_KEY=rehearsal\n"
        f"export GOOGLE_GEMINI_BASE_URL={provider.gemini_url} GEMINI_API_KEY=rehearsal\n"
        f"# what it was asked: curl {provider.url}/rehearsal/calls\n"
    )
