"""What is told beside a test: what has drifted, and errors that somebody swallowed."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest

from cachesaver.rehearsal import Rehearsal

Run = Callable[..., pytest.RunResult]

# Once: a run of pytest in this process forgets what it has imported itself.
importlib.import_module("openai")

TESTS = """
import openai, pytest

@pytest.mark.vcr
def test_a():
    with openai.OpenAI(base_url={url!r}, api_key="sk-secret-1234567890", max_retries=0) as client:
        messages = [dict(role="user", content="What is up today?")]
        client.chat.completions.create(messages=messages, model="gpt-5-mini")
"""


@pytest.fixture
def run(pytester: pytest.Pytester, pytestconfig: pytest.Config, rehearsal: Rehearsal) -> Run:
    pytester.makepyfile(test_it=TESTS.format(url=rehearsal.openai_url))
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    def runs(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider", *arguments)

    runs("--record-mode=once").assert_outcomes(passed=1)
    return runs


def change(pytester: pytest.Pytester, old: str, new: str) -> None:
    path = pytester.path / "test_it.py"
    path.write_text(path.read_text().replace(old, new))


def test_a_question_that_has_changed_is_green_reported_or_red_as_asked(
    run: Run, pytester: pytest.Pytester
) -> None:
    run("--cassette-drift=fail").assert_outcomes(passed=1)
    change(pytester, "today", "tomorrow")

    off, report, fail = (
        run(*arguments)
        for arguments in ([], ["--cassette-drift=report"], ["--cassette-drift=fail"])
    )

    off.assert_outcomes(passed=1)
    assert "tomorrow" not in off.stdout.str()
    report.assert_outcomes(passed=1)
    report.stdout.re_match_lines([".* cassette drift .*", r"test_it.py::test_a", r"\+.*tomorrow.*"])
    fail.assert_outcomes(failed=1)
    fail.stdout.re_match_lines([".*what is sent is not what was recorded.*", r"\+.*tomorrow.*"])


def test_a_test_that_swallows_a_miss_stays_green_and_is_named(
    run: Run, pytester: pytest.Pytester
) -> None:
    swallowing = (
        "    import contextlib, httpx\n"
        "    with contextlib.suppress(Exception):\n"
        "        httpx.get('http://a.test/new')\n"
    )
    change(pytester, "    with openai", f"{swallowing}    with openai")

    ran = run()

    ran.assert_outcomes(passed=1)
    ran.stdout.re_match_lines(["test_it.py::test_a: passed, though a request was not recorded.*"])


def test_a_test_that_fails_for_a_miss_shows_it(run: Run, pytester: pytest.Pytester) -> None:
    change(pytester, "client.chat", "client.models.list(); client.chat")

    ran = run()

    ran.assert_outcomes(failed=1)
    ran.stdout.re_match_lines([".* not recorded .*", "GET .*/models was not sent.*"])
