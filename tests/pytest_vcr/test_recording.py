"""The marker `vcr` as pytest-recording means it, in projects of their own, over real sockets."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cachesaver.transports.loopback import LoopbackServer, Script

HEAD = """
import httpx, pytest

URL = {url!r}

def get(path="/x", **more):
    return httpx.get(URL + path, **more).text
"""


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        running.script("/x", Script(chunks=(b"one",)))
        running.script("/y", Script(chunks=(b"two",)))
        yield running


class Project:
    """A project with tests; `run` returns what its pytest said."""

    def __init__(
        self, pytester: pytest.Pytester, config: pytest.Config, server: LoopbackServer
    ) -> None:
        self.pytester = pytester
        self.server = server
        known = config.pluginmanager.has_plugin("cachesaver")
        self.plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    def write(self, tests: str, name: str = "test_it") -> None:
        self.pytester.makepyfile(**{name: HEAD.format(url=self.server.url) + tests})

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(
            *self.plugin, "-p", "no:cacheprovider", "-p", "no:recording", *arguments
        )

    def files(self) -> list[str]:
        found = self.pytester.path.rglob("*.yaml")
        return sorted(path.relative_to(self.pytester.path).as_posix() for path in found)


@pytest.fixture
def project(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, server: LoopbackServer
) -> Project:
    return Project(pytester, pytestconfig, server)


def test_a_marked_test_is_recorded_where_pytest_recording_has_it_and_played(
    project: Project,
) -> None:
    project.write(
        """
@pytest.mark.vcr
@pytest.mark.parametrize("text", ["a/b", "c"])
def test_a(text, vcr):
    assert get() == "one"
    assert vcr.play_count == (0 if vcr.dirty else 1)

class TestB:
    @pytest.mark.vcr
    def test_c(self):
        assert get("/y") == "two"

def test_unmarked(vcr):
    assert vcr is None
"""
    )

    project.run("--record-mode=once").assert_outcomes(passed=4)
    asked = len(project.server.received)
    project.run().assert_outcomes(passed=4)

    assert len(project.server.received) == asked == 3
    assert project.files() == [
        "cassettes/test_it/TestB.test_c.yaml",
        "cassettes/test_it/test_a[a-b].yaml",
        "cassettes/test_it/test_a[c].yaml",
    ]


def test_by_itself_nothing_is_recorded_and_a_miss_says_so(project: Project) -> None:
    project.write("@pytest.mark.vcr\ndef test_a():\n    get()\n")

    ran = project.run()

    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        ["*UnrecordedRequestError: GET http*/x was not sent: there is no cassette*"]
    )
    assert project.server.received == []
    assert project.files() == []


def test_markers_and_the_project_say_the_options_the_nearest_last(project: Project) -> None:
    project.pytester.makeconftest(
        """
import pytest

@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["x-key"], "record_mode": "once"}

def pytest_recording_configure(config, vcr):
    vcr.register_matcher("never", lambda made, recorded: False)
"""
    )
    project.write(
        """
pytestmark = pytest.mark.vcr(filter_query_parameters=["key"])

def test_a():
    get("/x?key=secret", headers={"x-key": "secret"})

@pytest.mark.vcr(filter_headers=[])
def test_b():
    get("/x?key=secret", headers={"x-key": "known"})

@pytest.mark.vcr(match_on=["never"], record_mode="new_episodes")
def test_c(vcr):
    get("/x")
    assert vcr.play_count == 0
"""
    )

    for _ in range(2):
        project.run().assert_outcomes(passed=3)

    told = {path.stem: path.read_text() for path in project.pytester.path.rglob("*.yaml")}
    assert "secret" not in "".join(told.values())
    assert "known" in told["test_b"]
    assert len(yaml.safe_load(told["test_c"])["interactions"]) == 2


def test_other_cassettes_are_read_and_a_default_one_is_named(project: Project) -> None:
    project.write(
        """
@pytest.mark.vcr
@pytest.mark.default_cassette("shared.yaml")
def test_a():
    get("/x")

@pytest.mark.vcr("shared.yaml")
def test_b():
    assert get("/x") == "one"
"""
    )
    project.run("--record-mode=once", "-k", "test_a").assert_outcomes(passed=1)

    project.run("-k", "test_b").assert_outcomes(passed=1)

    assert project.files() == ["cassettes/test_it/shared.yaml"]
    assert len(project.server.received) == 1


def test_rewriting_forgets_what_was_recorded(project: Project) -> None:
    project.write("@pytest.mark.vcr\ndef test_a():\n    get('/x')\n")
    project.run("--record-mode=once").assert_outcomes(passed=1)
    project.write("@pytest.mark.vcr\ndef test_a():\n    get('/y')\n")

    project.run("--record-mode=rewrite").assert_outcomes(passed=1)

    (path,) = project.pytester.path.rglob("*.yaml")
    assert [
        each["request"]["uri"][-2:] for each in yaml.safe_load(path.read_text())["interactions"]
    ] == ["/y"]


def test_cassettes_can_be_left_aside(project: Project) -> None:
    project.write("@pytest.mark.vcr\ndef test_a(vcr):\n    get()\n    assert vcr is None\n")

    project.run("--disable-recording").assert_outcomes(passed=1)

    assert len(project.server.received) == 1


@pytest.mark.parametrize("named", ["", "allowed_hosts=['127.0.0.1']"])
def test_the_network_is_blocked_but_for_some_hosts_and_where_something_is_recorded(
    named: str, project: Project
) -> None:
    project.write(
        f"""
import socket
pytestmark = pytest.mark.block_network({named})

def connect():
    with socket.socket() as one:
        one.connect(("127.0.0.1", int(URL.rpartition(":")[2])))

@pytest.mark.vcr
def test_a():
    connect()

@pytest.mark.vcr(record_mode="once")
def test_b():
    connect()
"""
    )

    ran = project.run("-o", "cachesaver_vcr=pytest-recording")

    ran.assert_outcomes(passed=2 if named else 1, failed=0 if named else 1)
    if not named:
        ran.stdout.fnmatch_lines(["*RuntimeError: Network is disabled for host '127.0.0.1'"])


def test_what_block_network_does_not_take_is_an_error(project: Project) -> None:
    project.write("@pytest.mark.vcr\n@pytest.mark.block_network(42)\ndef test_a(): ...\n")

    ran = project.run()

    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*block_network takes allowed_hosts*"])


def test_coroutines_and_fixtures_of_the_project_are_inside_the_cassette(project: Project) -> None:
    project.write(
        """
import asyncio

@pytest.fixture
def early():
    return get("/y")

@pytest.mark.vcr
def test_a(early):
    async def ask():
        async with httpx.AsyncClient() as client:
            return (await client.get(URL + "/x")).text
    assert (early, asyncio.run(ask())) == ("two", "one")
"""
    )

    project.run("--record-mode=once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)

    assert len(project.server.received) == 2


def test_vcrpys_own_objects_work_in_a_projects_conftest(project: Project) -> None:
    """Given a project that registers a persister, a serializer and matchers made of vcrpy's."""
    project.pytester.makeconftest(
        """
import json
import pytest
from vcr.matchers import body
from vcr.persisters.filesystem import CassetteNotFoundError, FilesystemPersister
from vcr.serialize import deserialize, serialize

class Persister(FilesystemPersister):
    pass

class Serializer:
    @staticmethod
    def serialize(told):
        return json.dumps(told)
    @staticmethod
    def deserialize(text):
        return json.loads(text)

def pytest_recording_configure(config, vcr):
    vcr.register_persister(Persister())
    vcr.register_serializer("text", Serializer)
    vcr.register_matcher("theirs", body)

@pytest.fixture
def vcr_config():
    return {"serializer": "text", "match_on": ["method", "theirs"]}
"""
    )
    project.write(
        """
import vcr.errors

@pytest.mark.vcr
def test_a(vcr):
    httpx.post(URL + "/echo", json={"a": 1})

@pytest.mark.vcr("test_a.text")
def test_b(record_mode):
    if record_mode == "none":
        with pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException):
            httpx.post(URL + "/echo", json={"a": 2})
"""
    )

    project.run("--record-mode=once").assert_outcomes(passed=2)
    project.run().assert_outcomes(passed=2)

    assert len(project.server.received) == 1
    assert [path.name for path in project.pytester.path.rglob("*.text")] == ["test_a.text"]


def test_a_name_that_no_file_can_have_is_shortened_as_pytest_recording_does(
    project: Project,
) -> None:
    project.write(
        """
@pytest.mark.vcr
@pytest.mark.parametrize("text", ["x" * 300], ids=["x" * 300])
def test_a(text):
    get()
"""
    )

    for mode in ("once", "none"):
        project.run(f"--record-mode={mode}").assert_outcomes(passed=1)

    (path,) = project.pytester.path.rglob("*.yaml")
    assert path.name.startswith("test_a[xxx")
    assert len(path.name) <= 255
    told = hashlib.md5(f"test_a[{'x' * 300}]".encode(), usedforsecurity=False).hexdigest()
    assert path.name.endswith(f"...{told}.yaml")


def test_pytest_recording_keeps_its_marker_where_it_is_installed_unless_we_are_told(
    tmp_path: Path, project: Project
) -> None:
    """Given a plugin by pytest-recording's name, whose marker it is says the ini option."""
    (tmp_path / "fake_recording.py").write_text(
        "import pytest\n"
        "@pytest.fixture\ndef vcr():\n    return 'theirs'\n"
        "@pytest.fixture\ndef record_mode():\n    return 'theirs'\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_a(vcr):\n    print(f'vcr is {vcr}')\n"
    )
    run = (
        "import sys, pytest, fake_recording\n"
        "class Loader:\n"
        "    @staticmethod\n"
        "    @pytest.hookimpl(tryfirst=True)\n"
        "    def pytest_addoption(parser, pluginmanager):\n"
        "        pluginmanager.register(fake_recording, 'recording')\n"
        "sys.exit(pytest.main(['-q', '-s', '-p', 'no:cacheprovider', *sys.argv[1:]], plugins=[Loader]))"
    )

    def said(*arguments: str) -> str:
        command = [sys.executable, "-c", run, *project.plugin, *arguments]
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return told.stdout

    assert "vcr is theirs" in said()
    assert "vcr is None" in said("-o", "cachesaver_vcr=pytest-recording")
    assert "vcr is theirs" in said("-o", "cachesaver_vcr=off")
