"""Whose marker is taken: what the ini option says, and what it cannot say."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ("auto", {"passed": 1}),
        ("true", {"passed": 1}),
        ("pytest-recording", {"passed": 1}),
        ("pytest-vcr", {"errors": 1}),
        ("off", {"errors": 1}),
        ("false", {"errors": 1}),
    ],
)
def test_the_fixtures_are_those_of_the_plugin_that_is_named(
    told: str, outcome: dict[str, int], pytester: pytest.Pytester, pytestconfig: pytest.Config
) -> None:
    pytester.makepyfile("def test_a(vcr_markers):\n    assert vcr_markers == []\n")
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    ran = pytester.runpytest_inprocess(
        *plugin, "-p", "no:cacheprovider", "-p", "no:recording", "-o", f"cachesaver_vcr={told}"
    )

    ran.assert_outcomes(**outcome)


def test_what_it_cannot_be_is_said(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> None:
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    ran = pytester.runpytest_inprocess(*plugin, "-o", "cachesaver_vcr=yes please")

    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*cachesaver_vcr = 'yes please' is unknown*"])
