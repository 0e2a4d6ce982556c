"""What is said beside a test's own outcome: requests that were not recorded, and what has drifted.

A program may swallow the error of a request that is not recorded. With vcrpy such a test is green, so it
is green here, and says so.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from cachesaver.vcr import Cassette

__all__ = ["Reports", "note"]

_USED: pytest.StashKey[list[Cassette]] = pytest.StashKey()
_DRIFT: Final = "cassette drift"
_MISSED: Final = "not recorded"
_LINES: Final = 40
"""Of one difference that are shown."""


def note(item: Any, cassette: Cassette) -> None:
    """Let what happens with *cassette* be told of *item*."""
    item.stash.setdefault(_USED, []).append(cassette)


class Reports:
    """Tells it at the end of each test, and of all."""

    def __init__(self, config: pytest.Config) -> None:
        self._drift = str(config.getoption("--cassette-drift", default="off"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Add what there is to tell to the test's report, and fail for drift if that is asked."""
        try:
            result = yield
        finally:
            told = self._tell(item)
        if told and self._drift == "fail":
            pytest.fail(f"what is sent is not what was recorded:\n\n{told}", pytrace=False)
        return result

    def _tell(self, item: pytest.Item) -> str:
        """Add sections to the report of *item*; return what has drifted, or nothing."""
        used = item.stash.get(_USED, list["Cassette"]())
        if misses := [str(error) for cassette in used for error in cassette.misses]:
            item.add_report_section("call", _MISSED, "\n\n".join(misses))
        if self._drift == "off" or not used:
            return ""
        if told := _told(used):
            item.add_report_section("call", _DRIFT, told)
        return told

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what has drifted, and count the errors that tests passed over."""
        reports = [each for every in terminalreporter.stats.values() for each in every]
        drifted = [pair for each in reports for pair in _sections(each, _DRIFT)]
        if drifted and self._drift == "report":
            terminalreporter.section(_DRIFT)
            for test, text in drifted:
                terminalreporter.write_line(f"{test}\n{text}\n")
        passed = terminalreporter.stats.get("passed", [])
        if missed := [test for each in passed for test, _ in _sections(each, _MISSED)]:
            terminalreporter.section("cassettes")
            for test in missed:
                terminalreporter.write_line(
                    f"{test}: passed, though a request was not recorded, and its error swallowed"
                )


def _told(used: Sequence[Cassette]) -> str:
    from cachesaver.vcr.drift import drifts

    return "\n".join(
        f"{drift.summary} ({cassette.path})\n{_shown(drift.diff)}"
        for cassette in used
        for drift in drifts(cassette.played)
    )


def _shown(diff: str) -> str:
    lines = diff.splitlines()
    more = [f"... ({len(lines) - _LINES} more lines)"] if len(lines) > _LINES else []
    return "\n".join([*lines[:_LINES], *more])


def _sections(report: Any, name: str) -> list[tuple[str, str]]:
    """Return test and text of the sections called *name* in *report*."""
    sections = getattr(report, "sections", ())
    found = [text for title, text in sections if title == f"Captured {name} call"]
    return [(report.nodeid, text) for text in found]
