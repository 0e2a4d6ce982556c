"""The marker `vcr` as pytest-vcr means it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from cachesaver.transports.loopback import LoopbackServer, Script

# Once: a run of pytest in this process forgets what it has imported itself.
importlib.import_module("yaml")

TESTS = """
import httpx, pytest

URL = {url!r}

@pytest.fixture(scope="module")
def vcr_config():
    return {{"filter_headers": ["user-agent"]}}

@pytest.fixture(scope="module", autouse=True)
def registering(vcr):
    vcr.register_matcher("tide", lambda made, recorded: True)

@pytest.mark.vcr(match_on=["tide"])
def test_a():
    assert httpx.get(URL + "/x").text == "one"

class TestB:
    @pytest.mark.vcr()
    def test_c(self, vcr_cassette):
        httpx.get(URL + "/x")
        assert len(vcr_cassette) == 1

def test_d(vcr):
    with vcr.use_cassette("own"):
        httpx.get(URL + "/x")
"""


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        running.script("/x", Script(chunks=(b"one",)))
        yield running


def test_a_suite_written_for_pytest_vcr_records_once_and_is_played(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, server: LoopbackServer
) -> None:
    pytester.makepyfile(test_it=TESTS.format(url=server.url))
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(
            *plugin, "-p", "no:cacheprovider", "-o", "cachesaver_vcr=pytest-vcr", *arguments
        )

    run("--vcr-record=none").assert_outcomes(failed=3)
    assert server.received == []
    run().assert_outcomes(passed=3)
    run().assert_outcomes(passed=3)
    assert len(server.received) == 3
    files = sorted(path.name for path in (pytester.path / "cassettes").iterdir())
    assert files == ["TestB.test_c.yaml", "own.yaml", "test_a.yaml"]
    assert "user-agent" not in (pytester.path / "cassettes" / "test_a.yaml").read_text().lower()

    run("--disable-vcr", "-k", "test_a").assert_outcomes(passed=1)
    assert len(server.received) == 4
