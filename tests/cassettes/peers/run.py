"""Put every tool through every case, and write docs/reference/cassettes-compared.md: `make compare`."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from peers.cases import CASES  # noqa: E402  # found from here on
from peers.environments import environment, paths, versions  # noqa: E402
from peers.tools import PACKAGES, TOOLS  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "cassettes-compared.md"
PART = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.DOTALL)
COLUMNS = tuple(name for name in TOOLS if name != "nobody")


def main() -> int:
    """Return 1 if there is a case in which ours does not do as one expects."""
    python = environment()
    found = {
        (case, tool): played(sys.executable if tool == "cachesaver" else python, tool, case)
        for case in CASES
        for tool in COLUMNS
    }
    PAGE.write_text(PART.sub(lambda _: table(found, python), PAGE.read_text("utf-8")), "utf-8")
    return int(any(found[case, "cachesaver"] for case in CASES))


def played(python: str | Path, tool: str, case: str) -> str | None:
    """Return what *tool* did that one does not expect; None: it has no such part."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [python, "-m", "peers.cases", tool, folder, case],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths(tool))},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    last = (ran.stderr if ran.returncode else ran.stdout).strip().rpartition("\n")[2]
    told: str | None = f"failed: {last[:80]}" if ran.returncode else json.loads(last)
    say(f"{case}, {tool}: {'n/a' if told is None else told or 'yes'}")
    return told


def table(found: Mapping[tuple[str, str], str | None], python: Path) -> str:
    """Return what goes into the page."""
    known = versions(python)
    told = ", ".join(f"{name} {known[name]}" for name in (p.partition("==")[0] for p in PACKAGES))
    beside = ", ".join(f"{name} {known[name]}" for name in ("pytest-recording", "openai", "httpx"))
    when = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"
    head = f"\nFound by `make compare` on {when}: "
    lines = [("case", *COLUMNS), ("---",) * (len(COLUMNS) + 1)]
    for case, function in CASES.items():
        doc = str(function.__doc__).strip().rstrip(".")
        lines.append((doc, *(cell(found[case, tool]) for tool in COLUMNS)))
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{head}{told}; {beside}.\n\n{rows}\n\n"


def cell(told: str | None) -> str:
    return "n/a" if told is None else told.replace("|", "/") or "yes"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
