"""Tests of clients that cannot be beside others: `python tests/transports/apart.py [NAME ...]`.

Makes an environment for each, in `.cache/`, from the package index, and runs their tests there. Ends
with 1 if any of them failed. Not a test module: some of these packages replace others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".cache" / "apart"
OURS: Final = ("filelock", "lmdb", "orjson", "platformdirs", "zstandard", "starlette", "uvicorn")
TESTING: Final = ("hypothesis", "pytest", "pytest-timeout", "setuptools")

_BESIDE: Final = ("tests/pytesting/test_beside.py",)

ENVIRONMENTS: Final = {
    # name: packages, and the tests they are for
    "niquests": (
        ("niquests", "urllib3-future"),
        (
            "tests/transports/test_urllib3_future.py",
            "tests/clients/test_reach.py",
            "tests/clients/test_unknown_sdk.py",
        ),
    ),
    "aiobotocore": (
        ("aiobotocore[httpx2]", "boto3"),
        ("tests/clients/test_aiobotocore.py",),
    ),
    "others": (
        (
            *(
                "aiosonic",
                "curl-cffi",
                "httpr",
                "httpx-aiohttp",
                "httpx2",
                "impit",
                "primp",
                "pycurl",
            ),
            *("pyreqwest", "requests-futures", "rnet", "tornado"),
        ),
        ("tests/clients/test_reach.py",),
    ),
    # Plugins of pytest that know of cassettes or of blocking; not all go together.
    "recording": (("httpx", "pytest-recording", "pytest-socket"), _BESIDE),
    "vcr": (("httpx", "pytest-vcr", "pytest-socket"), _BESIDE),
}


def main(names: list[str]) -> int:
    return max([run(name) for name in names or ENVIRONMENTS])


def run(name: str) -> int:
    packages, tests = ENVIRONMENTS[name]
    python = environment(name, (*packages, *OURS, *TESTING))
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
    print(f"--- {name}", flush=True)  # noqa: T201 - a program tells
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
        check=False,
    ).returncode


def environment(name: str, packages: tuple[str, ...]) -> Path:
    home = HOME / name
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, *packages], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
