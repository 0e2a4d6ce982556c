"""The pytest plugin, in projects of their own, with the official SDK over real sockets."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from cachesaver.rehearsal import Rehearsal

# Once: a run of pytest in this process forgets what it has imported itself.
importlib.import_module("openai")

PROGRAM = """
import asyncio, threading, unittest
import openai, pytest

URL = {url!r}
ASK = dict(model="gpt-5-mini")

def ask(text="Hi"):
    with openai.OpenAI(base_url=URL, api_key="sk-secret-1234567890") as client:
        messages = [dict(role="user", content=text)]
        return client.chat.completions.create(messages=messages, **ASK).choices[0].message.content
"""


class Project:
    """A project with tests; `run` returns what its pytest said."""

    def __init__(
        self, pytester: pytest.Pytester, config: pytest.Config, rehearsal: Rehearsal
    ) -> None:
        self.pytester = pytester
        self.rehearsal = rehearsal
        known = config.pluginmanager.has_plugin("cachesaver")
        self.plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    def write(self, tests: str, name: str = "test_it") -> None:
        self.pytester.makepyfile(**{name: PROGRAM.format(url=self.rehearsal.openai_url) + tests})

    def run(self, *arguments: str, apart: bool = False) -> pytest.RunResult:
        """Run its tests here, or in a process *apart*."""
        run = self.pytester.runpytest_subprocess if apart else self.pytester.runpytest_inprocess
        return run(*self.plugin, "-p", "no:cacheprovider", *arguments)

    def files(self) -> list[str]:
        found = self.pytester.path.rglob("*.cassette")
        return sorted(path.relative_to(self.pytester.path).as_posix() for path in found)


@pytest.fixture
def project(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, rehearsal: Rehearsal
) -> Project:
    return Project(pytester, pytestconfig, rehearsal)


def test_a_marked_test_is_recorded_once_and_replayed_for_ever(project: Project) -> None:
    project.write(
        """
@pytest.mark.cassette
def test_a():
    assert ask() != ask()

@pytest.mark.cassette
@pytest.mark.parametrize("text", ["a/b", "a:b"])
def test_b(text):
    assert ask(text)
"""
    )

    project.run("--record-mode=once").assert_outcomes(passed=3)
    bought = project.rehearsal.calls().calls
    project.run().assert_outcomes(passed=3)
    project.run("-p", "no:randomly", "--record-mode=once").assert_outcomes(passed=3)

    assert project.rehearsal.calls().calls == bought == 4
    assert project.files() == [
        "cassettes/test_it/test_a.cassette",
        "cassettes/test_it/test_b[a%2Fb].cassette",
        "cassettes/test_it/test_b[a%3Ab].cassette",
    ]


def test_by_itself_nothing_is_recorded(project: Project) -> None:
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask()\n")

    ran = project.run()

    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*NotRecordedError*"])
    assert project.files() == []
    assert project.rehearsal.calls().calls == 0


def test_a_miss_that_the_program_swallows_fails_the_test_all_the_same(project: Project) -> None:
    project.write(
        """
@pytest.mark.cassette
def test_a():
    try:
        ask("What is up today?")
    except Exception:
        pass
"""
    )
    project.run("--record-mode=once").assert_outcomes(passed=1)
    path = project.pytester.path / "test_it.py"
    path.write_text(path.read_text().replace("today", "tomorrow"))

    ran = project.run()

    ran.assert_outcomes(failed=1)
    ran.stdout.re_match_lines([r"E?\s*\+.*tomorrow"])


def test_the_fixture_tells_what_was_played(project: Project) -> None:
    project.write(
        """
def test_a(cassette):
    ask()
    assert cassette.session.stats().requests == 1
    assert cassette.all_played
    assert cassette.path.name == "test_a.cassette"
"""
    )

    project.run("--record-mode=once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_unittest_coroutines_and_threads_are_tests_too(project: Project) -> None:
    project.write(
        """
@pytest.mark.cassette
class TestCase(unittest.TestCase):
    def test_a(self):
        assert ask("unittest")

class TestAsync(unittest.IsolatedAsyncioTestCase):
    @pytest.mark.cassette
    async def test_b(self):
        async with openai.AsyncOpenAI(base_url=URL, api_key="x") as client:
            messages = [dict(role="user", content="async")]
            assert await client.chat.completions.create(messages=messages, **ASK)

@pytest.mark.cassette
def test_c():
    said = []
    threads = [threading.Thread(target=lambda: said.append(ask("thread"))) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(set(said)) == 4
"""
    )
    project.run("--record-mode=once").assert_outcomes(passed=3)
    bought = project.rehearsal.calls().calls

    project.run().assert_outcomes(passed=3)

    assert project.rehearsal.calls().calls == bought == 6
    assert "cassettes/test_it/TestCase.test_a.cassette" in project.files()


def test_a_name_and_options_may_be_given(project: Project) -> None:
    project.write(
        """
@pytest.mark.cassette("shared.cassette", exhausted="cycle")
@pytest.mark.parametrize("number", range(2))
def test_a(number):
    assert ask() and (number == 0 or ask())
"""
    )
    project.run("--record-mode=new_episodes").assert_outcomes(passed=2)

    project.run().assert_outcomes(passed=2)

    assert project.files() == ["cassettes/shared.cassette"]


def test_mode_and_folder_may_be_settings_of_the_project(project: Project) -> None:
    project.pytester.makeini(
        "[pytest]\ncachesaver_record_mode = once\ncachesaver_cassette_dir = recorded\n"
    )
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask()\n")

    project.run().assert_outcomes(passed=1)

    assert project.files() == ["recorded/test_it/test_a.cassette"]


def test_answers_that_nobody_asked_for_are_reported(project: Project) -> None:
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask(); ask('Bye')\n")
    project.run("--record-mode=once").assert_outcomes(passed=1)
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask()\n")

    ran = project.run()

    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["cassettes/test_it/test_a.cassette: 1 answer was never asked for"])


@pytest.mark.timeout(400)  # nine interpreters to start
def test_eight_workers_record_into_one_cassette(project: Project) -> None:
    project.pytester.makepyfile(
        f"""
import httpx, pytest
@pytest.mark.cassette("shared.cassette")
@pytest.mark.parametrize("number", range(24))
def test_a(number):
    ask = dict(model="gpt-5-mini", messages=[dict(role="user", content=f"question {{number}}")])
    assert httpx.post({project.rehearsal.openai_url!r} + "/chat/completions", json=ask).json()
"""
    )
    record = ("-n", "8", "--record-mode=new_episodes")
    project.run(*record, apart=True).assert_outcomes(passed=24)
    bought = project.rehearsal.calls().calls

    project.run().assert_outcomes(passed=24)

    assert project.rehearsal.calls().calls == bought == 24
    text = (project.pytester.path / "cassettes/shared.cassette").read_text()
    assert len(re.findall('"fingerprint"', text)) == 24


def test_two_tests_never_share_a_file_by_accident(project: Project) -> None:
    project.write(
        """
@pytest.mark.cassette
@pytest.mark.parametrize("name", ["A", "a"])
def test_a(name):
    ask(name)
"""
    )

    ran = project.run("--record-mode=once")

    ran.assert_outcomes(passed=1, errors=1)
    ran.stdout.fnmatch_lines(["*would share the cassette*"])


def test_a_wrong_mode_is_said_at_once(project: Project) -> None:
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask()\n")

    ran = project.run("--record-mode=sometimes")

    assert ran.ret == pytest.ExitCode.USAGE_ERROR


def test_a_project_that_asks_for_nothing_loads_nothing(project: Project) -> None:
    project.pytester.makepyfile(
        """
import sys
def test_a():
    ours = [name for name in sys.modules if name.startswith("cachesaver")]
    vcr = ["cachesaver.pytest_vcr" + each for each in ("", ".hooks", ".recording", ".reports")]
    assert sorted(ours) == ["cachesaver", "cachesaver.pytest_plugin", *vcr]
"""
    )

    project.run("-p", "no:cov", apart=True).assert_outcomes(passed=1)


def test_secrets_are_not_recorded(project: Project) -> None:
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask()\n")
    project.run("--record-mode=once").assert_outcomes(passed=1)

    (path,) = project.pytester.path.rglob("*.cassette")
    assert "sk-secret" not in path.read_text()
    assert Path(path).stat().st_size > 100
