"""docs/reference/vcr-suites.md: a table, and a section per suite, written anew when its suite has run."""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tests.vcr.suites.sources import Suite

__all__ = ["PAGE", "write"]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "vcr-suites.md"
_ENDS = ("passed", "failed", "error", "skipped")


class Ran(Protocol):
    """What the page needs of a run; see `run.Run`."""

    @property
    def outcomes(self) -> dict[str, str]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def cpu(self) -> float: ...


def write(
    suite: Suite, versions: Mapping[str, str], runs: Mapping[str, Ran], *, untouched: bool
) -> None:
    """Put the section and the row of *suite* into the page, in the place of older ones."""
    text = PAGE.read_text(encoding="utf-8")
    text = _put(text, suite.name, _section(suite, versions, runs, untouched=untouched))
    text = _table(_row(text, suite.name, runs))
    PAGE.write_text(text, encoding="utf-8")


def _put(text: str, name: str, section: str) -> str:
    made = f"<!-- suite: {name} -->\n{section}\n"
    old = re.compile(
        rf"<!-- suite: {re.escape(name)} -->.*?(?=<!-- suite: |<!-- end -->)", re.DOTALL
    )
    if old.search(text):
        return old.sub(lambda _: made, text)
    return text.replace("<!-- end -->", f"{made}<!-- end -->")


def _row(text: str, name: str, runs: Mapping[str, Ran]) -> str:
    """Note in a comment what the table says of *name*."""
    (theirs, first), (_, ours) = runs.items()
    told = {
        "plugin": theirs,
        **{f"theirs_{end}": Counter(first.outcomes.values())[end] for end in _ENDS},
        **{f"ours_{end}": Counter(ours.outcomes.values())[end] for end in _ENDS},
        "theirs_s": f"{first.seconds:.1f} ({first.cpu:.1f})",
        "ours_s": f"{ours.seconds:.1f} ({ours.cpu:.1f})",
        "worse": sum(
            end == "passed" and ours.outcomes.get(test) != "passed"
            for test, end in first.outcomes.items()
        ),
        "better": sum(
            end == "passed" and first.outcomes.get(test) != "passed"
            for test, end in ours.outcomes.items()
        ),
    }
    line = f"<!-- row: {name} {json.dumps(told)} -->"
    old = re.compile(rf"<!-- row: {re.escape(name)} .*?-->")
    if old.search(text):
        return old.sub(lambda _: line, text)
    return text.replace("<!-- table -->", f"{line}\n<!-- table -->")


def _table(text: str) -> str:
    """Draw the table from the comments."""
    rows = [
        (found[1], json.loads(found[2]))
        for found in re.finditer(r"<!-- row: (\S+) (.*?) -->", text)
    ]
    head = ["suite", "on", "passed there", "passed here", "not passed there", "not passed here"]
    head += [
        "only there",
        "only here",
        "seconds there (of processor)",
        "seconds here (of processor)",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [
        f"| {name} | {told['plugin']} | {told['theirs_passed']} | {told['ours_passed']} "
        f"| {told['theirs_failed'] + told['theirs_error']} "
        f"| {told['ours_failed'] + told['ours_error']} | {told['worse']} | {told['better']} "
        f"| {told['theirs_s']} | {told['ours_s']} |"
        for name, told in rows
    ]
    drawn = "<!-- table -->\n" + "\n".join(lines) + "\n<!-- end of table -->"
    return re.sub(r"<!-- table -->.*?<!-- end of table -->", lambda _: drawn, text, flags=re.DOTALL)


def _section(
    suite: Suite, versions: Mapping[str, str], runs: Mapping[str, Ran], *, untouched: bool
) -> str:
    today = datetime.now(tz=UTC).date().isoformat()
    where = f"{today}, Python {platform.python_version()}, {platform.system()}"
    source = f"{suite.git} at `{suite.tag}`" if suite.git else f"the sdist `{suite.sdist}`"
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    touched = (
        "No file of the suite was changed." if untouched else "**Files of the suite changed.**"
    )
    lines = [
        f"## {suite.name}",
        "",
        f"Tests of {source}, marked `{suite.marker}`; {shown}; {where}.",
        *([suite.remark] if suite.remark else []),
        touched,
        "",
        *_differences(suite, runs),
    ]
    return "\n".join(lines)


def _differences(suite: Suite, runs: Mapping[str, Ran]) -> list[str]:
    (theirs, first), (_, ours) = runs.items()
    differing = {
        test: (end, ours.outcomes.get(test, "not run"))
        for test, end in sorted(first.outcomes.items())
        if end != ours.outcomes.get(test)
    }
    if not differing:
        return ["Every test ends alike on both.", ""]
    lines = [
        f"- `{test}`: {one} with {theirs}, {other} here: {_reason(suite, test)}"
        for test, (one, other) in differing.items()
    ]
    return [*lines, ""]


def _reason(suite: Suite, test: str) -> str:
    found = [why for part, why in suite.differs.items() if part in test]
    return found[0] if found else "no reason is known"
