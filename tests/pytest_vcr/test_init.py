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


FIXTURES = """
import pytest
@pytest.fixture
def vcr(): return "mine"
@pytest.fixture
def record_mode(): return "mine"
@pytest.fixture
def block_network(): return "mine"
@pytest.fixture(name="vcr_config")
def otherwise(): return "mine"
"""


@pytest.mark.parametrize("by", ["-p", "conftest"])
def test_fixtures_of_plugins_of_a_project_are_its_own(
    by: str, pytester: pytest.Pytester, pytestconfig: pytest.Config
) -> None:
    pytester.makepyfile(
        fixtures_of_mine=FIXTURES,
        test_it="import pytest\n"
        "@pytest.mark.parametrize('name', ['vcr', 'record_mode', 'block_network', 'vcr_config'])\n"
        "def test_a(name, request):\n    assert request.getfixturevalue(name) == 'mine'\n"
        "def test_ours(vcr_markers):\n    assert vcr_markers == []\n",
    )
    pytester.syspathinsert()
    if by == "conftest":
        pytester.makeconftest("pytest_plugins = ['fixtures_of_mine']\n")
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")
    before = ("-p", "fixtures_of_mine") if by == "-p" else ()

    ran = pytester.runpytest_inprocess(*before, *plugin, "-p", "no:cacheprovider")

    ran.assert_outcomes(passed=5)


REGISTERS = "def pytest_configure(config):\n    config.addinivalue_line('markers', 'vcr: my own')\n"


@pytest.mark.parametrize("where", ["ini", "conftest", "a folder's conftest", "nowhere"])
def test_a_marker_that_a_project_registers_is_its_own_unless_we_are_told(
    where: str, pytester: pytest.Pytester, pytestconfig: pytest.Config
) -> None:
    """Given a test whose fixture `vcr` must not be called, only the marker of ours calls it."""
    folder = pytester.mkdir("inner")
    if where == "ini":
        pytester.makeini("[pytest]\nmarkers =\n    vcr: my own\n")
    elif where != "nowhere":
        home = pytester.path if where == "conftest" else folder
        (home / "conftest.py").write_text(REGISTERS)
    (folder / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.fixture\ndef vcr():\n    raise RuntimeError\n"
        "@pytest.mark.vcr\ndef test_a():\n    pass\n"
    )
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")
    arguments = (*plugin, "-p", "no:cacheprovider", "-p", "no:recording")

    by_itself = pytester.runpytest_inprocess(*arguments)
    told = pytester.runpytest_inprocess(*arguments, "-o", "cachesaver_vcr=pytest-recording")

    by_itself.assert_outcomes(**({"errors": 1} if where == "nowhere" else {"passed": 1}))
    told.assert_outcomes(errors=1)
