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

from tests.bench import calls, cassettes, laws, local, passing, processes, storage

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


APART = {"cassettes": (cassettes, "Cassettes"), "local": (local, "The local endpoint")}
"""Parts that need an environment of others' and many minutes: measured by name only, each with a part
of the page of its own."""


def rows(parts: Iterable[str]) -> Iterator[Row]:
    """Measure *parts*, row by row."""
    modules = {**PARTS, **{name: module for name, (module, _) in APART.items()}}
    for module in (modules[part] for part in parts):
        for what, against, found, limit, kept in module.measured():
            row = Row(what=what, against=against, found=found, limit=limit, kept=kept)
            print(f"{row.what}: {row.found} (to reach: {row.limit})", flush=True)  # noqa: T201
            yield row


def page(table: list[Row], old: str) -> str:
    """Return docs/benchmarks.md, with the sections of *old*."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    today = datetime.now(tz=UTC).date().isoformat()
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit.",
        "Figures are medians of pairs of processor time, measured turn by turn",
        "in one run; absolute times are this machine's on that day. What a call that is none of our",
        "business costs with httpx is measured in one program, in many short blocks with our hooks and",
        "without, in turn (in brackets: where the median lies in 19 cases of 20); with the other",
        "clients, in programs that have us and programs that never import us, in turn (in brackets: their",
        "quickest blocks). The noise is by how much one of the latter differs from another.",
        "",
        f"{today}, Python {platform.python_version()}, {os.cpu_count()} cores; {versions}.",
        "",
        *drawn(table),
    ]
    for name, (_, title) in APART.items():
        kept = _section(name).search(old)
        lines += [f"## {title}", "", f"<!-- {name} -->\n{kept[0] if kept else ''}<!-- end -->", ""]
    return "\n".join(lines)


def _section(name: str) -> re.Pattern[str]:
    """Return what finds in the page what `--part name` wrote."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)


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


def section(name: str, table: list[Row]) -> str:
    """Return what `--part name` writes between its marks."""
    today = datetime.now(tz=UTC).date().isoformat()
    command = f"`make bench ARGS='--part {name}'`"
    when = f"{today}, Python {platform.python_version()}, {os.cpu_count()} cores, {command}"
    return "\n".join(["", f"{when}; {APART[name][0].beside()}", "", *drawn(table), ""])


def main() -> None:
    """Measure everything; write the page, unless (`--dry`, `--part`) it is not to be written.

    One of `APART` writes its own section of the page.
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
    if not chosen.part:
        PAGE.write_text(page(table, old), encoding="utf-8")
    elif len(chosen.part) == 1 and chosen.part[0] in APART:
        (name,) = chosen.part
        new = _section(name).sub(lambda _: section(name, table), old, count=1)  # it may be empty
        PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
