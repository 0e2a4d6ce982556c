"""Tests that share what takes long are run by one worker of pytest-xdist, and the others by any.

And what a pytest inside a test is given, so that it may change its modules as fast as it likes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scheduling import together

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("corpus/test_replay.py::test_a", "corpus/test_reading.py::test_b"),
        ("laws/loads/test_workloads.py::test_a[1]", "laws/loads/test_workloads.py::test_b"),
        ("laws/agents/test_agents.py::test_a[x]", "laws/agents/test_agents.py::test_b[y]"),
        ("laws/draws/test_replay.py::test_a[x]", "laws/draws/test_replay.py::test_a[y]"),
        ("clients/test_openai.py::TestOpenAI::test_a[x]", "clients/test_openai.py::test_b"),
    ],
)
def test_some_go_together(one: str, other: str) -> None:
    assert all((TESTS / each.partition("::")[0]).is_file() for each in (one, other))

    assert together(f"tests/{one}") == together(f"tests/{other}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("clients/test_openai.py::test_a", "clients/test_cohere.py::test_a"),
        ("clients/matrix/test_sdks.py::test_a[x]", "clients/matrix/test_sdks.py::test_a[y]"),
        ("laws/agents/test_agents.py::test_a", "laws/draws/test_replay.py::test_a"),
        ("test_docs.py::test_a[1]", "test_docs.py::test_a[2]"),
        ("corpus/test_replay.py::test_a", "laws/loads/test_workloads.py::test_a"),
    ],
)
def test_the_others_do_not(one: str, other: str) -> None:
    assert together(f"tests/{one}") != together(f"tests/{other}")


SHARED = """
import os, pytest

@pytest.mark.parametrize("number", range(9))
def test_a(number):
    with open("workers", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def test_one_worker_has_all_of_them(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    home = (*map(str, (TESTS.parent, TESTS / "support")), *sys.path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(home))
    pytester.makeconftest("from tests.conftest import pytest_xdist_make_scheduler\n")
    folder = pytester.path / "tests" / "corpus"
    folder.mkdir(parents=True)
    (folder / "test_some.py").write_text(SHARED)
    (folder / "test_more.py").write_text(SHARED)

    ran = pytester.runpytest_subprocess("-p", "xdist", "-n", "2")

    ran.assert_outcomes(passed=18)
    assert len(set((pytester.path / "workers").read_text().split())) == 1


def test_a_project_may_change_its_modules_within_a_second(pytester: pytest.Pytester) -> None:
    for each in range(4):
        test = f"import given\ndef test_a():\n    assert given.NUMBER == {each}\n"
        pytester.makepyfile(given=f"NUMBER = {each}\n", test_a=test)

        pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
