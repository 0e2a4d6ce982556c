"""`cachesaver run --gateway`: the gateway beside a program, and its end with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from cachesaver.cli import beside as module
from cachesaver.cli.beside import beside
from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal import Rehearsal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")

Command = Callable[..., Any]

ASK = """
import json, os, socket, sys
def ask(base):
    host, _, path = base.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    body = json.dumps({"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]})
    head = f"POST /{path}/chat/completions HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n"
    framed = f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}"
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall((head + framed).encode())
        with connection.makefile("rb") as answer:
            head, _, said = answer.read().decode().partition("\\r\\n\\r\\n")
    (status,) = [line for line in head.splitlines() if line.startswith("cache-status")]
    return json.loads(said)["choices"][0]["message"]["content"].split()[0], status
"""
"""A client with a network stack of its own: what it is told comes from the gateway."""


@pytest.fixture
def work(tmp_path: Path, command: Command) -> Path:
    """The folder in which `command` runs, with a module `asking` in it."""
    (tmp_path / "work" / "asking.py").write_text(ASK)
    return tmp_path / "work"


@pytest.fixture
def run(command: Command, work: Path, rehearsal: Rehearsal) -> Command:
    """Return a function that runs Python beside a gateway, with what stands in for OpenAI."""

    def run_beside(program: str, *arguments: object, **more: str) -> Any:
        # What the gateway calls is no business of the proxy's; of itself it must say so.
        proxied = {
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "localhost",
            "no_proxy": "localhost",
        }
        base = rehearsal.openai_url.replace("127.0.0.1", "localhost")
        told = {"OPENAI_BASE_URL": base, **proxied, **more}
        given = ("-n", "a", "--store", "pool", "--gateway", *arguments)
        python = (sys.executable, "-c", textwrap.dedent(program))
        return command("run", *given, "--", *python, **told)

    return run_beside


def test_a_program_of_any_kind_is_answered(run: Command, rehearsal: Rehearsal) -> None:
    """Given a proxy that the environment names, then nobody asks it for the gateway.

    By replay its calls are no escapes: the gateway replays too.
    """
    program = """
    import os, sys
    from asking import ask
    print(*ask(os.environ["OPENAI_BASE_URL"]))
    sys.exit(7)
    """

    first, second = run(program), run(program, "--mode", "replay")

    assert first.returncode == 7, first.stderr
    assert second.returncode == 7, second.stderr
    assert "fwd=miss" in first.stdout
    assert "; hit" in second.stdout
    assert first.stdout.split()[0] == second.stdout.split()[0]
    assert rehearsal.calls().calls == 1
    assert "1 fetched" in first.stderr, "and who waits for its streams sees the summary"


def test_what_the_program_sees_of_it(run: Command) -> None:
    """Given a program that waits for all its children, then it waits for none of ours.

    The base URLs that were not set lead to the gateway too, and it is gone when the program is.
    """
    ran = run(
        """
        import os
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            print("no children", os.environ["ANTHROPIC_BASE_URL"], os.environ["CACHESAVER_GATEWAY"])
        """
    )

    said: str = ran.stdout
    words, base, url = said.rsplit(maxsplit=2)
    assert words == "no children"
    assert base == f"{url}/anthropic"
    with pytest.raises(OSError, match=r"refused"):
        _connect(urlsplit(url).port or 0)


def test_who_was_not_told_its_key_is_not_answered(run: Command, rehearsal: Rehearsal) -> None:
    """Given another user of the machine, who knows the port, then nothing is in it for him."""
    program = """
    import os, urllib.error, urllib.request
    for url in (os.environ["CACHESAVER_GATEWAY"], os.environ["CACHESAVER_GATEWAY"].partition("/key/")[0]):
        asked = urllib.request.Request(url + "/openai/v1/models")
        try:
            print(urllib.request.urlopen(asked).status)
        except urllib.error.HTTPError as error:
            print(error.code)
    """

    ran = run(program, OPENAI_BASE_URL="")
    again = run('import os; print(os.environ["CACHESAVER_GATEWAY"])')

    assert ran.stdout.split()[1] == "401", ran.stderr
    assert ran.stdout.split()[0] != "401", "it tried to call OpenAI"
    assert len(again.stdout.strip().partition("/key/")[2]) == 32


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_a_program_that_is_killed(
    env: dict[str, str], work: Path, number: int
) -> None:
    """Given a program killed by a signal, then that is its status, and the gateway ends too."""
    program = "import os, time; print(os.environ['CACHESAVER_GATEWAY'], flush=True); time.sleep(60)"
    given = ("run", "-q", "--store", "memory://", "--gateway", "--", sys.executable, "-c", program)
    with subprocess.Popen(
        [sys.executable, "-m", "cachesaver", *given],
        cwd=work,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        told: str = running.stdout.readline().strip()
        port = urlsplit(told).port or 0
        _connect(port)
        running.send_signal(number)
        status = running.wait(30)

    assert status == -number
    _wait_until_refused(port)


def _wait_until_refused(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            _connect(port)
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the gateway lives on")


def test_a_program_that_cannot_be_run_leaves_no_gateway(command: Command) -> None:
    ran = command("run", "--store", "memory://", "--gateway", "--", "no-such-program")

    assert ran.returncode == 2
    assert "no-such-program is not found" in ran.stderr


def test_python_under_it_draws_by_its_causes(run: Command, rehearsal: Rehearsal) -> None:
    """Given tasks that ask one thing, in any order of arrival, then each is told what it was told."""
    program = """
    import asyncio, os, openai, sys

    async def agent(name, delay):
        await asyncio.sleep(delay)
        async with openai.AsyncOpenAI(api_key="k", max_retries=0) as client:
            asked = [{"role": "user", "content": name}]
            await client.chat.completions.create(model="gpt-5-mini", messages=asked)
            asked = [{"role": "user", "content": "The same for all"}]
            said = await client.chat.completions.create(model="gpt-5-mini", messages=asked)
            return said.choices[0].message.content.split()[0]

    async def main(delays):
        print(*await asyncio.gather(*(agent(f"Agent {n}", d) for n, d in enumerate(delays))))

    asyncio.run(main([float(each) for each in sys.argv[1:]]))
    """

    orders = [("0", "0.3", "0.6"), ("0.6", "0.3", "0")]
    said = list[str]()
    for order in orders:
        filled = program.replace("sys.argv[1:]", repr(list(order)))
        ran = run(filled)
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stdout)

    assert said[0] == said[1]
    assert len(set(said[0].split())) == 3
    assert rehearsal.calls().samples == 6


AGENTS = """
import asyncio, openai, sys

async def agent(client, name, delay):
    ask = lambda said, **more: client.chat.completions.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": said}], **more)
    await ask(name)
    await asyncio.sleep(delay)
    by_cause = await ask("The same for all", n=2)
    by_name = await ask("Once more", n=2, extra_headers={"x-cachesaver-request-id": name})
    return [each.message.content for said in (by_cause, by_name) for each in said.choices]

async def main(*delays):
    async with openai.AsyncOpenAI(api_key="k", max_retries=0) as client:
        names = [f"Agent {number}" for number in range(len(delays))]
        for said in await asyncio.gather(*map(agent, [client] * len(names), names, delays)):
            print(said)

asyncio.run(main(DELAYS))
"""


@pytest.mark.parametrize("way", [((), ("--gateway",)), (("--gateway",), ())], ids=["to", "from"])
def test_what_is_drawn_does_not_depend_on_the_gateway(
    command: Command, rehearsal: Rehearsal, way: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """Given a recording by the one, when the other replays it in another order, then all is the same."""
    said = list[str]()
    modes, orders = ("cache", "replay"), ("0, 0.15, 0.3", "0.3, 0.15, 0")
    for beside_it, mode, delays in zip(way, modes, orders, strict=True):
        python = (sys.executable, "-c", AGENTS.replace("DELAYS", delays))
        given = ("-n", "a", "--store", "pool", "--mode", mode, *beside_it)
        ran = command("run", *given, "--", *python, OPENAI_BASE_URL=rehearsal.openai_url)
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stdout)

    assert said[0] == said[1]
    assert len(set(said[0].splitlines())) == 3
    assert rehearsal.calls().samples == 3 * 5


def test_a_gateway_that_does_not_start_is_said(command: Command) -> None:
    ran = command("run", "--store", "memory://", "--gateway", "--", "true", CACHESAVER_PACE="-1")

    assert ran.returncode == 2
    assert "pace" in ran.stderr


def test_what_tells_nothing_has_not_started() -> None:
    with pytest.raises(ConfigurationError, match="did not start"):
        module._started(["true"], os.environ)


def test_other_systems_are_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of this module only: pathlib looks at it too.
    monkeypatch.setattr(module, "os", SimpleNamespace(name="nt"))

    with pytest.raises(ConfigurationError, match="POSIX"):
        beside({})
