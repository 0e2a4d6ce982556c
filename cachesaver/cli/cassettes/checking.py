"""`cachesaver cassette scan`, `verify` and `prune`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cachesaver.cassettes.checking import faults
from cachesaver.cassettes.files import put_in_order, read, revise
from cachesaver.cassettes.format import Document, merged
from cachesaver.cassettes.pruning import Keep, first, pruned, since, those_used, unused_in
from cachesaver.cassettes.scanning import Finding, scan
from cachesaver.cli.cassettes.sources import cassettes, content_of, recordings
from cachesaver.cli.tables import counted
from cachesaver.errors import CassetteError, ConfigurationError

__all__ = ["prune_", "scan_", "verify_"]


def scan_(arguments: argparse.Namespace) -> int:
    """Print where secrets stand, and of which kind; 1 if there are any."""
    count = files = 0
    for files, path in enumerate(recordings(arguments.paths), start=1):  # noqa: B007  # counts
        for found in scan(content_of(path), location=str(path), accounts=arguments.accounts):
            count += 1
            print(_told(path, found))
    print(f"{counted(count, 'secret')} in {counted(files, 'file')}")
    return 1 if count else 0


def _told(path: Path, found: Finding) -> str:
    line = f":{found.line}" if found.line else ""
    where = "" if found.place < 0 else f" interaction {found.place}, {found.side}:"
    return f"{path}{line}:{where} {found.kind}: {found.shown}"


def verify_(arguments: argparse.Namespace) -> int:
    """Print what is wrong with cassettes; 1 if anything is."""
    count = files = 0
    for files, path in enumerate(cassettes(arguments.paths), start=1):  # noqa: B007  # counts
        try:
            if arguments.fix:
                put_in_order(path, {})
            told = list(faults(path))
        except CassetteError as error:
            told = [str(error)]
        for fault in told:
            print(f"{path}: {fault}")
        count += len(told)
    print(f"{counted(count, 'fault')} in {counted(files, 'cassette')}")
    return 1 if count else 0


def prune_(arguments: argparse.Namespace) -> int:
    """Take answers out of cassettes, by every rule that is given."""
    shared = list(_shared(arguments))
    unused = None if arguments.unused is None else unused_in(Path(arguments.unused))
    if not shared and unused is None:
        raise ConfigurationError("nothing says what to keep: add --unused, --keep or --older-than")
    gone = files = 0
    for files, path in enumerate(cassettes(arguments.paths), start=1):  # noqa: B007  # counts
        told = [] if unused is None else [those_used(unused.get(path.resolve(), ()))]
        gone += _pruned(path, [*shared, *told], is_dry=arguments.dry_run)
    would = "to take out" if arguments.dry_run else "taken out"
    print(f"{counted(gone, 'answer')} {would} of {counted(files, 'cassette')}")
    return 0


def _shared(arguments: argparse.Namespace) -> Iterable[Keep]:
    if arguments.keep is not None:
        if arguments.keep < 1:
            raise ConfigurationError(f"--keep {arguments.keep} would keep nothing: write 1 or more")
        yield first(arguments.keep)
    if arguments.older_than is not None:
        yield since(datetime.now(UTC) - timedelta(days=arguments.older_than))


def _pruned(path: Path, rules: list[Keep], *, is_dry: bool) -> int:
    before = list(merged(read(path)[1], {}))
    after = list(pruned(before, rules))
    gone = _answers(before) - _answers(after)
    if gone and not is_dry:
        revise(path, lambda documents: pruned(documents, rules))
    if gone:
        print(f"{path}: {counted(gone, 'answer')} of {_answers(before)}")
    return gone


def _answers(documents: Iterable[Document]) -> int:
    return sum(len(each.answers) for each in documents)
