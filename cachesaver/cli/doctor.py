"""`cachesaver doctor`: which HTTP clients this environment has, which we see, and whether it works.

A hook is tried by a call to a server on this machine, bought once and answered from a store of its own
the second time; nothing leaves the machine, and no store of yours is touched. Ends with 1 where a hook
does not work.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Sequence

from cachesaver.cli.tables import table
from cachesaver.clients import Reach
from cachesaver.doctor import Check, Found, check, installed

__all__ = ["HELP", "add_arguments", "run"]

HELP = "which HTTP clients are installed, which are seen, and whether each hook works"

Examined = Sequence[tuple[Found, Check]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver doctor` takes."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--no-check", action="store_true", help="do not import the clients to try them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was found."""
    examined = [(found, _checked(found, arguments)) for found in installed()]
    if arguments.json:
        print(json.dumps([_members(*each) for each in examined], indent=2))
    else:
        print("\n".join(_page(examined)))
    return int(any(each.works is False for _, each in examined))


def _checked(found: Found, arguments: argparse.Namespace) -> Check:
    seen = found.client.reach is not Reach.GATEWAY
    return check(found) if seen and not arguments.no_check else Check(works=None)


def _members(found: Found, result: Check) -> dict[str, object]:
    return {
        "client": found.name,
        "version": found.version,
        "tested": found.client.tested,
        "reach": found.client.reach.value,
        "by": found.client.by,
        "works": result.works,
        "reason": result.reason,
        "note": found.client.note,
        "users": list(found.users),
    }


def _page(examined: Examined) -> Iterator[str]:
    head = ("client", "version", "tested", "its calls are", "tried")
    yield table(head, [_row(*each) for each in examined])
    yield ""
    yield from _remarks(examined)
    yield from _users(examined)


def _row(found: Found, result: Check) -> tuple[str, ...]:
    tried = {True: "works", False: "FAILS", None: "-"}[result.works]
    return (found.name, found.version, found.client.tested, _reached(found), tried)


def _reached(found: Found) -> str:
    match found.client.reach:
        case Reach.HOOK:
            return "answered"
        case Reach.THROUGH:
            return f"answered, through {found.client.by}"
        case Reach.GATEWAY:
            return "NOT SEEN"


def _remarks(examined: Examined) -> Iterator[str]:
    for found, result in examined:
        if result.works is False:
            yield _folded(f"{found.name} FAILS: {result.reason}")
        elif found.client.reach is Reach.GATEWAY:
            yield _folded(
                f"{found.name} is not seen: {found.client.note}. By mode='replay' its provider calls "
                "are refused; to have them answered, point it at `cachesaver gateway`."
            )
        elif found.client.note:
            yield _folded(f"{found.name}: {found.client.note}.")


def _users(examined: Examined) -> Iterator[str]:
    for found, _ in examined:
        if found.users:
            yield _folded(f"{found.name} is used by {', '.join(found.users)}.")


def _folded(text: str) -> str:
    return textwrap.fill(text, 100, subsequent_indent="    ", break_on_hyphens=False)
