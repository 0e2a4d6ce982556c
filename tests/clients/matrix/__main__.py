"""Put every SDK through the matrix: `python -m tests.clients.matrix`, which `make matrix` runs.

Those of our test group run by this interpreter; each of the others in an environment of its own, made
under .cache/matrix with the current release. What was found is written to docs/reference/clients.md,
unless only some were asked for. The exit status is that of a test: 1 if a cell failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from matrix.judge import judge  # noqa: E402  # they are found from here on
from matrix.page import PAGE, Found, written  # noqa: E402
from matrix.play import play  # noqa: E402
from matrix.table import SDKS, Sdk  # noqa: E402

_VERSIONS = """
import importlib.metadata, json, sys
found = {d.name.lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
print(json.dumps(found))
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients.matrix", description=__doc__)
    parser.add_argument("--sdk", action="append", help="some of them only, such as openai")
    chosen = parser.parse_args()
    sdks = [sdk for sdk in SDKS if not chosen.sdk or sdk.name in chosen.sdk]
    found = [each for sdk in sdks for each in found_of(sdk)]
    if not chosen.sdk:
        told = f"Found by `make matrix` on {datetime.now(UTC):%Y-%m-%d}, Python {_python()}."
        PAGE.write_text(written(PAGE.read_text("utf-8"), found, told), "utf-8")
        say(f"written: {PAGE.relative_to(ROOT)}")
    return int(any(fault for each in found for fault in each.faults.values()))


def found_of(sdk: Sdk) -> Iterator[Found]:
    """Iterate what was found of the rows of *sdk*, and print it."""
    python = environment(sdk) if sdk.heavy else Path(sys.executable)
    path = [str(ROOT), str(ROOT / "tests" / "support")] if sdk.heavy else None
    versions = versions_of(python)
    with tempfile.TemporaryDirectory() as store:
        acts = play(sdk, Path(store), python=python, path=path)
    for row, told in zip(sdk.rows, acts, strict=True):
        faults = judge(row, told)
        say(f"{sdk.title} {versions[sdk.name]}, {row.way}: {_said(faults.values())}")
        for column, fault in faults.items():
            if fault:
                say(f"    {column}: {fault}")
        yield Found(sdk=sdk, row=row, faults=faults, versions=versions)


def environment(sdk: Sdk) -> Path:
    """Return the interpreter of an environment that has *sdk*, in its current release."""
    folder = ROOT / ".cache" / "matrix" / sdk.name
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    uv: list[str | Path] = [sys.executable, "-m", "uv"]
    if not python.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    install = [*uv, "pip", "install", "--quiet", "--upgrade", "--python", python]
    subprocess.run([*install, sdk.name, *sdk.extras, *ours], check=True)
    return python


def versions_of(python: Path) -> Mapping[str, str]:
    """Return the version of every distribution that *python* has."""
    said = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    versions: Mapping[str, str] = json.loads(said.stdout)
    return versions


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _said(faults: Iterable[str]) -> str:
    return "FAILED" if any(faults) else "ok"


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


if __name__ == "__main__":
    sys.exit(main())
