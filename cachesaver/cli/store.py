"""`cachesaver store info|verify`: look at a store, check every record of it."""

from __future__ import annotations

import argparse

from cachesaver.settings import settings
from cachesaver.stores import open_store

__all__ = ["HELP", "add_arguments", "run"]

HELP = "look at a store, or check every record of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver store` takes."""
    parser.add_argument("what", choices=("info", "verify"))
    parser.add_argument("--store", help="a directory or store URL")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for; 1 if damage was found."""
    where = str(settings(store=arguments.store).store)
    store = open_store(where)
    try:
        if arguments.what == "verify":
            damages = list(store.verify())
            print("\n".join(damages) or "every record reads back as it was written")
            return 1 if damages else 0
        summary = store.summary()
    finally:
        store.close()
    print(f"store       {store!r}")
    print(f"questions   {summary.fingerprints:,}")
    print(f"samples     {summary.samples:,}")
    print(f"namespaces  {summary.namespaces:,}")
    print(f"size        {summary.size / 1e6:,.1f} MB")
    return 0
