"""The table of docs/reference/clients.md: what was found, row by row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matrix.table import COLUMNS, Row, Sdk

__all__ = ["PAGE", "Found", "name_of", "written"]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "clients.md"

_PART = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.DOTALL)
_HEAD = ("SDK", "called", "through", "seen by", *COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found of one row.

    Attributes:
        faults: As `matrix.judge` told them.
        versions: By distribution.
    """

    sdk: Sdk
    row: Row
    faults: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(slots=True)
class _Notes:
    """Numbered as they come; the same one once."""

    texts: list[str] = field(default_factory=list[str])

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return f"[{self.texts.index(text) + 1}]"


def name_of(sdk: Sdk, row: Row) -> tuple[str, str]:
    """Return how the table names a row: its first two cells, without the version."""
    return sdk.title, row.way


def written(page: str, found: Sequence[Found], told: str) -> str:
    """Return *page* with the table of what was *found*, under the line *told*."""
    notes = _Notes()
    rows = [_HEAD, ("---",) * len(_HEAD), *(_cells(each, notes) for each in found)]
    table = "\n".join(map(_line, rows))
    listed = "\n".join(f"{n}. {text}" for n, text in enumerate(notes.texts, 1))
    made = f"\n{told}\n\n{table}\n\n{listed}\n\n"
    whole, count = _PART.subn(lambda _: made, page)
    if count != 1:
        raise ValueError("the page needs one <!-- generated --> with an <!-- end --> after it")
    return whole


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _cells(found: Found, notes: _Notes) -> Iterator[str]:
    sdk, row = found.sdk, found.row
    about = f" ({sdk.about})" if sdk.about else ""
    yield f"{sdk.name} {found.versions[sdk.name]}{about}"
    yield row.way
    yield f"{row.client} {found.versions.get(row.client, '')}".strip()
    hook = f"`{row.hook}`" if row.hook else "none"
    yield f"{hook} {notes.mark(row.passes)}" if row.passes else hook
    for column in COLUMNS:
        yield _verdict(found, column, notes)


def _verdict(found: Found, column: str, notes: _Notes) -> str:
    if column in found.row.apart:
        return f"n/a {notes.mark(found.row.apart[column])}"
    if found.faults[column]:
        return f"**no** {notes.mark(found.faults[column])}"
    if found.row.is_refused(column):
        return "refused"
    return "as live" if found.row.passes else "yes"
