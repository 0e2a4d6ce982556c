"""`cachesaver rehearse`: a simulated provider on loopback, to try things without a key.

Speaks the APIs of OpenAI, Anthropic and Gemini. Needs the extra: pip install 'cachesaver[rehearsal]'
"""

from __future__ import annotations

import argparse

__all__ = ["HELP", "add_arguments", "run"]

HELP = "serve a simulated provider on loopback"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver rehearse` takes."""
    from cachesaver.rehearsal.command import add_arguments as add

    add(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from cachesaver.rehearsal.command import run as serve

    return serve(arguments)
