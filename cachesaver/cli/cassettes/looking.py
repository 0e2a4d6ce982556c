"""`cachesaver cassette show` and `diff`."""

from __future__ import annotations

import argparse

from cachesaver.cassettes.listing import Entry, differences, entries, excerpt, tokens
from cachesaver.cli.cassettes.sources import answers
from cachesaver.cli.tables import counted, table
from cachesaver.differences import difference
from cachesaver.errors import ConfigurationError
from cachesaver.settings import settings

__all__ = ["diff_", "show_"]

_HEAD = ("fingerprint", "dialect", "model", "answers", "tokens", "question")


def show_(arguments: argparse.Namespace) -> int:
    """Print a table of the questions, or one of them with its answers."""
    found = entries(answers(arguments.source, hosts=settings().hosts))
    if arguments.fingerprint is not None:
        return _shown(found, arguments.fingerprint, arguments.source)
    print(table(_HEAD, [_row(each) for each in found.values()]))
    count = sum(len(each.samples) for each in found.values())
    print(f"{counted(count, 'answer')} to {counted(len(found), 'question')}")
    return 0


def _row(entry: Entry) -> tuple[str, ...]:
    used = tokens(entry.samples)
    return (
        entry.fingerprint[:12],
        entry.dialect,
        entry.model or "-",
        str(len(entry.samples)),
        f"{used:,}" if used else "-",
        excerpt(entry.question),
    )


def _shown(found: dict[str, Entry], prefix: str, source: str) -> int:
    matching = [each for each in found if each.startswith(prefix)]
    if len(matching) != 1:
        raise ConfigurationError(
            f"{len(matching)} questions of {source} have a fingerprint that begins with {prefix}"
        )
    entry = found[matching[0]]
    print(f"fingerprint {entry.fingerprint}")
    print(_lines(entry.question))
    for place, sample in enumerate(entry.samples):
        response = sample.response
        print(f"\nanswer {place}: status {response.status}, {response.content_type or 'no type'}")
        print(response.body.decode("utf-8", "replace"))
    return 0


def _lines(question: bytes) -> str:
    """The question with its JSON one member a line: as a difference to nothing shows it."""
    told = difference(b"", question).split("\n")
    return "\n".join(line[1:] for line in told if line.startswith("+") and line != "+++ asked")


def diff_(arguments: argparse.Namespace) -> int:
    """Print how two recordings differ; 1 if they do."""
    named = (str(arguments.one), str(arguments.other))
    hosts = settings().hosts
    one, other = (entries(answers(each, hosts=hosts)) for each in named)
    told = list(differences(one, other, named))
    for each in told:
        print(each)
    if not told:
        print(f"the same: {counted(len(one), 'question')}")
    return 1 if told else 0
