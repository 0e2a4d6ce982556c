"""A pytest plugin for other people's suites: installs us as told, and writes down how each test ended.

It is loaded in every run, so that only the manner of the run differs; `run.py` tells it by
`CACHESAVER_SUITES`, a JSON object of `manner`, `outcomes` (where to write them) and `aliases` (whether
`httpx` is to be httpx2).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

TOLD: dict[str, Any] = json.loads(os.environ["CACHESAVER_SUITES"])

_OPTIONS: dict[str, Any] = {"store": "memory://", "quiet": True, "through_mocks": True}


def _installed() -> Callable[[], int]:
    import cachesaver

    session = cachesaver.install(store="memory://", quiet=True)
    return lambda: session.stats().requests


def _all_posts() -> Callable[[], int]:
    from cachesaver import wiring

    return _counting(wiring.install(**_OPTIONS, mode="refresh", match=lambda _: True))


def _everything() -> Callable[[], int]:
    from cachesaver import wiring
    from cachesaver.transports.gates import TeeGate

    gate: Any = TeeGate()
    gate._through_mocks = True
    told = _counting(gate)
    _LASTING.enter_context(wiring.guest(gate))
    return told


_LASTING = ExitStack()
"""To the end of the process."""


def _counting(gate: Any) -> Callable[[], int]:
    """Count what *gate* is asked to answer."""
    asked = list[None]()

    def counted(answer: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            asked.append(None)
            return answer(*args)

        return call

    gate.answer, gate.aanswer = counted(gate.answer), counted(gate.aanswer)
    return lambda: len(asked)


_MANNERS: Mapping[str, Callable[[], Callable[[], int]]] = {
    "without": lambda: lambda: 0,
    "installed": _installed,
    "all posts": _all_posts,
    "everything": _everything,
}

if TOLD["aliases"]:
    import httpx2

    httpx2.alias_httpx()
seen = _MANNERS[TOLD["manner"]]()


class Recorder:
    """How each test ended, by its id: the first of its phases that did not pass says it."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.seen = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xfailed" if outcome == "skipped" else "xpassed"
        elif outcome == "failed" and report.when != "call":
            outcome = "error"
        if self.outcomes.get(report.nodeid, "passed") == "passed":
            self._end(report.nodeid, outcome, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._end(report.nodeid, "not collected", report.longrepr)

    def _end(self, test: str, outcome: str, why: object) -> None:
        self.outcomes[test] = outcome
        if outcome not in ("passed", "skipped"):
            self.reasons[test] = str(why)[-2000:]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        self.seen += getattr(node, "workeroutput", {}).get("cachesaver_seen", 0)

    def pytest_sessionfinish(self) -> None:
        told = {
            "outcomes": self.outcomes,
            "reasons": self.reasons,
            "seen": self.seen + seen(),
        }
        Path(TOLD["outcomes"]).write_text(json.dumps(told), encoding="utf-8")


class Worker:
    """In a process of pytest-xdist's, which hands what we saw to the one that records."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any) -> None:
        session.config.workeroutput["cachesaver_seen"] = seen()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Worker() if hasattr(config, "workerinput") else Recorder())
