"""docs/reference/patchers.md: a row for each client that somebody else patches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from patchers.judge import Played, faults, sight, touched

__all__ = ["PAGE", "Found", "Lines", "lines", "told", "written"]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "patchers.md"

_PART = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.DOTALL)
_HEAD = ("package", "client", "it sees of a hit", "orders that hold", "found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found of one patcher.

    Attributes:
        name: Its key in `company.PATCHERS`.
        version: Package and version; empty where it is none.
        known: By the name of an order, why it cannot hold.
        alone: Without us.
        orders: By the name of the order.
    """

    name: str
    version: str
    known: Mapping[str, str]
    alone: Played
    orders: Mapping[str, Played]

    def faults(self) -> dict[str, list[str]]:
        """Return what does not hold, by the name of the order."""
        each = {order: list(faults(played, self.alone)) for order, played in self.orders.items()}
        return {order: clauses for order, clauses in each.items() if clauses}

    def surprises(self) -> dict[str, list[str]]:
        """Return `faults` but those that are known, and that an order holds that could not."""
        found = self.faults()
        held = {order: ["it holds now"] for order in self.known if order not in found}
        return {**{o: f for o, f in found.items() if o not in self.known}, **held}


def told(found: Found) -> list[str]:
    """Return what is to be said of *found* at once, line by line."""
    wrong = found.surprises()
    held = len(found.orders) - len(found.faults())
    lines = [f"{found.name} {found.version}: {held} of {len(found.orders)} orders hold"]
    for order, clauses in wrong.items():
        lines += [f"  {order}:", *(f"    {clause}" for clause in clauses)]
    return lines


def written(page: str, lines: Sequence[Lines]) -> str:
    """Return *page* with the table of *lines*."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(row for each in lines for row in each["rows"])]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    notes = [note for each in lines for note in each["notes"]]
    made = "\n\n".join(["", table, *(["\n".join(notes)] if notes else []), ""])
    whole, count = _PART.subn(lambda _: made.removeprefix("\n"), page)
    if count != 1:
        raise ValueError("the page needs one <!-- generated --> with an <!-- end --> after it")
    return whole


class Lines(TypedDict):
    """What the page says of one patcher: rows of the table, and what is listed beneath."""

    rows: list[list[str]]
    notes: list[str]


def lines(found: Found, when: str) -> Lines:
    """Return what the page is to say of *found*, which was found *when*."""
    return {"rows": [[*row, when] for row in _rows(found)], "notes": _notes(found)}


def _rows(found: Found) -> list[tuple[str, ...]]:
    """Return a row for each way in which clients fare, with the clients that fare so."""
    groups = dict[tuple[str, str], list[str]]()
    for client in touched(found.alone):
        sees = sight(client, list(found.orders.values()), found.alone)
        wrong = sum(
            any(clause.startswith(f"{client},") for clause in clauses)
            for clauses in found.faults().values()
        )
        held = f"{len(found.orders) - wrong} of {len(found.orders)}"
        groups.setdefault((sees, held), []).append(client)
    title = f"{found.name} ({found.version})" if found.version else found.name
    return [(title, ", ".join(clients), sees, held) for (sees, held), clients in groups.items()]


def _notes(found: Found) -> list[str]:
    return [
        f"- {found.name}, {order}: {found.known.get(order) or '; '.join(clauses)}"
        for order, clauses in found.faults().items()
    ]
