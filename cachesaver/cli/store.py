"""`cachesaver store`: look at a store, or check every record of it.

info: where it is and how much it holds. verify: reads every record; exits with 1 if one is damaged.
"""

from __future__ import annotations

import argparse

from cachesaver.cli.opening import existing_store
from cachesaver.errors import StoreDamagedError
from cachesaver.ports import Store

__all__ = ["HELP", "add_arguments", "run"]

HELP = "look at a store, or check every record of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver store` takes."""
    parser.add_argument("what", choices=("info", "verify"), help="what to do")
    parser.add_argument("--store", help="a directory or store URL")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for; 1 if damage was found."""
    if arguments.what == "info":
        with existing_store(arguments.store) as store:
            return _info(store)
    try:
        with existing_store(arguments.store) as store:
            damages = list(store.verify())
    except StoreDamagedError as error:  # so that it cannot even be opened
        damages = [str(error)]
    print("\n".join(damages) or "every record reads back as it was written")
    return 1 if damages else 0


def _info(store: Store) -> int:
    summary = store.summary()
    print(f"store       {store!r}")
    print(f"questions   {summary.fingerprints:,}")
    print(f"samples     {summary.samples:,}")
    print(f"namespaces  {summary.namespaces:,}")
    print(f"size        {summary.size / 1e6:,.1f} MB")
    return 0
