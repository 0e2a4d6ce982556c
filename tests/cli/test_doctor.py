"""What `cachesaver doctor` prints."""

from __future__ import annotations

import json

import httpx
import pytest

from cachesaver.cli import doctor, main
from cachesaver.clients import CLIENTS
from cachesaver.doctor import Check, Found

BY_NAME = {each.package or each.imports[0]: each for each in CLIENTS}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    """An environment of three clients; what comes of trying them may be changed."""
    results = {"httpx": Check(works=True), "requests": Check(works=True)}
    found = [
        Found(client=BY_NAME["httpx"], version="0.28.1", users=("groq 1.7", "ollama 0.6")),
        Found(client=BY_NAME["requests"], version="2.34"),
        Found(client=BY_NAME["pycurl"], version="7.49"),
    ]
    monkeypatch.setattr(doctor, "installed", lambda: found)

    def check(each: Found) -> Check:
        return results[each.name]

    monkeypatch.setattr(doctor, "check", check)
    return results


def test_it_says_what_is_seen_and_what_is_not(
    environment: dict[str, Check], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["client", "httpx", "requests", "pycurl"]
    assert lines[1].split()[-2:] == ["answered", "works"]
    assert "answered, through urllib3" in lines[2]
    assert "NOT SEEN" in lines[3]
    text = " ".join(" ".join(lines).split())
    assert "point it at `cachesaver gateway`" in text
    assert "httpx is used by groq 1.7, ollama 0.6." in text


def test_a_hook_that_does_not_work_is_a_failure(
    environment: dict[str, Check], capsys: pytest.CaptureFixture[str]
) -> None:
    environment["httpx"] = Check(works=False, reason="blocking: its calls are not seen")

    assert main(["doctor"]) == 1
    assert "httpx FAILS: blocking: its calls are not seen" in capsys.readouterr().out


def test_nothing_is_tried_where_nobody_wants_it(
    environment: dict[str, Check], capsys: pytest.CaptureFixture[str]
) -> None:
    environment.clear()

    assert main(["doctor", "--no-check"]) == 0
    assert "works" not in capsys.readouterr().out


def test_a_protocol_beneath_a_client_is_not_told_as_unseen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given h2, which `httpx[http2]` requires, then nobody is sent to the gateway for httpx."""
    found = [Found(client=BY_NAME["h2"], version="4.4.1", users=("litellm 1.110",))]
    monkeypatch.setattr(doctor, "installed", lambda: found)

    assert main(["doctor", "--no-check"]) == 0

    text = " ".join(capsys.readouterr().out.split())
    assert "NOT SEEN" not in text
    assert "h2 is not seen" not in text
    assert "answered above it" in text


def test_programs_read_json(
    environment: dict[str, Check], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0

    first = json.loads(capsys.readouterr().out)[0]
    assert first["client"] == "httpx"
    assert first["works"] is True
    assert first["users"] == ["groq 1.7", "ollama 0.6"]


def test_this_environment_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Given all clients of our tests, then each is tried, and works."""
    assert main(["doctor"]) == 0

    out = capsys.readouterr().out
    assert f"httpx            {httpx.__version__}" in out or httpx.__version__ in out
    assert out.count(" works") >= 8
