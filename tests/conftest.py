"""What every test may rely on, and what a report must not leave out."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.terminal import TerminalReporter

import cachesaver
from cachesaver.rehearsal import Rehearsal
from scheduling import scheduler

pytest_plugins = ["pytester"]  # tests of our plugin run a pytest of their own

# The contract classes are modules of ours; their asserts must tell as much as a test's. Said here,
# before any test module is imported, and so before any of them imports one of these.
pytest.register_assert_rewrite("cachesaver.stores.testing", "cachesaver.transports.testing")


# Each new client reads all authorities of the machine, which takes 30 ms, and no test reaches whom they
# signed. Said to the programs that tests start, too.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "nobody.pem")

# Machines that run tests are busy with others: how long an example took says nothing.
hypothesis.settings.register_profile(
    "unhurried",
    # The rest is as it was: CI has a profile of its own.
    hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]),
)
hypothesis.settings.load_profile("unhurried")


def pytest_report_header() -> str:
    """Say which cachesaver is tested: the tree or an installed wheel."""
    return f"cachesaver: {Path(str(cachesaver.__file__)).parent}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Let tests that share what takes long be run by one worker, where `-n` says no more than how many."""
    return scheduler(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_finish() -> None:
    """Leave what was imported so far to itself.

    Every SDK there is has been: a collection of garbage that looks at all of that takes half a second.
    """
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """List what tests recorded with `record_property("note", …)`: facts a green run would hide."""
    notes = sorted(
        {
            str(value)
            for reports in terminalreporter.stats.values()
            for report in reports
            for name, value in getattr(report, "user_properties", ())
            if name == "note"
        }
    )
    if notes:
        terminalreporter.section("notes")
        for note in notes:
            terminalreporter.write_line(note)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose modules are always compiled: a change within the second is not told by its time."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return pytester


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of recorded exchanges: CACHESAVER_CORPUS, or beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "corpus"
    folder = Path(os.environ.get("CACHESAVER_CORPUS") or beside)
    if not (folder / "index.json").is_file():
        pytest.skip(f"no corpus of recorded exchanges at {folder} (set CACHESAVER_CORPUS)")
    return folder


@pytest.fixture(scope="session")
def running_rehearsal() -> Iterator[Rehearsal]:
    """A simulated provider that lives as long as the session; tests take `rehearsal`."""
    with Rehearsal(seed=0) as provider:
        yield provider


@pytest.fixture
def rehearsal(running_rehearsal: Rehearsal) -> Rehearsal:
    """A simulated provider that nobody has asked anything yet: see `cachesaver.rehearsal`."""
    running_rehearsal.reset()
    return running_rehearsal
