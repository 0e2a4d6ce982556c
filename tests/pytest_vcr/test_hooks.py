"""The hook that pytest-recording has is one of pytest's, so that a project's conftest may implement it."""

from __future__ import annotations

import inspect

import pytest

from cachesaver.pytest_vcr import hooks


def test_the_hook_takes_what_pytest_recordings_takes() -> None:
    assert list(inspect.signature(hooks.pytest_recording_configure).parameters) == ["config", "vcr"]


def test_a_project_may_implement_it(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> None:
    pytester.makeconftest("def pytest_recording_configure(config, vcr): ...\n")
    pytester.makepyfile("def test_a(): ...\n")
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider").assert_outcomes(passed=1)
