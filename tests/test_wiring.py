"""Installing and uninstalling, with real clients over real sockets."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import cachesaver
from cachesaver.errors import ConfigurationError, StoreUnavailableError
from cachesaver.rehearsal import Rehearsal
from cachesaver.stores import open_store
from cachesaver.wiring import TRANSPORTS, _hooking

ASK: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    meta_path, environment = list(sys.meta_path), dict(os.environ)
    sent = httpx.Client._send_single_request
    yield
    assert cachesaver.current_session() is None
    assert sys.meta_path == meta_path
    ours = {name: value for name, value in os.environ.items() if name.startswith("CACHESAVER")}
    assert ours == {name: environment[name] for name in environment if name in ours}
    assert httpx.Client._send_single_request is sent


def ask(rehearsal: Rehearsal, client: httpx.Client | None = None) -> str:
    sender = client or httpx
    answer = sender.post(f"{rehearsal.openai_url}/chat/completions", json=ASK).json()
    return str(answer["choices"][0]["message"]["content"])


def test_a_client_made_before_is_seen_and_let_go_again(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    with httpx.Client() as client:
        with cachesaver.install(namespace="a", store=tmp_path / "s", quiet=True) as session:
            bought = ask(rehearsal, client)
            assert session.stats().fetched == 1
        with cachesaver.install(namespace="b", store=tmp_path / "s", quiet=True) as session:
            assert ask(rehearsal, client) == bought
            assert session.stats().hits == 1
        assert ask(rehearsal, client) != bought

    assert rehearsal.calls().calls == 2


def test_sessions_nest_and_the_innermost_answers(rehearsal: Rehearsal) -> None:
    with cachesaver.install(namespace="outer", store="memory://", quiet=True) as outer:
        with cachesaver.install(namespace="inner", store="memory://", quiet=True) as inner:
            assert cachesaver.current_session() is inner
            ask(rehearsal)
        assert cachesaver.current_session() is outer
        ask(rehearsal)

        assert (inner.stats().requests, outer.stats().requests) == (1, 1)


def test_sessions_may_end_in_any_order(rehearsal: Rehearsal) -> None:
    first = cachesaver.install(namespace="first", store="memory://", quiet=True)
    second = cachesaver.install(namespace="second", store="memory://", quiet=True)

    first.uninstall()
    first.uninstall()
    ask(rehearsal)
    assert second.stats().requests == 1

    cachesaver.uninstall()
    cachesaver.uninstall()


def test_a_nested_session_of_the_same_namespace_draws_other_samples(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    with cachesaver.install(namespace="a", store=tmp_path, quiet=True):
        outer = ask(rehearsal)
        with cachesaver.install(namespace="a", store=tmp_path, quiet=True):
            inner = ask(rehearsal)
        again = ask(rehearsal)

    assert inner == outer, "a plain install is a new run, which replays from the beginning"
    assert again != outer


def test_namespaces_inside_a_session(rehearsal: Rehearsal) -> None:
    with cachesaver.install(namespace="a", store="memory://", quiet=True):
        drawn = [ask(rehearsal), ask(rehearsal)]
        with cachesaver.namespace("b"):
            drawn_in_b = [ask(rehearsal), ask(rehearsal)]

    assert drawn_in_b == drawn
    assert drawn[0] != drawn[1]


def test_the_summary_is_one_line_and_can_be_silenced(
    rehearsal: Rehearsal, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cachesaver"):
        with cachesaver.install(namespace="loud", store="memory://"):
            ask(rehearsal)
        with cachesaver.install(namespace="quiet", store="memory://", quiet=True):
            ask(rehearsal)
        with cachesaver.install(namespace="idle", store="memory://"):
            pass

    said = [each.message for each in caplog.records if each.name == "cachesaver"]
    assert said == ["cachesaver: namespace 'loud': 0 hits, 1 fetched, 0 tokens saved"]


def program(source: str, *, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run *source* as a program of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_client_imported_later_is_hooked(rehearsal: Rehearsal) -> None:
    ran = program(
        f"""
        import cachesaver, sys
        session = cachesaver.install(namespace="a", store="memory://")
        assert "httpx" not in sys.modules and "aiohttp" not in sys.modules, "we import no client"
        import httpx
        httpx.post("{rehearsal.openai_url}/chat/completions", json={ASK!r})
        print(session.stats().fetched)
        """
    )

    assert (ran.stdout, ran.returncode) == ("1\n", 0), ran.stderr
    assert ran.stderr == "cachesaver: namespace 'a': 0 hits, 1 fetched, 0 tokens saved\n"


def test_a_client_whose_import_ends_when_nobody_is_left_is_let_go() -> None:
    before = httpx.Client._send_single_request
    hook = _hooking("cachesaver.transports.httpx")

    hook(httpx)

    assert httpx.Client._send_single_request is before


def test_a_client_that_is_hooked_twice_is_let_go_with_the_last_session() -> None:
    before = httpx.Client._send_single_request
    hook = _hooking("cachesaver.transports.httpx")

    with cachesaver.install("a", store="memory://", quiet=True):
        hook(httpx)
        assert httpx.Client._send_single_request is not before

    assert httpx.Client._send_single_request is before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("httpx", "httpx 9.1 cannot be hooked, so its calls go out live: module"),
        (
            "anyio._backends._asyncio",
            "anyio._backends._asyncio cannot be hooked, so what it starts is not told apart, ",
        ),
    ],
)
def test_what_cannot_be_hooked_is_said_with_what_is_lost(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = ModuleType(name)
    vars(module).update({"__version__": "9.1"} if name == "httpx" else {})
    monkeypatch.setitem(sys.modules, name, module)

    with cachesaver.install(namespace="a", store="memory://", quiet=True):
        pass

    (message,) = caplog.messages
    assert message.startswith(f"cachesaver: {said}")


def test_importing_us_imports_no_client_and_no_store() -> None:
    ran = program(
        """
        import sys
        before = set(sys.modules)
        import cachesaver
        assert cachesaver.__version__ and dir(cachesaver)
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(new & {"httpx", "httpx2", "aiohttp", "urllib3", "lmdb", "asyncio", "orjson"}))
        """
    )

    assert ran.stdout == "[]\n", ran.stderr


LATER = [
    f"cachesaver.{each}"
    for each in (
        *(
            "answering",
            "asks",
            "batching",
            "buying",
            "canonical",
            "cassettes",
            "credentials",
            "effects",
        ),
        *("engine", "flights", "identity", "numbering", "outcomes", "pipeline", "redaction"),
        *("relaying", "replies", "sending", "statistics", "suspicion", "tee", "tripwire", "usage"),
        *("windows", "dialects.known", "dialects.openai_chat", "dialects.sse"),
        *("transports.gates", "transports.http_client", "transports.httpx"),
    )
]
"""What only requests need."""

NEVER = [
    *("argparse", "asyncio", "email", "http.client", "importlib.metadata", "multiprocessing"),
    *("random", "socket", "ssl", "subprocess", "tempfile", "zipfile"),
]
"""What costs much and is of no use to `install`."""


RARELY = [f"cachesaver.{each}" for each in ("budget", "prices", "purse", "suspicion", "tripwire")]
"""What only a budget or a replay needs."""


def test_installing_loads_nothing_that_only_requests_need(tmp_path: Path) -> None:
    """Given a store and no client, when we are installed, then little is loaded; the rest with a client."""
    open_store(str(tmp_path)).close()

    ran = program(
        f"""
        import sys
        before = set(sys.modules)  # whatever starts with Python here
        import cachesaver
        with cachesaver.install(namespace="a", store={str(tmp_path)!r}):
            print(sorted((set(sys.modules) - before) & set({LATER + NEVER!r})))
        print(sorted((set(sys.modules) - before) & set({LATER + NEVER!r})))
        cachesaver.install(namespace="a", store={str(tmp_path)!r})
        import http.client
        print({{"cachesaver.answering", "cachesaver.dialects.known"}} <= set(sys.modules))
        print(sorted(set({RARELY!r}) & set(sys.modules)))
        """
    )

    assert ran.stdout == "[]\n[]\nTrue\n[]\n", ran.stderr


def test_a_client_that_is_there_has_what_it_needs_when_we_are_installed() -> None:
    ran = program(
        """
        import sys, http.client, cachesaver
        with cachesaver.install(namespace="a", store="memory://"):
            print({"cachesaver.answering", "cachesaver.dialects.known"} <= set(sys.modules))
        """
    )

    assert ran.stdout == "True\n", ran.stderr


def test_http_client_is_hooked_though_what_hooks_another_client_brings_it_in(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a client that does without http.client, as urllib3.future does, then both are hooked."""
    (tmp_path / "urllib3_future.py").write_text(
        ""
    )  # its hook fails, after all it needs was imported

    ran = program(
        f"""
        import json, sys
        from urllib.parse import urlsplit
        sys.path.insert(0, {str(tmp_path)!r})
        import cachesaver
        session = cachesaver.install(namespace="a", store="memory://", quiet=True)
        import urllib3_future
        assert "cachesaver.transports.urllib3" in sys.modules
        order = list(sys.modules)
        print(order.index("http.client") < order.index("cachesaver.transports.parsing"))
        import http.client
        server = http.client.HTTPConnection(urlsplit({rehearsal.url!r}).netloc)
        server.request("POST", "/v1/chat/completions", json.dumps({ASK!r}))
        print(server.getresponse().status, session.stats().fetched)
        """
    )

    assert ran.stdout == "True\n200 1\n", ran.stderr
    assert "http.client" not in ran.stderr


def test_a_process_ends_by_itself_whatever_it_left_open(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given streams half read, loops closed and threads done, then the process exits, status 0."""
    ran = program(
        f"""
        import asyncio, threading, cachesaver, httpx
        session = cachesaver.install(namespace="a", store={str(tmp_path)!r})
        url, ask = "{rehearsal.openai_url}/chat/completions", {ASK!r}
        kept = httpx.Client().send(httpx.Request("POST", url, json=ask | dict(stream=True)), stream=True)
        parts = kept.iter_raw()
        next(parts)
        async def main():
            async with httpx.AsyncClient() as client:
                await client.post(url, json=ask)
        for _ in range(3):
            asyncio.run(main())
        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start(); thread.join()
        print(session.stats().requests)
        """
    )

    assert (ran.stdout, ran.returncode) == ("5\n", 0), ran.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_a_thread_was_hooking_hooks_for_itself() -> None:
    """Given a session that was half open in the parent, then the child's own one sees its calls."""
    program = """
import os, threading
import httpx
import cachesaver
from cachesaver import wiring

inside, leave = threading.Event(), threading.Event()
hook_all, original = wiring._hook_all, httpx.Client._send_single_request

def slow():
    inside.set()
    leave.wait(60)
    hook_all()

wiring._hook_all = slow
asked = {"store": "memory://", "quiet": True}
thread = threading.Thread(target=cachesaver.install, args=("a",), kwargs=asked)
thread.start()
inside.wait(60)
child = os.fork()
if child == 0:
    wiring._hook_all = hook_all
    cachesaver.install("b", store="memory://", quiet=True)
    os._exit(0 if httpx.Client._send_single_request is not original else 1)
leave.set()
thread.join()
print(os.waitpid(child, 0)[1])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.stdout == "0\n", ended.stderr


def test_children_join_the_run_of_their_parent(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """Given a program with forked, spawned and plain children, then no two draw the same sample."""
    script = tmp_path / "family.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import cachesaver, multiprocessing, subprocess, sys, httpx
            HOW = dict(namespace="a", store={str(tmp_path / "s")!r}, quiet=True, strict=True)
            def ask(*_):
                url, ask = "{rehearsal.openai_url}/chat/completions", {ASK!r}
                return httpx.post(url, json=ask).json()["choices"][0]["message"]["content"]
            def main():
                with cachesaver.install(**HOW):
                    print(ask())
                    if "child" in sys.argv:
                        return
                    for how in ("fork", "spawn"):
                        with multiprocessing.get_context(how).Pool(2, initializer=start) as pool:
                            print(*pool.map(ask, range(4), chunksize=2), sep="\\n")
                    sys.stdout.flush()
                    subprocess.run([sys.executable, __file__, "child"], check=True)
                    print(ask())
            def start():
                if cachesaver.current_session() is None:
                    cachesaver.install(**HOW)
            if __name__ == "__main__":
                main()
            """
        )
    )

    def run() -> list[str]:
        ran = subprocess.run(
            [sys.executable, script],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.splitlines()

    cold = run()
    assert len(set(cold)) == len(cold) == 11
    calls = rehearsal.calls().calls

    warm = run()

    assert sorted(warm) == sorted(cold)
    assert rehearsal.calls().calls == calls == 11


class TestBadInput:
    def test_a_typo_installs_nothing(self) -> None:
        with pytest.raises(ConfigurationError, match="use one of 'cache'"):
            cachesaver.install(namespace="a", mode="cahce")

    def test_a_foreign_directory(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("precious")

        with pytest.raises(StoreUnavailableError) as caught:
            cachesaver.install(namespace="a", store=tmp_path)

        assert str(tmp_path) in str(caught.value)
        assert (tmp_path / "thesis.tex").read_text() == "precious"

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(StoreUnavailableError):
            cachesaver.install(namespace="a", store=tmp_path / "file")

    def test_no_lmdb(self, tmp_path: Path) -> None:
        ran = program(
            f"""
            import sys
            sys.modules["lmdb"] = None
            import cachesaver
            cachesaver.install(namespace="a", store={str(tmp_path / "s")!r})
            """
        )

        last = ran.stderr.strip().splitlines()[-1]
        assert last.startswith("cachesaver.errors.StoreUnavailableError: ")
        assert "pip install" in last

    def test_an_unknown_scheme(self) -> None:
        with pytest.raises(ConfigurationError, match="memory://"):
            cachesaver.install(namespace="a", store="reddis://localhost")


def test_every_transport_there_is_is_wired() -> None:
    import cachesaver.transports

    folder = Path(cachesaver.transports.__path__[0])
    adapters = {
        f"cachesaver.transports.{each.stem}"
        for each in folder.glob("*.py")
        if "MODULES" in each.read_text()
    }

    assert adapters == set(TRANSPORTS.values())
