"""Our plugin beside others that know of cassettes or of blocking: `make apart ARGS="recording vcr"`.

They are in no environment of the suite: each would have a hand in all of its tests.
"""

from __future__ import annotations

import importlib.util

import pytest

from cachesaver.rehearsal import Rehearsal

PLUGINS = {
    # its module: arguments that go with it, and the error that its own blocking raises
    "pytest_recording": ((), "RuntimeError"),
    "pytest_vcr": (("--vcr-record=none",), "EscapeError"),
    "pytest_socket": ((), "EscapeError"),
}

TESTS = """
import httpx, pytest, socket

def ask():
    ask = dict(model="gpt-5-mini", messages=[dict(role="user", content="Hi")])
    return httpx.post({url!r} + "/chat/completions", json=ask).json()

@pytest.mark.cassette
def test_cassette():
    assert ask()["choices"]

def test_blocked():
    with pytest.raises(Exception) as caught:
        with socket.socket() as sock:
            sock.connect(("192.0.2.1", 9))
    assert type(caught.value).__name__ == {error!r}

@pytest.mark.block_network(allowed_hosts=["127.0.0."])
def test_allowed():
    assert ask()["choices"]

def test_blocked_again():
    test_blocked()
"""

pytestmark = pytest.mark.skipif(
    not any(map(importlib.util.find_spec, PLUGINS)), reason="none of them is installed"
)


@pytest.fixture
def loaded(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """Return the arguments that load our plugin, where no entry point does."""
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    return () if known else ("-p", "cachesaver.pytest_plugin")


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_both_plugins_do_what_they_are_asked_to(
    pytester: pytest.Pytester, rehearsal: Rehearsal, loaded: tuple[str, ...], plugin: str
) -> None:
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    arguments, error = PLUGINS[plugin]
    if plugin == "pytest_socket" and importlib.util.find_spec("pytest_recording"):
        error = "RuntimeError"
    pytester.makepyfile(TESTS.format(url=rehearsal.openai_url, error=error))
    ours = (*loaded, "--block-network", *arguments)

    recorded = pytester.runpytest_subprocess(*ours, "--record-mode=once")
    bought = rehearsal.calls().calls
    replayed = pytester.runpytest_subprocess(*ours)

    recorded.assert_outcomes(passed=4)
    replayed.assert_outcomes(passed=4)
    assert rehearsal.calls().calls == bought + 1  # by the test that may


def test_a_replay_needs_no_sockets_at_all(
    pytester: pytest.Pytester, rehearsal: Rehearsal, loaded: tuple[str, ...]
) -> None:
    if importlib.util.find_spec("pytest_socket") is None:
        pytest.skip("pytest_socket is not installed")
    tests = TESTS.format(url=rehearsal.openai_url, error="").partition("def test_blocked")[0]
    pytester.makepyfile(tests)

    pytester.runpytest_subprocess(*loaded, "--record-mode=once").assert_outcomes(passed=1)

    pytester.runpytest_subprocess(*loaded, "--disable-socket").assert_outcomes(passed=1)
