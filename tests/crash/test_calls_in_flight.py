"""A call is under way, and the process dies, forks, or gives up waiting: what is kept, what is paid."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import trio

import cachesaver
from cachesaver.rehearsal import Rehearsal
from cachesaver.stores.lmdb import LmdbStore

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")

BODY: Any = {"model": "gpt", "messages": [{"role": "user", "content": "Say something."}]}

PRELUDE = f"""
import json, os, signal, sys, threading, time
import httpx2
import cachesaver
from cachesaver.stores import session

def say(*words):
    os.write(1, json.dumps(words).encode() + b"\\n")

def ask():
    with httpx2.Client(base_url=sys.argv[1], timeout=60) as client:
        answer = client.post("/v1/chat/completions", json={BODY!r})
        return answer.json()["choices"][0]["message"]["content"]

def install(namespace="a"):
    return cachesaver.install(namespace, store=sys.argv[2], quiet=True, strict=True)
"""


@contextmanager
def running(program: str, *words: object) -> Generator[subprocess.Popen[str]]:
    """Run *program* beside the test, and kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + program, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], status: int = 0) -> list[Any]:
    """Wait for a process to end as expected; return what it said."""
    assert process.stdout is not None
    found = [json.loads(line) for line in process.stdout]
    assert process.wait(60) == status
    return found


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def stored(path: Path) -> list[str]:
    """Return the texts in the store, and see that all of it reads back."""
    store = LmdbStore(path)
    try:
        assert list(store.verify()) == []
        return [
            json.loads(sample.response.body)["choices"][0]["message"]["content"]
            for fingerprint, _ in store.questions()
            for _, sample in store.samples(fingerprint)
        ]
    finally:
        store.close()


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when *holds* does, which another process sees to."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _in_time(rehearsal: Rehearsal) -> Iterator[None]:
    yield
    rehearsal.latency = 0


# --- kill -9

KILLED = """
real = session.Session.write

def write(self, work):
    if sys.argv[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    kept = real(self, work)
    if sys.argv[3] == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return kept

session.Session.write = write
with install():
    say(ask())
"""

AGAIN = """
with install():
    say(ask())
"""


@posix
@pytest.mark.parametrize(("when", "sales"), [("before", 2), ("after", 1)])
def test_a_kill_around_the_commit_costs_the_sample_that_was_not_written(
    rehearsal: Rehearsal, tmp_path: Path, when: str, sales: int
) -> None:
    """Given a kill between answer and commit, or commit and answer, then nobody is blocked."""
    store = tmp_path / "s"
    with running(KILLED, rehearsal.url, store, when) as process:
        assert said(process, -signal.SIGKILL) == []
    assert len(stored(store)) == sales % 2

    with running(AGAIN, rehearsal.url, store) as process:
        ((text,),) = said(process)

    assert stored(store) == [text]
    assert rehearsal.calls().samples == sales


# --- fork


FORKED = """
with install():
    texts = []
    thread = threading.Thread(target=lambda: texts.append(ask()))
    thread.start()
    sys.stdin.readline()  # the provider has the request
    child = os.fork()
    if not child:
        with cachesaver.namespace(sys.argv[3]):
            say("child", ask())
        os._exit(0)
    thread.join()
    say("parent", *texts)
    assert os.waitpid(child, 0)[1] == 0
    say("parent", ask())
"""


@posix
def test_a_child_forked_during_a_call_draws_another_sample(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a flight of the parent, when the child asks the same in their run, then both land."""
    rehearsal.latency = 0.3
    with running(FORKED, rehearsal.url, tmp_path / "s", "a") as process:
        wait_until(lambda: rehearsal.calls().total.samples == 1)
        go(process)
        texts = said(process)

    assert sorted(name for name, _ in texts) == ["child", "parent", "parent"]
    assert len({text for _, text in texts}) == 3
    assert sorted(text for _, text in texts) == sorted(stored(tmp_path / "s"))
    assert rehearsal.calls().samples == 3


@posix
def test_a_child_forked_during_a_call_waits_for_it_where_it_wants_the_same(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a flight of the parent, when the child wants that sample, then it is bought once."""
    rehearsal.latency = 0.3
    with running(FORKED, rehearsal.url, tmp_path / "s", "b") as process:
        wait_until(lambda: rehearsal.calls().total.samples == 1)
        go(process)
        texts = said(process)

    child = next(text for name, text in texts if name == "child")
    first, second = (text for name, text in texts if name == "parent")
    assert child == first != second
    assert rehearsal.calls().samples == 2


@posix
def test_a_child_that_is_killed_with_the_call_it_leads_blocks_nobody(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    program = """
with install():
    child = os.fork()
    if not child:
        ask()
        os._exit(0)
    sys.stdin.readline()  # the provider has the request
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # dead, and a zombie
    with cachesaver.namespace("b"):
        say(ask())
"""
    rehearsal.latency = 0.3
    with running(program, rehearsal.url, tmp_path / "s") as process:
        wait_until(lambda: rehearsal.calls().total.samples == 1)
        go(process)
        ((text,),) = said(process)

    assert stored(tmp_path / "s") == [text]
    assert rehearsal.calls().samples == 2


# --- a caller who gives up


@pytest.fixture
def session(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[cachesaver.Session]:
    rehearsal.latency = 0.3
    with cachesaver.install("a", store=tmp_path / "s", quiet=True, strict=True) as installed:
        yield installed


async def ask(client: httpx2.AsyncClient) -> str:
    answer = await client.post("/v1/chat/completions", json=BODY)
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


async def sold(rehearsal: Rehearsal) -> None:
    while not rehearsal.calls().samples:  # noqa: ASYNC110  # it counts in a thread of its own
        await anyio.sleep(0.005)


async def kept(session: cachesaver.Session) -> None:
    while not session.store.summary().samples:  # noqa: ASYNC110  # its writer is a thread
        await anyio.sleep(0.005)


async def retried_on_asyncio(rehearsal: Rehearsal, session: cachesaver.Session) -> str:
    async def program() -> str:
        try:
            await ask(client)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return await ask(client)

    async with httpx2.AsyncClient(base_url=rehearsal.url, timeout=30) as client:
        task = asyncio.create_task(program())
        await sold(rehearsal)
        task.cancel()
        return await task


async def retried_on_trio(rehearsal: Rehearsal, session: cachesaver.Session) -> str:
    texts = list[str]()

    async def program() -> None:
        with scope:
            await ask(client)
        texts.append(await ask(client))

    scope = trio.CancelScope()
    async with (
        httpx2.AsyncClient(base_url=rehearsal.url, timeout=30) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(program)
        await sold(rehearsal)
        scope.cancel()
    return texts[0]


async def left_on_asyncio(rehearsal: Rehearsal, session: cachesaver.Session) -> str:
    async with httpx2.AsyncClient(base_url=rehearsal.url, timeout=30) as client:
        task = asyncio.create_task(ask(client))
        await sold(rehearsal)
        task.cancel()
        with anyio.fail_after(5):
            await kept(session)
        with cachesaver.namespace("b"):
            return await ask(client)


async def left_on_trio(rehearsal: Rehearsal, session: cachesaver.Session) -> str:
    async with httpx2.AsyncClient(base_url=rehearsal.url, timeout=30) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, client)
            await sold(rehearsal)
            nursery.cancel_scope.cancel()
        with anyio.fail_after(5):
            await kept(session)
        with cachesaver.namespace("b"):
            return await ask(client)


def on_loop(loop: str, program: Any, *words: object) -> str:
    if loop == "asyncio":
        text: str = asyncio.run(program(*words))
    else:
        text = trio.run(program, *words)
    return text


@pytest.mark.parametrize(
    ("loop", "program"),
    [
        ("asyncio", retried_on_asyncio),
        ("trio", retried_on_trio),
        ("asyncio", left_on_asyncio),
        ("trio", left_on_trio),
    ],
    ids=["asked again, asyncio", "asked again, trio", "not again, asyncio", "not again, trio"],
)
def test_what_arrives_after_its_caller_was_cancelled_is_kept(
    rehearsal: Rehearsal,
    session: cachesaver.Session,
    tmp_path: Path,
    loop: str,
    program: Any,
) -> None:
    """Given a caller cancelled in flight, when it, or another run, asks, then nothing is bought."""
    text = on_loop(loop, program, rehearsal, session)

    session.uninstall()
    assert stored(tmp_path / "s") == [text]
    assert rehearsal.calls().samples == 1
