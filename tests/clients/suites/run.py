"""Run the clients' own test suites with and without us: `python -m tests.clients.suites.run [CLIENT ...]`.

For each suite of `sources` it takes the sdist of the client's newest release, makes a virtual
environment with what the suite needs, runs it once in each manner of `plugin/cachesaver_suites.py`,
compares test by test, and writes the result into docs/reference/transparency.md. Everything else it
makes lies in .cache/suites. A difference that does not show again is one that the suite has by itself.

With `--alone` (Linux, root, `unshare` and `ip`) the tests run in a network namespace of their own,
after all that is needed has been fetched: nothing they send leaves the machine. See `alone.sh`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tests.clients.suites.page import write
from tests.clients.suites.sources import SUITES, Suite

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache" / "suites"
MANNERS = ("without", "installed", "all posts", "everything")

_AGAIN = 3
"""How often a difference is looked at again, in either manner, before it is believed."""

_SECONDS = 3600
"""How long one run may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one run ended.

    Attributes:
        outcomes: By the id of a test: passed, failed, error, skipped, xfailed, xpassed, not collected.
        reasons: What pytest said of those that did not pass.
        seen: Requests that we were asked to answer.
    """

    outcomes: dict[str, str] = field(default_factory=dict[str, str])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    seen: int = 0


class Place:
    """The environment and the sources of one suite, under .cache/suites."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.folder = CACHE / suite.client
        bin_ = "Scripts" if os.name == "nt" else "bin"
        self.python = self.folder / "venv" / bin_ / "python"

    @property
    def tree(self) -> Path:
        """The unpacked sdist."""
        (archive,) = self.folder.glob("*.tar.gz")
        return self.folder / archive.name.removesuffix(".tar.gz")

    @property
    def version(self) -> str:
        """Of the client, as installed."""
        found = f"import importlib.metadata as m; print(m.version({self.suite.client!r}))"
        return self._python("-c", found).strip()

    def prepare(self) -> None:
        """Fetch and install; what is there from a run before is made anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
        self._unpack(self.suite.source or self.suite.client)
        extras = f"[{self.suite.extras}]" if self.suite.extras else ""
        name = f"{self.suite.client}{extras}"
        if not self.suite.source:
            name += f"=={self.tree.name.rpartition('-')[2]}"
        self._pip("install", name, "pytest-timeout", *self.suite.requires, *_ours())

    def _unpack(self, package: str) -> None:
        """Unpack *package*'s sdist without the package: the installed one is tested."""
        self._pip("download", "--no-binary", package, "--no-deps", "--dest", self.folder, package)
        (archive,) = self.folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(self.folder, filter="data")
        for code in (self.tree / package, self.tree / "src"):
            shutil.rmtree(code, ignore_errors=True)

    def _pip(self, *arguments: str | Path) -> None:
        self._python("-m", "pip", "--disable-pip-version-check", *arguments)

    def _python(self, *arguments: str | Path) -> str:
        ran = subprocess.run(
            [self.python, *arguments], check=False, capture_output=True, text=True, cwd=self.folder
        )
        if ran.returncode:
            raise SystemExit(f"{self.suite.client}: {ran.args} failed:\n{ran.stderr[-3000:]}")
        return ran.stdout

    def run(self, manner: str, tests: Sequence[str] = ()) -> Run:
        """Run *tests* (none: all) in *manner*."""
        name = f"{manner}, again" if tests else manner
        outcomes = self.folder / f"{name}.json"
        outcomes.unlink(missing_ok=True)
        command: list[Any] = [self.python, "-m", "pytest", "-q", "-p", "cachesaver_suites"]
        command += ["-p", "no:cacheprovider", "--timeout=120", *self.suite.arguments]
        command += tests or self.suite.paths
        with self._provider() as named, (self.folder / f"{name}.log").open("w") as log:
            env = {**_environment(manner, outcomes, self.suite), **named}
            done = subprocess.run(
                command,
                check=False,
                cwd=self.tree,
                env=env,
                stdout=log,
                stderr=log,
                timeout=_SECONDS,
            )
        if not outcomes.exists():
            raise SystemExit(
                f"{self.suite.client}, {manner}: pytest ended by {done}; see {log.name}"
            )
        return Run(**json.loads(outcomes.read_text(encoding="utf-8")))

    @contextlib.contextmanager
    def _provider(self) -> Generator[dict[str, str]]:
        """Stand in for the mock server that a suite wants, and name the variable that says where."""
        if not self.suite.provider:
            yield {}
            return
        mock = Path(__file__).with_name("mock_provider.py")
        serve = (str(self.python), str(mock), self.suite.client)
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as provider:
            assert provider.stdout is not None
            try:
                yield {self.suite.provider: provider.stdout.readline().strip()}
            finally:
                provider.terminate()


def _ours() -> list[str]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needs: list[str] = told["project"]["dependencies"]
    return needs


def _environment(manner: str, outcomes: Path, suite: Suite) -> dict[str, str]:
    told = {"manner": manner, "outcomes": str(outcomes), "aliases": suite.aliases}
    ours = {name for name in os.environ if name.startswith(("CACHESAVER_", "PYTEST_", "COV"))}
    paths = (Path(__file__).parent / "plugin", CACHE / "ours")
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "CACHESAVER_SUITES": json.dumps(told),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }


def differences(place: Place, manner: str, without: Run, with_us: Run) -> dict[str, str]:
    """Return what ended otherwise in *manner*, and how, by test; what does so by itself says so."""
    tests = sorted(without.outcomes.keys() | with_us.outcomes.keys())
    found = {t: (without.outcomes.get(t, "-"), with_us.outcomes.get(t, "-")) for t in tests}
    differing = {test: ends for test, ends in found.items() if ends[0] != ends[1]}
    told = {test: f"{a} without us, {b} with us" for test, (a, b) in differing.items()}
    for test in differing:
        if known := place.suite.known.get(test.partition("[")[0].rpartition("::")[2]):
            told[test] += f"; known: {known}"
    doubted = [test for test in differing if "; known: " not in told[test]]
    for test, (a, b) in _ends_again(place, manner, doubted).items():
        if a & b:
            told[test] += f"; run again, it is {', '.join(sorted(a | b))} either way"
        else:
            told[test] += f": {with_us.reasons.get(test, '').strip()[-300:]}"
    return told


def _ends_again(
    place: Place, manner: str, tests: list[str]
) -> dict[str, tuple[set[str], set[str]]]:
    again = range(_AGAIN if tests else 0)
    runs = [(place.run("without", tests), place.run(manner, tests)) for _ in again]
    return {
        test: (
            {a.outcomes.get(test, "-") for a, _ in runs},
            {b.outcomes.get(test, "-") for _, b in runs},
        )
        for test in tests
    }


def main() -> int:
    """Run the suites that are named, or all; return 1 if one of them is changed by us."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="*", help=", ".join(each.client for each in SUITES))
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--alone", action="store_true", help="let nothing leave this machine")
    how.add_argument("--prepared", action="store_true", help="with what an earlier run fetched")
    told = parser.parse_args()
    places = [Place(suite) for suite in SUITES if suite.client in told.clients or not told.clients]
    shutil.rmtree(CACHE / "ours", ignore_errors=True)
    shutil.copytree(ROOT / "cachesaver", CACHE / "ours" / "cachesaver")
    if not told.prepared:
        for place in places:
            place.prepare()
    if told.alone:
        _again_alone(told.clients)
    changed = [compared(place) for place in places]
    return int(any(changed))


def _again_alone(clients: list[str]) -> NoReturn:
    """Go on as a run in a network namespace of its own."""
    alone = ("unshare", "--net", "sh", str(Path(__file__).with_name("alone.sh")))
    os.execvp(alone[0], (*alone, sys.executable, "-m", __spec__.name, "--prepared", *clients))  # noqa: S606


def compared(place: Place) -> bool:
    """Run the suite of *place* in every manner, write each down, and tell whether we change anything."""
    runs: dict[str, Run] = {}
    told: dict[str, dict[str, str]] = {}
    for manner in MANNERS:
        runs[manner] = place.run(manner)
        told[manner] = differences(place, manner, runs["without"], runs[manner])
        done = f"{place.suite.client} {place.version}, {manner}: {len(told[manner])} differ"
        print(done, flush=True)  # noqa: T201
        write(place.suite, place.version, place.tree.name, runs, told)
    return any(_is_ours(how) for each in told.values() for how in each.values())


def _is_ours(how: str) -> bool:
    return "; known: " not in how and "either way" not in how


if __name__ == "__main__":
    sys.exit(main())
