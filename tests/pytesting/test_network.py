"""Tests that may not leave their process, in projects of their own, over real sockets."""

from __future__ import annotations

import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cachesaver.errors import EscapeError
from cachesaver.pytesting import network
from cachesaver.pytesting.network import blocked, forget
from cachesaver.transports.loopback import LoopbackServer
from lean import lean

PROGRAM = """
import asyncio, contextlib, socket, threading, time
import pytest
from cachesaver.errors import EscapeError

HERE = ("127.0.0.1", {port})
ELSEWHERE = ("192.0.2.1", 9)

def reach(address=HERE):
    with socket.socket() as sock:  # `create_connection` leaves it open where the error is none of its own
        sock.settimeout(2)
        sock.connect(address)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> Project:
    return Project(pytester, pytestconfig)


class Project:
    def __init__(self, pytester: pytest.Pytester, config: pytest.Config) -> None:
        self.pytester = pytester
        known = config.pluginmanager.has_plugin("cachesaver")
        self.plugin = () if known else ("-p", "cachesaver.pytest_plugin")

    def run(self, tests: str, *arguments: str, apart: bool = False) -> pytest.RunResult:
        """Run *tests* here, or in a process *apart*."""
        run = self.pytester.runpytest_subprocess if apart else self.pytester.runpytest_inprocess
        with LoopbackServer() as server:
            self.pytester.makepyfile(test_it=PROGRAM.format(port=server.port) + tests)
            if "-n" not in arguments:
                return run(*self.plugin, *arguments)
            with lean() as plugins:
                return run(*plugins, *arguments)


def test_what_is_blocked_is_told_how_to_be_allowed() -> None:
    with blocked(()), pytest.raises(EscapeError) as caught:
        socket.create_connection(("192.0.2.1", 9), timeout=1).close()

    for way in ("--allowed-hosts=", "cachesaver_allowed_hosts", "block_network(allowed_hosts="):
        assert way in str(caught.value)


REFUSED = """
def test_plain():
    with pytest.raises(EscapeError, match="127.0.0.1"):
        reach()
    with pytest.raises(EscapeError, match="192.0.2.1"):
        reach(ELSEWHERE)

def test_asyncio():
    with pytest.raises(EscapeError):
        asyncio.run(asyncio.open_connection(*HERE))

def test_threads():
    raised = []
    def go():
        try: reach()
        except EscapeError as error: raised.append(error)
    thread = threading.Thread(target=go)
    thread.start(); thread.join()
    assert raised
"""


@pytest.mark.parametrize("how", ["option", "ini"])
def test_nothing_is_reached_from_tasks_or_threads_either(project: Project, how: str) -> None:
    if how == "ini":
        project.pytester.makeini("[pytest]\ncachesaver_block_network = true\n")

    ran = project.run(REFUSED, *["--block-network"][: how == "option"])

    ran.assert_outcomes(passed=3)


def test_workers_of_xdist_are_blocked_too(project: Project) -> None:
    ran = project.run(REFUSED, "-n", "2", "--block-network", apart=True)

    ran.assert_outcomes(passed=3)


def test_without_being_asked_nothing_is_blocked(project: Project) -> None:
    project.run("def test_a():\n    reach()\n").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("hosts", "reached"),
    [("127.0.0.", True), ("example,127.*", True), ("0.0.1", False), ("local", False)],
)
def test_hosts_are_allowed_by_their_beginning(
    project: Project, hosts: str, *, reached: bool
) -> None:
    ran = project.run("def test_a():\n    reach()\n", "--block-network", f"--allowed-hosts={hosts}")

    ran.assert_outcomes(passed=reached, failed=not reached)


def test_hosts_of_the_marker_come_before_those_of_the_command_line_and_of_the_project(
    project: Project,
) -> None:
    project.pytester.makeini("[pytest]\ncachesaver_allowed_hosts = 127\n")
    tests = """
@pytest.mark.block_network(allowed_hosts=["192"])
def test_marker():
    with pytest.raises(EscapeError):
        reach()

def test_line():
    reach()
"""

    project.run(tests, "--block-network").assert_outcomes(passed=2)
    project.run(tests, "--block-network", "--allowed-hosts=10[.]").assert_outcomes(
        passed=1, failed=1
    )


def test_one_test_can_be_blocked_alone_and_a_name_is_allowed_with_its_address(
    project: Project,
) -> None:
    project.run(
        """
def test_before():
    reach()

@pytest.mark.block_network
def test_blocked():
    with pytest.raises(EscapeError):
        reach(("localhost", HERE[1]))

@pytest.mark.block_network(allowed_hosts=["localhost"])
def test_named():
    reach(("localhost", HERE[1]))

def test_after():
    reach()
"""
    ).assert_outcomes(passed=4)


def test_a_marker_that_says_something_else_is_no_silent_permission(project: Project) -> None:
    ran = project.run("@pytest.mark.block_network(['127'])\ndef test_a():\n    reach()\n")

    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["*allowed_hosts=*"])


@pytest.mark.parametrize("mark", ["block_network", "cassette"])
def test_threads_that_outlive_their_test_do_not_escape(project: Project, mark: str) -> None:
    """Given a thread that goes on when its test is over, then it is stopped, and it alone."""
    ran = project.run(
        f"""
told, go, done = [], threading.Event(), threading.Event()

def ask():
    with socket.socket() as sock:
        sock.connect(HERE)
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n")

def late():
    go.wait(20)
    try: ask()
    except Exception as error: told.append(error)
    done.set()

@pytest.mark.{mark}
def test_leaves_a_thread():
    threading.Thread(target=late, daemon=True).start()

def test_later():
    go.set()
    assert done.wait(20)
    assert isinstance(told[0], EscapeError)
    ask()
"""
    )

    ran.assert_outcomes(passed=2)


def test_while_a_cassette_is_recorded_nothing_is_blocked(project: Project) -> None:
    tests = "@pytest.mark.cassette\ndef test_a():\n    reach()\n"

    project.run(tests, "--block-network").assert_outcomes(failed=1)
    project.run(tests, "--block-network", "--record-mode=once").assert_outcomes(passed=1)


def test_a_provider_call_that_no_hook_sees_is_a_miss_first(project: Project) -> None:
    """Given a test that swallows it, then the cassette's tripwire makes it fail all the same."""
    ran = project.run(
        """
@pytest.mark.cassette
def test_a():
    with contextlib.suppress(Exception):
        socket.create_connection(("api.openai.com", 443))
""",
        "--block-network",
    )

    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*api.openai.com*"])


def test_an_idle_thread_of_a_pool_is_nobodys() -> None:
    with LoopbackServer() as server, ThreadPoolExecutor(1) as pool:

        def reach() -> None:
            with socket.socket() as sock:
                sock.connect((server.host, server.port))

        with blocked([]):
            with pytest.raises(EscapeError):
                pool.submit(reach).result()
            (worker,) = pool._threads
            while not network._is_at_rest(vars(sys)["_current_frames"]()[worker.ident]):
                time.sleep(0.001)  # it is at rest a moment after
        pool.submit(reach).result()


def test_what_holds_for_threads_ends_with_them_or_when_it_is_forgotten() -> None:
    go = threading.Event()
    with blocked([]):
        thread = threading.Thread(target=go.wait)
        thread.start()
    assert len(network._IN_FORCE) == 1
    go.set()
    thread.join()
    with blocked([]):
        pass
    assert network._IN_FORCE == []

    go.clear()
    with blocked([]):
        thread = threading.Thread(target=go.wait)
        thread.start()
    forget()
    assert network._IN_FORCE == []
    go.set()
    thread.join()


def test_options_of_the_project_are_its_own(project: Project) -> None:
    project.pytester.makeconftest(
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--record-mode', default='none')\n"
        "    parser.addoption('--block-network', action='store_true')\n"
    )

    project.run(REFUSED, "--block-network").assert_outcomes(passed=3)


def test_an_option_of_the_project_whose_value_is_called_otherwise_is_its_own(
    project: Project,
) -> None:
    project.pytester.makeconftest(
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--allowed-hosts', dest='hosts')\n"
        "    parser.getgroup('mine').addoption('--record-mode', dest='how')\n"
    )
    test = "\ndef test_a(pytestconfig):\n    assert pytestconfig.getoption('hosts') == 'mine'\n"

    project.run(test, "--allowed-hosts=mine").assert_outcomes(passed=1)
