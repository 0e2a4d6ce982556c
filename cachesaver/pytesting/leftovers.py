"""What no test asks for any more: answers in cassettes, and cassettes in the folders of tests.

Each process notes what its tests use; with xdist the workers' notes are added up by the controller.
Nothing is said of a cassette unless all tests that have it were run to their end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cachesaver.cassettes.names import SUFFIX
from cachesaver.cassettes.store import CassetteStore

__all__ = ["Uses", "write"]


def _ids() -> dict[str, set[str]]:
    return {}


def _answers() -> dict[str, dict[str, set[int]]]:
    return {}


@dataclass(slots=True)
class Uses:
    """What a run of tests uses. Paths are absolute, tests are named by their node ids.

    Attributes:
        owners: The tests that have a cassette.
        passed: Those that were run with it to their end.
        held: The indexes of the answers that were there before, by cassette and fingerprint.
        played: Of those, the ones that were given.
        folders: Where cassettes of tests lie.
        opened: Cassettes that were opened by any means.
        named: Those that have a name, so that any test may have them.
        is_whole: Whether all tests of the project were collected, and none left out.
    """

    owners: dict[str, set[str]] = field(default_factory=_ids)
    passed: dict[str, set[str]] = field(default_factory=_ids)
    held: dict[str, dict[str, set[int]]] = field(default_factory=_answers)
    played: dict[str, dict[str, set[int]]] = field(default_factory=_answers)
    folders: set[str] = field(default_factory=set[str])
    opened: set[str] = field(default_factory=set[str])
    named: set[str] = field(default_factory=set[str])
    is_whole: bool = False

    def owns(self, test: str, path: Path) -> None:
        """Note that *test* has the cassette at *path*."""
        self.owners.setdefault(str(path), set()).add(test)

    def note(self, test: str, store: CassetteStore, *, passed: bool) -> None:
        """Note what *test* used of *store*, and whether it came to its end."""
        path = str(store.path)
        self.owns(test, store.path)
        if passed:
            self.passed.setdefault(path, set()).add(test)
        for each in store.documents:
            indexes = self.held.setdefault(path, {}).setdefault(each.fingerprint, set())
            indexes.update(range(len(each.answers)))
        for fingerprint, given in store.played.items():
            self.played.setdefault(path, {}).setdefault(fingerprint, set()).update(given)

    def unused(self) -> dict[str, list[tuple[str, int]]]:
        """Return fingerprint and index of each answer that no test was given, by cassette."""
        found: dict[str, list[tuple[str, int]]] = {}
        for path, held in sorted(self.held.items()):
            others = path in self.named and not self.is_whole
            if others or self.owners.get(path, set()) - self.passed.get(path, set()):
                continue
            played = self.played.get(path, {})
            left = [
                (fingerprint, index)
                for fingerprint, indexes in sorted(held.items())
                for index in sorted(indexes - played.get(fingerprint, set()))
            ]
            found |= {path: left} if left else {}
        return found

    def orphans(self) -> list[str]:
        """Return the cassettes in the folders of tests that belong to none of them."""
        if not self.is_whole:
            return []
        known = {*map(os.path.realpath, (*self.owners, *self.opened))}
        found = {
            os.path.realpath(path)
            for folder in self.folders
            for path in Path(folder).rglob(f"*{SUFFIX}")
        }
        return sorted(found - known)

    def told(self) -> dict[str, Any]:
        """Return all of this as plain values, for `add`."""
        return {
            "owners": _plain(self.owners),
            "passed": _plain(self.passed),
            "held": {path: _plain(each) for path, each in self.held.items()},
            "played": {path: _plain(each) for path, each in self.played.items()},
            "folders": sorted(self.folders),
            "opened": sorted(self.opened),
            "named": sorted(self.named),
            "is_whole": self.is_whole,
        }

    def add(self, told: Mapping[str, Any]) -> None:
        """Add what another process `told`; each has collected all tests."""
        _add(self.owners, told["owners"])
        _add(self.passed, told["passed"])
        for mine, theirs in ((self.held, told["held"]), (self.played, told["played"])):
            for path, answers in theirs.items():
                _add(mine.setdefault(path, {}), answers)
        self.folders.update(told["folders"])
        self.opened.update(told["opened"])
        self.named.update(told["named"])
        self.is_whole = told["is_whole"]


def _plain(sets: Mapping[str, set[Any]]) -> dict[str, list[Any]]:
    return {name: sorted(each) for name, each in sets.items()}


def _add(mine: dict[str, set[Any]], theirs: Mapping[str, Iterable[Any]]) -> None:
    for name, each in theirs.items():
        mine.setdefault(name, set()).update(each)


def write(file: Path, unused: Mapping[str, Iterable[tuple[str, int]]], root: Path) -> None:
    """Write *unused* to *file*: `{"path": [{"fingerprint": ..., "index": ...}]}`, paths from *root*."""
    told = {
        os.path.relpath(path, root): [
            {"fingerprint": fingerprint, "index": index} for fingerprint, index in answers
        ]
        for path, answers in unused.items()
    }
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
