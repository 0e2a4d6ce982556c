"""Sessions that are open side by side answer for themselves: real clients, over real sockets.

What they draw does not depend on which of them was open when: a recording is replayed exactly, in
whatever order the blocks are entered and left.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import http.client
import itertools
import json
import multiprocessing
import os
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
import trio

import cachesaver
from cachesaver import vcr
from cachesaver.errors import EscapeError, NotRecordedError
from cachesaver.rehearsal import Rehearsal
from escaping import message

OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI
ASK: dict[str, Any] = {"model": "gpt-5-mini"}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    start = threading.Thread.start
    yield
    assert cachesaver.current_session() is None
    assert threading.Thread.start is start
    assert "CACHESAVER_RUN" not in os.environ


def words(text: str) -> dict[str, Any]:
    return {**ASK, "messages": [{"role": "user", "content": text}]}


JSON = {"Content-Type": "application/json"}


class Asking:
    """Asks the rehearsal in several ways."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.url = rehearsal.openai_url
        self.calls = rehearsal.calls

    async def later(self, text: str) -> str:
        async with AsyncOpenAI(base_url=self.url, api_key="x") as client:
            answer = await client.chat.completions.create(**words(text))
        return str(answer.choices[0].message.content)

    def now(self, text: str) -> str:
        with OpenAI(base_url=self.url, api_key="x") as client:
            answer = client.chat.completions.create(**words(text))
        return str(answer.choices[0].message.content)

    def quickly(self, text: str) -> str:
        """By a client that is ready sooner."""
        parts = urlsplit(f"{self.url}/chat/completions")
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        with closing(connection):
            connection.request("POST", parts.path, json.dumps(words(text)), JSON)
            answer = json.load(connection.getresponse())
        return str(answer["choices"][0]["message"]["content"])


@pytest.fixture
def asking(rehearsal: Rehearsal) -> Asking:
    return Asking(rehearsal)


def recorded(path: Path) -> int:
    """How many answers the cassette at *path* holds."""
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        return len(cassette.store.unused)


# --- one program in every order


class Turns:
    """Lets pieces take their steps in the order that is given, whoever is ready before."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = list(order)
        self._changed = asyncio.Condition()

    async def take(self, piece: str) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._order[0] == piece)

    async def done(self) -> None:
        async with self._changed:
            self._order.pop(0)
            self._changed.notify_all()


STEPS = 4


async def piece(asking: Asking, name: str, path: Path, turns: Turns, mode: str) -> list[str]:
    """Draw one question alone, and in several tasks that only the order of their start tells apart.

    They ask one after the other: the first of them first where that is recorded, else the last.
    """
    asked = list[int]()
    in_turn = [0, 1, 2, 3] if mode == "once" else [3, 2, 1, 0]

    async def draw(number: int) -> str:
        while len(asked) < 4 and in_turn[len(asked)] != number:  # noqa: ASYNC110  # one turn each
            await asyncio.sleep(0)
        said = await asyncio.to_thread(asking.quickly, "all alike")
        asked.append(number)
        return said

    await turns.take(name)
    block = cachesaver.use_cassette(path, record_mode=mode)
    await block.__aenter__()
    await turns.done()
    await turns.take(name)
    said = [asking.quickly("all alike")]
    first = [asyncio.create_task(draw(number)) for number in (0, 1)]
    await turns.done()
    await turns.take(name)
    said += await asyncio.gather(*first, draw(2), draw(3))
    said += [asking.quickly(f"of {name}")]
    await turns.done()
    await turns.take(name)
    await block.__aexit__(None, None, None)
    await turns.done()
    return said


def orders() -> list[str]:
    """Every order of two with four steps each, but for their names: the first steps first."""
    found = ("".join(each) for each in set(itertools.permutations("aaaabbbb")))
    return sorted(found)


async def program(asking: Asking, folder: Path, order: str, mode: str) -> dict[str, list[str]]:
    """Run both pieces; the one that comes second is started when it has its first turn."""
    turns = Turns(order)
    tasks = dict[str, asyncio.Task[list[str]]]()
    for name in dict.fromkeys(order):
        await turns.take(name)
        tasks[name] = asyncio.create_task(piece(asking, name, folder / name, turns, mode))
    return {name: await tasks[name] for name in "ab"}


def test_what_is_recorded_side_by_side_is_replayed_exactly_in_every_order(
    asking: Asking, tmp_path: Path
) -> None:
    said = asyncio.run(program(asking, tmp_path, "abababab", "once"))
    bought = asking.calls().samples
    assert {name: recorded(tmp_path / name) for name in "ab"} == {"a": 6, "b": 6}

    for order in orders()[::2]:
        assert asyncio.run(program(asking, tmp_path, order, "none")) == said, order
    assert asking.calls().samples == bought


@pytest.mark.parametrize("order", ["aabbabab", "aaaabbbb", "bbabaaab", "abbabbaa"])
def test_in_whatever_order_it_is_recorded_it_is_what_is_recorded_alone(
    asking: Asking, tmp_path: Path, order: str
) -> None:
    """Given what was recorded of each alone, when it is replayed side by side, then it is the same."""

    async def alone(name: str) -> list[str]:
        return await piece(asking, name, tmp_path / name, Turns(name * STEPS), "once")

    said = {name: asyncio.run(alone(name)) for name in "ab"}

    assert asyncio.run(program(asking, tmp_path, order, "none")) == said


# --- who answers, by the way in which blocks are held


async def by_sdk(asking: Asking, path: Path, text: str, ready: Any) -> list[str]:
    async with cachesaver.use_cassette(path):
        await ready.wait()
        return [await asking.later(text), await asking.later("both")]


@pytest.mark.parametrize("around", [False, True])
def test_the_sdk_in_two_tasks(asking: Asking, tmp_path: Path, *, around: bool) -> None:
    async def main() -> list[list[str]]:
        ready = asyncio.Barrier(2)
        blocks = [by_sdk(asking, tmp_path / name, name, ready) for name in "ab"]
        return list(await asyncio.gather(*blocks))

    session = None
    if around:
        session = cachesaver.install(store="memory://", quiet=True)
    said = asyncio.run(main())
    assert [recorded(tmp_path / name) for name in "ab"] == [2, 2]
    bought = asking.calls().calls
    assert asyncio.run(main()) == said
    assert asking.calls().calls == bought
    if session is not None:
        assert session.stats().requests == 0
        asking.now("a")
        assert session.stats().requests == 1
        session.uninstall()


def test_decorated_functions_in_two_tasks_of_trio(asking: Asking, tmp_path: Path) -> None:
    entered = dict[str, trio.Event]()

    async def task(name: str, other: str) -> None:
        @cachesaver.use_cassette(tmp_path / name)
        async def decorated() -> None:
            entered[name].set()
            await entered[other].wait()
            await asking.later(name)

        await decorated()

    async def main() -> None:
        entered.update(a=trio.Event(), b=trio.Event())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task, "a", "b")
            nursery.start_soon(task, "b", "a")

    trio.run(main)

    assert [recorded(tmp_path / name) for name in "ab"] == [1, 1]


def by_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def in_two_threads(work: Callable[[str], Any]) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, "ab"))


def test_blocks_in_two_threads_and_all_that_they_start(asking: Asking, tmp_path: Path) -> None:
    ready = threading.Barrier(2, timeout=20)

    def ways(name: str) -> Iterator[Callable[[], object]]:
        yield lambda: asking.quickly(f"{name} here")
        yield lambda: by_a_thread(lambda: asking.quickly(f"{name} thread"))
        yield lambda: asyncio.run(asking.later(f"{name} loop"))
        yield lambda: asyncio.run(asyncio.to_thread(asking.quickly, f"{name} aside"))

    def work(name: str) -> int:
        with cachesaver.use_cassette(tmp_path / name), ThreadPoolExecutor(1) as pool:
            ready.wait()
            for way in ways(name):
                way()
            pool.submit(asking.quickly, f"{name} pool").result()
            ready.wait()
        return recorded(tmp_path / name)

    assert in_two_threads(work) == [5, 5]


def test_install_blocks_in_two_threads_that_leave_in_the_order_they_came(asking: Asking) -> None:
    a_entered, b_entered, a_left = threading.Event(), threading.Event(), threading.Event()

    def first() -> int:
        with cachesaver.install(store="memory://", quiet=True) as session:
            a_entered.set()
            b_entered.wait(20)
            asking.quickly("a")
        a_left.set()
        return session.stats().requests

    def second() -> int:
        a_entered.wait(20)
        with cachesaver.install(store="memory://", quiet=True) as session:
            b_entered.set()
            asking.quickly("b")
            a_left.wait(20)
            asking.quickly("b")
        return session.stats().requests

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(first), pool.submit(second)
        assert (one.result(), other.result()) == (1, 2)


def test_a_job_that_is_submitted_from_a_block_to_a_pool_that_others_use(asking: Asking) -> None:
    async def task(pool: ThreadPoolExecutor, text: str, ready: asyncio.Barrier) -> int:
        with cachesaver.install(store="memory://", quiet=True) as session:
            await ready.wait()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(pool, asking.quickly, text)
            await ready.wait()
        return session.stats().requests

    async def main() -> list[int]:
        ready = asyncio.Barrier(2)
        with ThreadPoolExecutor(1) as pool:
            return list(await asyncio.gather(*(task(pool, text, ready) for text in "ab")))

    assert asyncio.run(main()) == [1, 1]


def test_what_a_thread_of_a_block_calls_on_a_loop(asking: Asking) -> None:
    async def main() -> int:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()

        async def other() -> None:
            with cachesaver.install(store="memory://", quiet=True):
                ready.set()
                await asyncio.sleep(0.5)

        def work() -> None:
            asyncio.run_coroutine_threadsafe(asking.later("by a thread"), loop).result(20)

        with cachesaver.install(store="memory://", quiet=True) as session:
            thread = threading.Thread(target=work)
            context_free = contextless(other)
            await ready.wait()
            thread.start()
            await asyncio.to_thread(thread.join)
            await context_free
        return session.stats().requests

    assert asyncio.run(main()) == 1


def contextless(function: Callable[[], Any]) -> asyncio.Task[Any]:
    """Start *function* in a task that stands in nothing."""
    return asyncio.create_task(function(), context=contextvars.Context())


def test_a_task_that_outlives_its_block_is_answered_by_who_is_left(asking: Asking) -> None:
    async def main(outer: cachesaver.Session) -> int:
        left = asyncio.Event()

        async def late() -> None:
            await left.wait()
            await asking.later("late")

        with cachesaver.install(store="memory://", quiet=True) as inner:
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
        left.set()
        await task
        assert inner.stats().requests == 0
        return outer.stats().requests

    with cachesaver.install(store="memory://", quiet=True) as outer:
        assert asyncio.run(main(outer)) == 1


def test_asynchronous_generators_hold_their_blocks(asking: Asking, tmp_path: Path) -> None:
    @cachesaver.use_cassette(tmp_path / "held")
    async def held() -> AsyncGenerator[str]:
        yield await asking.later("before")
        yield await asking.later("after")

    async def iterating() -> None:
        async for _ in held():
            await asking.later("between")

    async def main() -> None:
        await asyncio.gather(iterating(), by_sdk(asking, tmp_path / "b", "b", Free()))

    asyncio.run(main())

    assert [recorded(tmp_path / name) for name in ("held", "b")] == [4, 2]


class Free:
    """A barrier that lets everybody pass, after the others have had a turn."""

    async def wait(self) -> None:
        await asyncio.sleep(0)


def test_cassettes_of_vcr_side_by_side_with_each_other_and_ours(
    asking: Asking, tmp_path: Path
) -> None:
    async def task(name: str, ready: asyncio.Barrier) -> int:
        with vcr.use_cassette(str(tmp_path / f"{name}.yaml")) as cassette:
            await ready.wait()
            await asking.later(name)
            await ready.wait()
        return len(cassette)

    async def main() -> list[Any]:
        ready = asyncio.Barrier(3)

        async def ours() -> None:
            async with cachesaver.use_cassette(tmp_path / "ours"):
                await ready.wait()
                await asking.later("ours")
                await ready.wait()

        return list(await asyncio.gather(task("a", ready), task("b", ready), ours()))

    assert asyncio.run(main())[:2] == [1, 1]
    assert recorded(tmp_path / "ours") == 1


def test_uninstall_in_a_task_leaves_the_blocks_of_others_alone(asking: Asking) -> None:
    async def main() -> None:
        plain = cachesaver.install(store="memory://", quiet=True)
        ready, done = asyncio.Event(), asyncio.Event()

        async def other() -> int:
            with cachesaver.install(store="memory://", quiet=True) as session:
                ready.set()
                await done.wait()
                await asking.later("other")
            return session.stats().requests

        task = asyncio.create_task(other())
        await ready.wait()
        assert cachesaver.current_session() is plain
        cachesaver.uninstall()
        done.set()
        assert await task == 1

    asyncio.run(main())
    assert cachesaver.current_session() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_stands_where_it_was_forked(asking: Asking) -> None:
    told = multiprocessing.get_context("fork").SimpleQueue()

    def child() -> None:
        try:
            asking.quickly("a")
            session = cachesaver.current_session()
            told.put(session and (session.settings.namespace, session.stats().requests))
        except BaseException as error:
            told.put(repr(error))
            raise

    entered, done = threading.Event(), threading.Event()

    def other() -> None:
        with cachesaver.install("b", store="memory://", quiet=True):
            entered.set()
            done.wait(20)

    stranger = threading.Thread(target=other)
    with cachesaver.install("a", store="memory://", quiet=True):
        stranger.start()
        entered.wait(20)
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(20)
        done.set()
        stranger.join()

    assert told.get() == ("a", 1)


# --- law 8


def unseen(url: str, text: str) -> int:
    """Ask by a client of nobody's making; return the status."""
    parts = urlsplit(f"{url}/chat/completions")
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(message(parts.geturl(), json.dumps(words(text)).encode()))
        return int(connection.recv(100).split()[1])


Way = Callable[[Callable[[], Any], Callable[[], Any]], tuple[Any, Any]]


def by_tasks(replaying: Callable[[], Any], recording: Callable[[], Any]) -> tuple[Any, Any]:
    async def main() -> tuple[Any, Any]:
        entered = asyncio.Barrier(2)

        async def task(session: Callable[[], Any], work: Callable[[], Any]) -> Any:
            with session():
                await entered.wait()
                found = [outcome(work), await asyncio.to_thread(outcome, work)]
                await entered.wait()
            return found

        sessions = (replay, record)
        works = (replaying, recording)
        one, other = await asyncio.gather(*map(task, sessions, works))
        return one, other

    return asyncio.run(main())


def by_threads(replaying: Callable[[], Any], recording: Callable[[], Any]) -> tuple[Any, Any]:
    entered = threading.Barrier(2, timeout=20)

    def thread(session: Callable[[], Any], work: Callable[[], Any]) -> Any:
        with session():
            entered.wait()
            found = [outcome(work), asyncio.run(asyncio.to_thread(outcome, work))]
            entered.wait()
        return found

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(thread, (replay, record), (replaying, recording))
    return one, other


def by_threads_the_other_way_round(
    replaying: Callable[[], Any], recording: Callable[[], Any]
) -> tuple[Any, Any]:
    """What replays is opened last."""
    first = threading.Event()
    last = threading.Event()

    def one() -> Any:
        with record():
            first.set()
            last.wait(20)
            return [outcome(recording), asyncio.run(asyncio.to_thread(outcome, recording))]

    with ThreadPoolExecutor(1) as pool:
        recorded = pool.submit(one)
        first.wait(20)
        with replay():
            last.set()
            told = recorded.result()
            return [outcome(replaying), asyncio.run(asyncio.to_thread(outcome, replaying))], told


def replay() -> cachesaver.Session:
    return cachesaver.install(store="memory://", mode="replay", quiet=True)


def record() -> cachesaver.Session:
    return cachesaver.install(store="memory://", quiet=True)


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # whatever it is
        # For SDKs that let nothing through, what is raised is of a class that is one of theirs too.
        return [kind for kind in (EscapeError, NotRecordedError) if isinstance(error, kind)]


WAYS = [by_tasks, by_threads, by_threads_the_other_way_round]


@pytest.mark.parametrize("way", WAYS)
def test_what_replays_lets_nothing_out_and_what_records_does(asking: Asking, way: Way) -> None:
    def said(text: str) -> bool:
        return bool(asking.now(text))

    refused, recorded = way(lambda: said("replayed"), lambda: said("recorded"))

    assert refused == [[NotRecordedError]] * 2
    assert recorded == [True] * 2
    assert asking.calls().calls == 2


@pytest.mark.parametrize("way", WAYS)
def test_nor_does_it_by_a_client_that_nobody_sees(asking: Asking, way: Way) -> None:
    ask = functools.partial(unseen, asking.url)

    refused, recorded = way(lambda: ask("replayed"), lambda: ask("recorded"))

    assert refused == [[EscapeError]] * 2
    assert recorded == [200] * 2
    assert asking.calls().calls == 2


def test_what_nobody_can_tell_whose_it_is_is_kept_in(asking: Asking) -> None:
    """Given a thread from before all sessions, when one replays and one records, it asks nobody."""
    go, entered = threading.Event(), threading.Event()
    told = list[Any]()

    def before() -> None:
        go.wait(20)
        told.append(outcome(lambda: unseen(asking.url, "whose")))

    def recording() -> None:
        with record():
            entered.set()
            stranger.join()

    stranger = threading.Thread(target=before)
    stranger.start()
    with replay():
        other = threading.Thread(target=recording)
        other.start()
        entered.wait(20)
        go.set()
        other.join()

    assert told == [[EscapeError]]
