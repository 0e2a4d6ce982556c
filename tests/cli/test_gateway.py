"""`cachesaver gateway` as a command: what it prints, whom it ends with, and how."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from cachesaver.cli import main
from cachesaver.cli.gateway import BESIDE, _directions
from cachesaver.rehearsal import Rehearsal
from cachesaver.stores import open_store
from cachesaver.stores.processes import here

ASK: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
KEY = "0123456789abcdef"

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


class Running:
    """A gateway in a process of its own."""

    def __init__(self, env: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "printed", folder / "said"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cachesaver", "gateway", "--port", "0", *arguments],
                cwd=folder,
                env=env,
                stdout=out,
                stderr=err,
            )
        while not self.printed.endswith("\n"):
            assert self.process.poll() is None, self._err.read_text()
            time.sleep(0.02)

    @property
    def printed(self) -> str:
        return self._out.read_text()

    @property
    def url(self) -> str:
        return next(each for each in self.printed.split() if each.startswith("http://"))

    def end(self, *signals: int) -> tuple[int, str, str]:
        """Send *signals*, and return the exit status and all that was printed."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(30), self.printed, self._err.read_text()


@pytest.fixture
def started(env: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts a gateway."""
    running = list[Running]()

    def start(*arguments: str, **more: str) -> Running:
        running.append(Running({**env, **more}, tmp_path, *arguments))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_when_told(
    started: Any, rehearsal: Rehearsal, number: int, tmp_path: Path
) -> None:
    gateway = started("-n", "a", "--store", "pool", "--upstream", f"openai={rehearsal.url}")
    answer = httpx2.post(f"{gateway.url}/openai{CHAT}", json=ASK)

    status, printed, said = gateway.end(number)

    assert answer.status_code == 200
    assert status == 0
    assert f"export OPENAI_BASE_URL={gateway.url}/openai/v1\n" in printed
    assert f"export ANTHROPIC_BASE_URL={gateway.url}/anthropic\n" in printed
    assert said == "cachesaver: namespace 'a': 0 hits, 1 fetched, 0 tokens saved\n"
    store = open_store(str(tmp_path / "pool"))
    assert store.summary().samples == 1
    store.close()


@posix
def test_the_second_signal_is_in_a_hurry(started: Any, rehearsal: Rehearsal) -> None:
    gateway = started("--store", "memory://", "--upstream", f"openai={rehearsal.url}", "-q")
    fault = {"x-rehearsal-fault": "hang;after=1"}
    url = f"{gateway.url}/openai{CHAT}"

    with httpx2.stream("POST", url, json={**ASK, "stream": True}, headers=fault) as answer:
        chunks = answer.iter_raw()  # held, or the client would hang up
        next(chunks)
        gateway.process.send_signal(signal.SIGTERM)
        while _listens(gateway.url):  # until it has heard of it
            time.sleep(0.02)
        assert gateway.process.poll() is None, "it lets what is under way end"
        status, _, said = gateway.end(signal.SIGTERM)

    assert (status, said) == (0, "")


def _listens(url: str) -> bool:
    port = urlsplit(url).port or 0
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@posix
def test_a_key_of_the_environment_is_asked_for_and_never_printed(
    started: Any, rehearsal: Rehearsal
) -> None:
    more = ("--listen", "0.0.0.0", "--store", "memory://", "--upstream", f"openai={rehearsal.url}")
    gateway = started(*more, CACHESAVER_GATEWAY_KEY=KEY)
    url = gateway.url.replace("0.0.0.0", "127.0.0.1")

    without = httpx2.post(f"{url}/openai{CHAT}", json=ASK)
    with_key = httpx2.post(f"{url}/key/{KEY}/openai{CHAT}", json=ASK)
    _, printed, said = gateway.end(signal.SIGTERM)

    assert (without.status_code, with_key.status_code) == (401, 200)
    assert KEY not in printed + said + without.text
    assert KEY not in repr(rehearsal.calls())


@posix
@pytest.mark.parametrize(
    ("listen", "host"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")]
)
def test_what_it_prints_with_a_key_leads_to_it(
    started: Any, rehearsal: Rehearsal, listen: str, host: str, env: dict[str, str]
) -> None:
    """Given a shell that read what was printed and has the key, then its call is answered."""
    more = ("--listen", listen, "--store", "memory://", "--upstream", f"openai={rehearsal.url}")
    gateway = started(*more, CACHESAVER_GATEWAY_KEY=KEY)
    printed = gateway.printed

    read = subprocess.run(
        ["sh", "-c", f'{printed}printf %s "$OPENAI_BASE_URL"'],
        env={**env, "CACHESAVER_GATEWAY_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    port = gateway.url.rpartition(":")[2]
    assert read == f"http://{host}:{port}/key/{KEY}/openai/v1"
    assert httpx2.post(f"{read}/chat/completions", json=ASK).status_code == 200
    assert (f"({socket.gethostname()})" in printed) == (listen != "127.0.0.1")


@pytest.mark.parametrize("key", ["a/b?c#d%e-f-g-h-i-j", "0123456789abcdef"])
def test_a_key_that_no_path_can_hold_is_told(key: str) -> None:
    told = _directions("http://127.0.0.1:1", {"A": "http://127.0.0.1:1/a"}, key)

    assert ("percent-encoded" in told) == ("/" in key)
    assert key not in told


@posix
def test_beside_a_process_it_tells_its_address_and_ends_with_it(started: Any) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = here().replace(f"/{os.getpid()}/", f"/{owner.pid}/").rpartition("/")[0]
    started_at = Path(f"/proc/{owner.pid}/stat")
    ticks = started_at.read_text().rpartition(")")[2].split()[19] if started_at.exists() else ""

    gateway = started("--store", "memory://", **{BESIDE: f"{name}/{ticks}"})
    url = json.loads(gateway.printed)["url"]
    alive = httpx2.get(f"{url}/cachesaver/health").status_code
    owner.kill()
    owner.wait()
    status, printed, said = gateway.end()

    assert (alive, status, said) == (200, 0, "")
    assert json.loads(printed) == {"url": url}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "0.0.0.0"), "give it a key"),
        (("--upstream", "openai"), "names no address"),
        (("--upstream", "openai=x"), "cannot be at"),
        (("--allow", "169.254.169.254"), "cannot be allowed"),
        (("--mode", "cahce"), "cahce"),
        (("--listen", "192.0.2.1", "--key", KEY), "cannot be had"),
        (("--port", "99999"), "there is no port 99999"),
        (("--port", "-1"), "there is no port -1"),
        (("--largest-body", "0"), "cannot be 0 bytes"),
        (("--largest-body", "-1"), "cannot be -1048576 bytes"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.delenv("CACHESAVER_GATEWAY_KEY", raising=False)

    status = main(["gateway", "--store", "memory://", "--port", "0", *arguments])

    said = capsys.readouterr().err
    assert status == 2
    assert words in said
    assert KEY not in said
