"""A hook is tried by a real call, and what does not work is said."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

import cachesaver
from cachesaver.clients import Reach
from cachesaver.doctor import checks, installed
from cachesaver.doctor.checks import Check, check
from cachesaver.doctor.packages import Found
from cachesaver.doctor.probes import PROBES

HERE = {each.name: each for each in installed()}
SEEN = [
    name
    for name, each in HERE.items()
    if each.client.reach is not Reach.GATEWAY and each.client.imports[0] in PROBES
]


@pytest.mark.parametrize("name", SEEN)
def test_every_client_of_this_environment_works(name: str) -> None:
    assert check(HERE[name]) == Check(works=True)
    assert cachesaver.current_session() is None


def faulty(monkeypatch: pytest.MonkeyPatch, probe: Callable[[str, bytes], str]) -> Found:
    monkeypatch.setattr(checks, "PROBES", {"httpx": {"blocking": probe}})
    return HERE["httpx"]


def test_a_client_that_nobody_hooks_is_said_not_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(url: str, body: bytes) -> str:
        parts = urlsplit(url)
        head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(head.encode() + body)
            return connection.recv(100).decode()

    result = check(faulty(monkeypatch, elsewhere))

    assert result == Check(works=False, reason="blocking: its calls are not seen")


def test_a_client_that_raises_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(url: str, body: bytes) -> str:
        raise AttributeError("no such method in this release")

    result = check(faulty(monkeypatch, broken))

    assert result.works is False
    assert result.reason == "blocking: AttributeError: no such method in this release"


def test_a_call_that_goes_out_each_time_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def another(url: str, body: bytes) -> str:
        another.calls += 1  # type: ignore[attr-defined]
        body = body.replace(b"?", b"%d" % another.calls)  # type: ignore[attr-defined]
        return str(httpx.post(url, content=body).headers["cache-status"])

    another.calls = 0  # type: ignore[attr-defined]

    result = check(faulty(monkeypatch, another))

    assert result.reason == "blocking: it was seen 2 times in 2 calls, and 2 went out"


def test_an_answer_that_does_not_say_where_it_came_from_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(url: str, body: bytes) -> str:
        httpx.post(url, content=body)
        return ""

    result = check(faulty(monkeypatch, silent))

    assert result.reason == "blocking: its answer says nothing, not that it was stored"


def test_what_nobody_knows_how_to_try_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PROBES", {})

    assert check(HERE["httpx"]) == Check(works=None)
