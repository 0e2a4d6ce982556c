"""Put us beside everybody else who patches clients: `python -m tests.clients.patchers`, or `make patchers`.

Each of them in an environment of its own, made under .cache/patchers with the current releases; every
order of coming and leaving in a process of its own. What was found is written to
docs/reference/patchers.md; of those that were not asked for, what was found last. The exit status is 1
if anything did not hold.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from patchers.company import PATCHERS  # noqa: E402  # they are found from here on
from patchers.judge import ALONE, ORDERS  # noqa: E402
from patchers.page import PAGE, Found, lines, told, written  # noqa: E402
from patchers.play import play  # noqa: E402

CLIENTS = ("httpx", "httpx2", "requests", "urllib3", "aiohttp", "boto3")
_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients.patchers", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="some of them only: a part of a name, such as otel"
    )
    chosen = parser.parse_args().names
    wanted = [n for n in PATCHERS if not chosen or any(c.lower() in n.lower() for c in chosen)]
    wrong = False
    for name in wanted:
        found = found_of(name)
        wrong = wrong or bool(found.surprises())
        when = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"
        folder(name).with_suffix(".json").write_text(json.dumps(lines(found, when)), "utf-8")
        known = [folder(each).with_suffix(".json") for each in PATCHERS]
        told_of = [json.loads(path.read_text("utf-8")) for path in known if path.exists()]
        PAGE.write_text(written(PAGE.read_text("utf-8"), told_of), "utf-8")
    return int(wrong)


def found_of(name: str) -> Found:
    """Play everything with *name*, and say at once what was found."""
    python = environment(name)
    alone, *orders = play(name, [ALONE, *ORDERS.values()], python=python)
    found = Found(
        name=name,
        version=version(name, python),
        known=PATCHERS[name].known,
        alone=alone,
        orders=dict(zip(ORDERS, orders, strict=True)),
    )
    sys.stdout.write("\n".join(told(found)) + "\n")
    sys.stdout.flush()
    return found


def environment(name: str) -> Path:
    """Return the interpreter of an environment that has the packages of *name*, and the clients."""
    python = folder(name) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    uv: list[str | Path] = [sys.executable, "-m", "uv"]
    if not python.exists():
        subprocess.run(
            [*uv, "venv", "--quiet", "--python", sys.executable, folder(name)], check=True
        )
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    install = [*uv, "pip", "install", "--quiet", "--upgrade", "--python", python]
    subprocess.run([*install, *PATCHERS[name].packages, *CLIENTS, *ours], check=True)
    return python


def folder(name: str) -> Path:
    """Return where the environment of *name* is; beside it, what was found last."""
    return ROOT / ".cache" / "patchers" / re.sub(r"\W+", "-", name)


def version(name: str, python: Path) -> str:
    """Return the version of the first package of *name*; empty where it has none."""
    packages = PATCHERS[name].packages
    if not packages:
        return ""
    package = packages[0].partition("[")[0]
    asked: list[str | Path] = [python, "-c", _VERSION, package]
    ran = subprocess.run(asked, check=True, capture_output=True, text=True)
    return f"{package} {ran.stdout.strip()}"


if __name__ == "__main__":
    sys.exit(main())
