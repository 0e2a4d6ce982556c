"""docs/reference/transparency.md: a section per suite, each written anew when its suite has run."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tests.clients.suites.sources import Suite

__all__ = ["PAGE", "write"]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "transparency.md"

Line = list[str | int]

_ENDS = ("passed", "skipped", "xfailed", "xpassed", "failed", "error", "not collected")


class Ran(Protocol):
    """What the page needs of a run; see `run.Run`."""

    @property
    def outcomes(self) -> dict[str, str]: ...
    @property
    def seen(self) -> int: ...


def write(
    suite: Suite,
    version: str,
    source: str,
    runs: Mapping[str, Ran],
    told: Mapping[str, Mapping[str, str]],
) -> None:
    """Put the section of *suite* into the page, in the place of an older one if there is one."""
    text = PAGE.read_text(encoding="utf-8")
    made = f"<!-- suite: {suite.client} -->\n{section(suite, version, source, runs, told)}\n"
    old = re.compile(rf"<!-- suite: {suite.client} -->.*?(?=<!-- suite: |<!-- end -->)", re.DOTALL)
    if old.search(text):
        text = old.sub(lambda _: made, text)
    else:
        text = text.replace("<!-- end -->", f"{made}<!-- end -->")
    PAGE.write_text(text, encoding="utf-8")


def section(
    suite: Suite,
    version: str,
    source: str,
    runs: Mapping[str, Ran],
    told: Mapping[str, Mapping[str, str]],
) -> str:
    """Return what is to be read of *suite*."""
    today = datetime.now(tz=UTC).date().isoformat()
    where = f"{today}, Python {platform.python_version()}, {platform.system()}"
    lines = [
        f"## {suite.client} {version}",
        "",
        f"Tests of the sdist `{source}`; {where}; `make suites ARGS={suite.client}`.",
        *([suite.remark] if suite.remark else []),
        "",
        _table(runs, told),
        "",
        *_differences(told),
    ]
    return "\n".join(lines)


def _table(runs: Mapping[str, Ran], told: Mapping[str, Mapping[str, str]]) -> str:
    ended = {manner: Counter(run.outcomes.values()) for manner, run in runs.items()}
    ends = [end for end in _ENDS if any(count[end] for count in ended.values())]
    head: Line = ["run", "tests", *ends, "differ", "requests we had"]
    rows: list[Line] = [
        [
            manner,
            len(run.outcomes),
            *(ended[manner][end] for end in ends),
            len(told[manner]),
            run.seen,
        ]
        for manner, run in runs.items()
    ]
    rule: Line = ["---" for _ in head]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _differences(told: Mapping[str, Mapping[str, str]]) -> list[str]:
    lines = [
        f"- `{test}`, {manner}: {' '.join(how.split())}"
        for manner, each in told.items()
        for test, how in each.items()
    ]
    return [*lines, ""] if lines else []
