"""Other projects' suites on pytest-recording and on us: `python -m tests.vcr.suites.run [SUITE ...]`.

For each suite of `sources` it takes the tests (an sdist, or a shallow clone at a tag; `--source NAME=PATH`
names a clone that is there already), makes a virtual environment with the released package, runs the
tests marked `vcr` once on the plugin they were written for and once on ours, and writes the result into
docs/reference/vcr-suites.md. No test and no cassette is touched: the script says so if one is. Everything
it makes lies in .cache/vcr-suites.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import xml.etree.ElementTree as ET  # what pytest has written
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.vcr.suites.page import write
from tests.vcr.suites.sources import SUITES, Suite

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache" / "vcr-suites"
_SECONDS = 3600
"""How long one run may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one run ended.

    Attributes:
        outcomes: By test: passed, failed, error, skipped.
        reasons: What pytest said of those that did not pass.
        seconds: From start to end.
        cpu: Seconds of processor time; other work on the machine does not count.
    """

    outcomes: dict[str, str] = field(default_factory=dict[str, str])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    cpu: float = 0.0


class Place:
    """The environment and the sources of one suite."""

    def __init__(self, suite: Suite, source: str) -> None:
        self.suite = suite
        self.folder = CACHE / suite.name
        bin_ = "Scripts" if os.name == "nt" else "bin"
        self.python = self.folder / "venv" / bin_ / "python"
        self.clone = self.folder / "source"
        self._source = source

    @property
    def tree(self) -> Path:
        """Where the tests are run."""
        return self.clone / self.suite.folder

    def prepare(self) -> None:
        """Fetch and install; what is there from a run before is made anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
        if self.suite.git:
            self._cloned()
        else:
            self._unpacked()
        for code in self.suite.shadows:  # what is installed is tested
            shutil.rmtree(self.tree / code)
        self._pip("pytest", "pytest-timeout", *self.suite.requires, *_ours())
        if self.suite.plugin not in self.suite.requires:
            self._pip(self.suite.plugin)

    def _cloned(self) -> None:
        if self._source and (Path(self._source) / ".git").exists():  # as it is checked out
            shutil.copytree(self._source, self.clone, symlinks=True)
            return
        where = self._source or self.suite.git
        tag = ["--branch", self.suite.tag] if self.suite.tag else []
        depth = [] if self._source else ["--depth", "1"]
        command = ["git", "clone", "-q", *depth, *tag, where, str(self.clone)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    def _unpacked(self) -> None:
        package = self.suite.sdist.partition("=")[0]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-binary",
            package,
            "--no-deps",
        ]
        command += ["--dest", str(self.folder), self.suite.sdist]
        subprocess.run(command, check=True)
        (archive,) = self.folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(self.folder, filter="data")
        (self.folder / archive.name.removesuffix(".tar.gz")).rename(self.clone)

    def _pip(self, *packages: str) -> None:
        python = str(self.python)
        command = [python, "-m", "pip", "install", "-q"]
        if importlib.util.find_spec("uv"):  # the same, sooner
            command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python]
        subprocess.run([*command, *packages, *self._locked()], check=True)

    def _locked(self) -> list[str]:
        """Return what holds pip to the versions that the project's own developers have."""
        lock = self.clone / "uv.lock"
        if not self.suite.is_locked:
            return []
        told = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
        lines = [f"{each['name']}=={each['version']}" for each in told if "version" in each]
        counts = Counter(line.partition("==")[0] for line in lines)
        once = [line for line in lines if counts[line.partition("==")[0]] == 1]
        (self.folder / "locked.txt").write_text("\n".join(once), encoding="utf-8")
        return ["--constraint", str(self.folder / "locked.txt")]

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that say something about the run."""
        shown = (*self.suite.shown, "vcrpy", self.suite.plugin, "pytest")
        code = (
            "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in %r}))"
        )
        told = subprocess.run(
            [self.python, "-c", code % (shown,)], check=True, capture_output=True, text=True
        )
        found: dict[str, str] = json.loads(told.stdout)
        return found

    def run(self, manner: str) -> Run:
        """Run the tests; *manner* is the name of their own plugin, or "cachesaver"."""
        report = self.folder / f"{manner}.xml"
        report.unlink(missing_ok=True)
        command: list[Any] = [self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-m", self.suite.marker, "--timeout=120", f"--junitxml={report}"]
        command += [*self.suite.arguments, *(_OURS if manner == "cachesaver" else _NOT_OURS)]
        if manner == "cachesaver":
            command += ["-o", f"cachesaver_vcr={self.suite.plugin}"]
        command += [f"--deselect={test}" for test in self.suite.left_out]
        started, cpu = time.perf_counter(), _cpu()
        with (self.folder / f"{manner}.log").open("w") as log:
            env = {**_environment(), **self.suite.environment}
            subprocess.run(
                command,
                check=False,
                cwd=self.tree,
                env=env,
                stdout=log,
                stderr=log,
                timeout=_SECONDS,
            )
        seconds = time.perf_counter() - started
        if not report.exists():
            raise SystemExit(f"{self.suite.name}, {manner}: pytest wrote nothing; see {log.name}")
        return _read(report, seconds, _cpu() - cpu)

    def digest(self) -> str:
        """Return a digest of all tests and cassettes that are there."""
        told = sha256()
        for path in sorted(self.tree.rglob("*")):
            if path.suffix in _KEPT and path.is_file():
                told.update(path.as_posix().encode() + sha256(path.read_bytes()).digest())
        return told.hexdigest()


_KEPT = frozenset({".py", ".yaml", ".yml", ".json", ".gz"})
_OURS = ("-p", "cachesaver.pytest_plugin")
_NOT_OURS = ("-p", "no:cachesaver")


def _ours() -> list[str]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needs: list[str] = told["project"]["dependencies"]
    return needs


def _environment() -> dict[str, str]:
    ours = {name for name in os.environ if name.startswith(("CACHESAVER_", "PYTEST_", "COV"))}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPATH": str(CACHE / "ours")}


def _cpu() -> float:
    """Return the processor time of the processes that have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _read(report: Path, seconds: float, cpu: float) -> Run:
    """Return what pytest's report says."""
    outcomes, reasons = dict[str, str](), dict[str, str]()
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest's own
        test = f"{case.get('classname')}::{case.get('name')}"
        ended = next((each for each in case if each.tag in _ENDS), None)
        outcomes[test] = "passed" if ended is None else _ENDS[ended.tag]
        if ended is not None and ended.tag != "skipped":
            reasons[test] = f"{ended.get('message') or ''}\n{(ended.text or '')[-3000:]}"
    return Run(outcomes=outcomes, reasons=reasons, seconds=seconds, cpu=cpu)


_ENDS = {"failure": "failed", "error": "error", "skipped": "skipped"}


def compared(suite: Suite, source: str, *, again: bool) -> bool:
    """Run *suite* on both, write the page, and tell whether what passed there passes here."""
    place = Place(suite, source)
    if not again or not place.tree.exists():
        place.prepare()
    before = place.digest()
    runs = {manner: place.run(manner) for manner in (suite.plugin, "cachesaver")}
    untouched = place.digest() == before
    theirs, ours = runs[suite.plugin], runs["cachesaver"]
    worse = {
        test: end
        for test, end in ours.outcomes.items()
        if end != "passed" and theirs.outcomes.get(test) == "passed"
    }
    for test, end in worse.items():
        print(f"--- {test}: {end}\n{ours.reasons.get(test, '')[-1500:]}", flush=True)  # noqa: T201
    passed = {name: list(run.outcomes.values()).count("passed") for name, run in runs.items()}
    print(f"{suite.name}: {passed} of {len(ours.outcomes)}, untouched: {untouched}", flush=True)  # noqa: T201
    write(suite, place.versions(), runs, untouched=untouched)
    return not (worse.keys() - suite.differs.keys()) and untouched


def main() -> int:
    """Run the suites that are named, or all; return 1 if one is changed by us, and no reason is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", help=", ".join(each.name for each in SUITES))
    parser.add_argument("--source", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--again", action="store_true", help="use what a run before installed")
    told = parser.parse_args()
    sources = dict(each.split("=", 1) for each in told.source)
    shutil.rmtree(CACHE / "ours", ignore_errors=True)
    shutil.copytree(ROOT / "cachesaver", CACHE / "ours" / "cachesaver")
    chosen = [each for each in SUITES if not told.suites or each.name in told.suites]
    ends = [compared(each, sources.get(each.name, ""), again=told.again) for each in chosen]
    return int(not all(ends))


if __name__ == "__main__":
    sys.exit(main())
