"""Run every benchmark, print the table, write docs/benchmarks.md. Reports; never gates.

Every figure compares two things in one run, side by side and turn by turn: machines are shared, and
only the ratio or the difference of a pair means anything. Medians of pairs of processor time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import calls, laws, local, passing, processes, storage

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
YES = {True: "yes", False: "**no**"}
PEERS = ("openai", "httpx", "httpx2", "aiohttp", "requests", "lmdb", "orjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; *found* and *limit* are in words, *kept* tells if one is in the other."""

    what: str
    against: str
    found: str
    limit: str
    kept: bool


PARTS = {
    "processes": processes,
    "passing": passing,
    "calls": calls,
    "storage": storage,
    "laws": laws,
}


APART = {"local": local}
"""Parts that need an environment of gigabytes and many minutes: measured by name only, each with a part
of the page of its own."""

SECTION = re.compile(r"(?<=<!-- local -->\n).*?(?=<!-- end -->)", re.DOTALL)


def rows(parts: Iterable[str]) -> Iterator[Row]:
    """Measure *parts*, row by row."""
    for module in ({**PARTS, **APART}[part] for part in parts):
        for what, against, found, limit, kept in module.measured():
            row = Row(what=what, against=against, found=found, limit=limit, kept=kept)
            print(f"{row.what}: {row.found} (to reach: {row.limit})", flush=True)  # noqa: T201
            yield row


def page(table: list[Row], section: str) -> str:
    """Return docs/benchmarks.md, with *section* as the part about the local endpoint."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    today = datetime.now(tz=UTC).date().isoformat()
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit.",
        "Figures are medians of pairs of processor time, measured turn by turn",
        "in one run; absolute times are this machine's on that day. Differences of microseconds are",
        "those of the quickest of many short blocks of calls.",
        "",
        f"{today}, Python {platform.python_version()}, {os.cpu_count()} cores; {versions}.",
        "",
        *drawn(table),
        "## The local endpoint",
        "",
        f"<!-- local -->\n{section}<!-- end -->",
        "",
    ]
    return "\n".join(lines)


def drawn(table: list[Row]) -> list[str]:
    """Return the lines of a table."""
    return [
        "| what | against | found | to reach | |",
        "|---|---|---|---|---|",
        *(
            f"| {row.what} | {row.against} | {row.found} | {row.limit} | {YES[row.kept]} |"
            for row in table
        ),
        "",
    ]


def local_section(table: list[Row]) -> str:
    """Return what `--part local` writes between its marks."""
    today = datetime.now(tz=UTC).date().isoformat()
    command = "`make bench ARGS='--part local'`"
    when = f"{today}, Python {platform.python_version()}, {os.cpu_count()} cores, {command}"
    return "\n".join(["", f"{when}; {local.beside()}", "", *drawn(table), ""])


def main() -> None:
    """Measure everything; write the page, unless (`--dry`, `--part`) it is not to be written.

    `--part local` writes its own part of the page.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="write no page")
    parser.add_argument(
        "--part", action="append", choices={**PARTS, **APART}, help="this part only"
    )
    chosen = parser.parse_args()
    table = list(rows(chosen.part or PARTS))
    if chosen.dry:
        return
    old = PAGE.read_text(encoding="utf-8")
    if chosen.part == ["local"]:
        PAGE.write_text(SECTION.sub(lambda _: local_section(table), old), encoding="utf-8")
    elif not chosen.part:
        found = SECTION.search(old)
        PAGE.write_text(page(table, found[0] if found else ""), encoding="utf-8")


if __name__ == "__main__":
    main()
