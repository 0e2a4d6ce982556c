"""The import contracts of pyproject.toml: they hold, and each is seen to fire on a planted fault."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[1]
OUTER_ROOMS = {
    *("budget", "contexts", "flights", "generating", "permits", "prices", "purse", "sleeping"),
    *("guards", "tee", "windows", "sending", "leases", "engine", "pace"),
    *("transports", "stores", "cassettes", "ledger", "statistics"),
    *(
        "answering",
        "candour",
        "doors",
        "importing",
        "jobs",
        "mounts",
        "nearest",
        "relaying",
        "replies",
        "runs",
        "serving",
        "scopes",
        "settings",
        "session",
        "standing",
        "tasks",
        "tripwire",
        "plugins",
        "recording",
        "vcr",
        "wiring",
    ),
    *(
        "__main__",
        "pytest_plugin",
        "pytest_vcr",
        "pytesting",
        "cli",
        "doctor",
        "local",
        "gateway",
        "rehearsal",
        "ui",
    ),
}
"""The rooms that may touch the world; every other one is the core."""

ARROWS = "Arrows point inwards"
TRANSPORTS = "Transports do not know each other"
CORE = "The core knows no client, no backend, no event loop and no clock"

FAULTS = {
    "an inner room imports an outer one": (
        ARROWS,
        {"cachesaver/exchange.py": "import cachesaver.ports"},
    ),
    "a room imports its sibling": (
        ARROWS,
        {"transports/planted.py": "import cachesaver.stores"},
    ),
    "a module lies in no layer": (
        ARROWS,
        {"cachesaver/planted.py": "import cachesaver.exchange"},
    ),
    "one transport imports another, on a detour": (
        TRANSPORTS,
        {
            "transports/httpx.py": "import cachesaver.transports.patches",
            "transports/patches.py": "import cachesaver.transports.testing",
        },
    ),
    "the core imports a clock": (
        CORE,
        {"cachesaver/dialects/base.py": "import time"},
    ),
    "the core imports a client": (
        CORE,
        {"cachesaver/ports.py": "import httpx"},
    ),
}
"""What is planted: the contract it breaks, and the line appended to each file."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of what import-linter reads, the link included."""
    for name in ("cachesaver", "transports"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    link = tmp_path / "cachesaver" / "transports"
    if not link.is_symlink():
        pytest.skip("this checkout has no symlinks: lint-imports cannot see cachesaver.transports")
    return tmp_path


def lint(folder: Path) -> tuple[int, str]:
    """Run lint-imports in *folder*; return its exit code and what it printed, on one line."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_contracts_hold(copy: Path) -> None:
    code, printed = lint(copy)

    assert code == 0, printed
    assert " 0 broken" in printed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_contract_fires(copy: Path, fault: str) -> None:
    """Given the package with one violation planted, when linted, then its contract is named."""
    contract, lines = FAULTS[fault]
    for file, line in lines.items():
        with (copy / file).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")

    code, printed = lint(copy)

    assert code == 1
    assert f"{contract} BROKEN" in printed or f"'{contract}'" in printed, printed


def test_every_contract_has_a_fault() -> None:
    names = {contract["name"] for contract in contracts()}

    assert names == {name for name, _ in FAULTS.values()}


def test_the_core_is_every_room_that_is_not_an_outer_one() -> None:
    """Given the rooms on disk, then those of the inner layers are kept from the world."""
    (core,) = (each for each in contracts() if each["name"] == CORE)

    entries = [path for path in (ROOT / "cachesaver").iterdir() if not path.name.startswith("_")]

    rooms = {path.stem for path in entries if path.suffix == ".py" or path.is_dir()}
    listed = {name.removeprefix("cachesaver.") for name in core["source_modules"]}
    assert listed == rooms - OUTER_ROOMS


def test_every_adapter_is_kept_from_the_others() -> None:
    """Given the modules that name the clients they hook, then they are those of the contract."""
    (apart,) = (each for each in contracts() if each["name"] == TRANSPORTS)

    adapters = {
        path.stem
        for path in (ROOT / "transports").glob("*.py")
        if re.search(r"^MODULES\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    listed = {name.removeprefix("cachesaver.transports.") for name in apart["modules"]}
    assert listed == adapters | {"testing"}


def contracts() -> list[dict[str, Any]]:
    """Return the contracts as they stand in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return cast("list[dict[str, Any]]", settings["tool"]["importlinter"]["contracts"])
