"""The pytest plugin, in projects of their own, with the official SDK over real sockets."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from cachesaver.rehearsal import Rehearsal
from lean import lean

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
        if "-n" not in arguments:
            return run(*self.plugin, "-p", "no:cacheprovider", *arguments)
        with lean() as plugins:
            return run(*plugins, "-p", "no:cacheprovider", *arguments)

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


SHARED = """
import httpx, pytest, time
@pytest.mark.cassette("shared.cassette")
@pytest.mark.parametrize("number", range({count}))
def test_a(number):
    ask = dict(model="gpt-5-mini", messages=[dict(role="user", content=f"question {{number}}")])
    assert httpx.post({url!r} + "/chat/completions", json=ask).json()
"""
MODES = {"once": 3, "new_episodes": 8, "all": 3, "rewrite": 8}
"""With how many workers each is tried: every one is an interpreter to start."""


class TestLeftovers:
    TESTS = """
@pytest.mark.cassette("shared.cassette")
@pytest.mark.parametrize("text", ["a", "b"])
def test_shared(text):
    ask(text); {more}

@pytest.mark.cassette
def test_own():
    ask("own"); ask("again")
"""

    @pytest.fixture
    def recorded(self, project: Project) -> Project:
        project.write(self.TESTS.format(more="ask(text + text)"))
        project.run("--record-mode=once").assert_outcomes(passed=3)
        return project

    def told(self, ran: pytest.RunResult) -> list[str]:
        return sorted(line for line in ran.outlines if line.startswith("cassettes/"))

    def test_what_another_test_uses_is_not_unused(self, recorded: Project) -> None:
        assert self.told(recorded.run()) == []

    @pytest.mark.parametrize("workers", ["0", "2"])
    def test_answers_are_told_and_written_down(self, recorded: Project, workers: str) -> None:
        recorded.write(self.TESTS.format(more="ask('bb')" if workers == "0" else "pass"))
        apart = workers != "0"

        ran = recorded.run("-n", workers, "--cassette-unused=left.json", apart=apart)

        ran.assert_outcomes(passed=3)
        count = 1 if workers == "0" else 2
        answers = "1 answer was" if count == 1 else "2 answers were"
        assert self.told(ran) == [f"cassettes/shared.cassette: {answers} never asked for"]
        ((path, left),) = json.loads((recorded.pytester.path / "left.json").read_text()).items()
        assert path == "cassettes/shared.cassette"
        text = (recorded.pytester.path / path).read_text()
        assert [each["index"] for each in left] == [0] * count
        assert all(each["fingerprint"] in text for each in left)

    @pytest.mark.parametrize(
        "tests",
        [
            "def test_own():\n    ask('own')\n    assert 0\n",
            "def test_own():\n    pytest.skip('today')\n",
        ],
    )
    def test_of_tests_that_came_to_no_end_nothing_is_said(
        self, recorded: Project, tests: str
    ) -> None:
        recorded.write("@pytest.mark.cassette\n" + tests)

        assert self.told(recorded.run("--cassette-unused=left.json")) == [
            "cassettes/shared.cassette: no test has this cassette"
        ]
        assert json.loads((recorded.pytester.path / "left.json").read_text()) == {}

    def test_of_a_shared_cassette_nothing_is_said_where_a_test_was_left_out(
        self, recorded: Project
    ) -> None:
        assert self.told(recorded.run("-k", "test_shared and b")) == []

    @pytest.mark.parametrize("workers", ["0", "2"])
    def test_cassettes_that_no_test_has_are_told(self, recorded: Project, workers: str) -> None:
        recorded.write(
            """
def test_by_hand():
    import cachesaver
    with cachesaver.use_cassette("cassettes/by_hand.cassette", record_mode="once"):
        ask("own")

@pytest.mark.cassette("shared.cassette", exhausted="cycle")
def test_shared():
    for text in ("a", "b", "aa", "bb"): ask(text)
"""
        )

        ran = recorded.run("-n", workers, apart=workers != "0")

        orphan = "cassettes/test_it/test_own.cassette: no test has this cassette"
        assert self.told(ran) == [orphan]

    @pytest.mark.parametrize(
        "arguments", [("test_it.py",), ("-k", "own"), ("--deselect=test_it.py::test_own",)]
    )
    def test_but_not_where_tests_were_left_out(
        self, recorded: Project, arguments: tuple[str, ...]
    ) -> None:
        (recorded.pytester.path / "cassettes/other.cassette").touch()

        assert self.told(recorded.run(*arguments)) == []
        assert len(self.told(recorded.run())) == 1

    @pytest.mark.parametrize("option", ["--lf", "--ff"])
    def test_nor_where_what_failed_comes_again(self, recorded: Project, option: str) -> None:
        (recorded.pytester.path / "cassettes/other.cassette").touch()
        recorded.pytester.makepyfile(test_failing="def test_failing():\n    assert 0\n")
        assert len(self.told(recorded.run("-p", "cacheprovider"))) == 1

        again = recorded.run("-p", "cacheprovider", option)

        assert again.parseoutcomes()["failed"] == 1
        assert self.told(again) == []


OWN = """
import os, pytest
@pytest.fixture
def place(monkeypatch): monkeypatch.setenv("PLACE", "mine")
@pytest.fixture
def cassette(): return os.environ["PLACE"]
"""
REGISTERS = (
    "def pytest_configure(config):\n    config.addinivalue_line('markers', 'cassette: mine')\n"
)


def test_a_fixture_of_the_project_is_its_own_and_made_in_its_turn(project: Project) -> None:
    project.pytester.makeconftest(OWN)
    project.write(
        "def test_a(place, cassette):\n    assert cassette == 'mine'\n"
        "@pytest.mark.cassette\ndef test_marked():\n    ask()\n"
    )

    project.run("--record-mode=once").assert_outcomes(passed=2)

    assert project.files() == ["cassettes/test_it/test_marked.cassette"]


def test_a_fixture_and_a_marker_of_the_project_are_its_own(project: Project) -> None:
    project.pytester.makeconftest(OWN + REGISTERS)
    project.write("@pytest.mark.cassette\ndef test_a(place, cassette):\n    ask()\n")

    project.run("--record-mode=once").assert_outcomes(passed=1)

    assert project.files() == []


def test_a_fixture_of_the_project_may_be_made_of_ours(project: Project) -> None:
    project.pytester.makeconftest(
        "import pytest\n@pytest.fixture\ndef cassette(cassette):\n    return [cassette]\n"
    )
    project.write(
        "@pytest.fixture\ndef before():\n    return ask()\n"
        "def test_a(before, cassette):\n    assert cassette[0].session.stats().requests == 1\n"
    )

    project.run("--record-mode=once").assert_outcomes(passed=1)

    assert project.files() == ["cassettes/test_it/test_a.cassette"]


def test_a_project_whose_plugin_leaves_no_test_out_is_run(project: Project) -> None:
    project.pytester.makeconftest(
        "def pytest_collection_modifyitems(config):\n    config.hook.pytest_deselected(items=[])\n"
    )
    project.write("def test_a(): ...\n")

    project.run().assert_outcomes(passed=1)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", MODES)
def test_workers_record_into_one_cassette(project: Project, mode: str) -> None:
    project.pytester.makepyfile(SHARED.format(url=project.rehearsal.openai_url, count=24))
    record = ("-n", str(MODES[mode]), f"--record-mode={mode}")
    project.run(*record, apart=True).assert_outcomes(passed=24)
    bought = project.rehearsal.calls().calls

    project.run().assert_outcomes(passed=24)

    assert project.rehearsal.calls().calls == bought == 24
    text = (project.pytester.path / "cassettes/shared.cassette").read_text()
    assert len(re.findall('"fingerprint"', text)) == 24


@pytest.mark.parametrize("mode", MODES)
def test_a_run_of_tests_is_one_recording(project: Project, mode: str) -> None:
    """Given tests that share a cassette of an earlier run, then what a run records it keeps."""
    project.pytester.makepyfile(SHARED.format(url=project.rehearsal.openai_url, count=4))
    project.run(f"--record-mode={mode}").assert_outcomes(passed=4)
    path = project.pytester.path / "cassettes/shared.cassette"
    first = path.read_text()
    project.pytester.makepyfile(SHARED.format(url=project.rehearsal.openai_url, count=3))

    project.run(f"--record-mode={mode}").assert_outcomes(passed=3)

    project.run().assert_outcomes(passed=3)
    anew = mode in ("all", "rewrite")
    assert (path.read_text() == first) is not anew
    assert project.rehearsal.calls().calls == (7 if anew else 4)
    assert ("question 3" in path.read_text()) is (mode != "rewrite")


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


def test_what_has_drifted_fails_the_test(project: Project) -> None:
    project.write("@pytest.mark.cassette\ndef test_a():\n    ask()\n")
    project.run("--record-mode=once").assert_outcomes(passed=1)
    project.run("--record-mode=verify").assert_outcomes(passed=1)
    (path,) = project.pytester.path.rglob("*.cassette")
    path.write_text(path.read_text().replace('"finish_reason"', '"finish_cause"'))

    ran = project.run("--record-mode=verify")

    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*finish reason: none -> stop"])


def test_how_old_answers_may_be_is_a_setting_of_the_project(project: Project) -> None:
    project.pytester.makeini("[pytest]\ncachesaver_max_age = 30d\ncachesaver_on_expiry = fail\n")
    project.write(
        "@pytest.mark.cassette\ndef test_a():\n    ask()\n"
        "@pytest.mark.cassette(max_age=None)\ndef test_b():\n    ask()\n"
    )
    project.run("--record-mode=once").assert_outcomes(passed=2)
    for path in project.pytester.path.rglob("*.cassette"):
        path.write_text(re.sub(r'"recorded": "\d+', '"recorded": "2001', path.read_text()))

    ran = project.run()

    ran.assert_outcomes(errors=1, passed=1)
    ran.stdout.fnmatch_lines(["*answers of 2001*"])
