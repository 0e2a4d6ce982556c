"""Arming and disarming: patched only while a rule is in force, and nothing left behind."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from cachesaver import tripwire
from cachesaver.errors import EscapeError
from cachesaver.transports.loopback import LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


def traces() -> list[object]:
    return [
        socket.getaddrinfo,
        dict(vars(socket.socket)),
        dict(vars(ssl.SSLContext)),
        dict(vars(ssl.SSLSocket)),
        list(sys.meta_path),
    ]


def test_nothing_is_patched_but_while_a_rule_is_in_force() -> None:
    before = traces()

    first = tripwire.arm(tripwire.Blocking())
    between = traces()
    second = tripwire.arm(tripwire.Replaying())
    first()
    assert traces() == between
    second()
    second()

    assert all(one != other for one, other in zip(before, between, strict=True))
    assert traces() == before


def test_rules_add_up(server: LoopbackServer) -> None:
    def connects() -> bool:
        try:
            with socket.socket() as sock:
                sock.connect((server.host, server.port))
        except EscapeError:
            return False
        return True

    said = [connects()]
    lenient = tripwire.arm(tripwire.Blocking())
    said.append(connects())
    strict = tripwire.arm(tripwire.Blocking(loopback=False))
    said.append(connects())
    strict()
    said.append(connects())
    lenient()

    assert said == [True, True, False, True]


def test_blocking_lets_what_is_allowed_out_by_name_and_address(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a name that is allowed, then the address that it leads to is, too."""
    original: Any = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return original(server.host, server.port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    disarm = tripwire.arm(tripwire.Blocking(allow=[r"db[.]test"], loopback=False))
    try:
        socket.create_connection(("db.test", 5432)).close()
        with pytest.raises(EscapeError, match="the network is blocked") as caught:
            socket.create_connection(("other.test", 5432))
    finally:
        disarm()

    assert "allow the host" in str(caught.value)


def test_a_module_that_cannot_be_watched_is_told_and_works(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = ModuleType("curl_cffi")
    monkeypatch.setitem(sys.modules, "curl_cffi", odd)  # without what is patched there

    tripwire.arm(tripwire.Blocking())()

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "curl_cffi cannot be watched" in record.getMessage()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_arms_can_disarm() -> None:
    before = vars(socket.socket).get("connect")
    disarm = tripwire.arm(tripwire.Blocking(loopback=False))
    try:
        with tripwire._lock:
            child = os.fork()
            if child == 0:  # pragma: no cover  # measured nowhere: it ends at once
                disarm()
                os._exit(0 if vars(socket.socket).get("connect") is before else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        disarm()


def test_what_comes_later_is_watched_too() -> None:
    """Given a program that imports ssl and asyncio after it was armed, then they are watched."""
    program = """
import sys
from cachesaver import tripwire
late = [name for name in ("ssl", "asyncio", "trio") if name not in sys.modules]
assert late, sys.modules
disarm = tripwire.arm(tripwire.Replaying())
import asyncio, ssl, trio
try:
    asyncio.run(asyncio.open_connection("api.openai.com", 443, ssl=True))
except Exception as error:
    print(type(error).__name__)
assert hasattr(vars(ssl.SSLContext)["wrap_bio"], "__wrapped__")
disarm()
assert not hasattr(vars(ssl.SSLContext)["wrap_bio"], "__wrapped__")
assert type(ssl.__loader__).__module__ != "cachesaver.importing"
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.stdout, ran.returncode) == ("EscapeError\n", 0), ran.stderr


def test_it_is_not_imported_without_a_replay() -> None:
    """What is not replayed does not pay for it."""
    program = (
        "import cachesaver, sys\n"
        "with cachesaver.install(store='memory://', quiet=True): pass\n"
        "print([name for name in sys.modules if 'tripwire' in name])"
    )
    ran: Any = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "[]\n"
