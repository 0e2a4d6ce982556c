"""What `uninstall()` leaves behind: nothing, however often and in whatever order."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal

CLIENTS = ("aiohttp", "httpx", "httpx2", "requests", "urllib3")
LOOPS = ("anyio", "asyncio", "trio")
PARTS = ("concurrent.futures.process", "concurrent.futures.thread", "multiprocessing.pool")
ROOMS = (
    *(*CLIENTS, *LOOPS, *PARTS),
    *("concurrent.futures", "http", "multiprocessing", "socket", "ssl", "threading", "urllib"),
)

Trace = dict[tuple[str, ...], object]


def trace() -> Trace:
    """Every attribute of every module of `ROOMS`, and of their classes; and what the process has."""
    found: Trace = {}
    for module in modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, ModuleType):
                continue  # something may be imported for the first time meanwhile
            found[module.__name__, name] = value
            if isinstance(value, type):
                found |= {
                    (value.__module__, value.__qualname__, n): v for n, v in attributes(value)
                }
    return found | {("process", str(n)): each for n, each in enumerate(of_process())}


def modules() -> list[ModuleType]:
    heads = tuple(f"{name}." for name in ROOMS)
    every = [(n, m) for n, m in sys.modules.items() if n in ROOMS or n.startswith(heads)]
    return [module for _, module in sorted(every, key=lambda each: each[0])]


def attributes(owner: type) -> list[tuple[str, object]]:
    # What Python notes by itself: subclass checks, and which attributes an interface lacks.
    return [(n, v) for n, v in list(vars(owner).items()) if not n.startswith("_abc_")]


def of_process() -> Iterator[object]:
    yield from sys.meta_path
    yield from sys.path_hooks
    yield from (sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield from (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile())
    yield dict(os.environ)
    yield list(warnings.filters)
    yield [signal.getsignal(each) for each in signal.valid_signals()]
    yield vars(asyncio.events)["_event_loop_policy"]


def changed(before: Trace, after: Trace) -> list[tuple[str, ...]]:
    """What is not the very object that it was; values that are made anew are compared."""
    both = before.keys() | after.keys()
    return sorted(key for key in both if not same(before.get(key), after.get(key)))


def same(one: object, other: object) -> bool:
    if one is other:
        return True
    return isinstance(one, dict | list) and one == other


@pytest.fixture(autouse=True)
def _imported() -> None:
    """Given that all is imported that is hooked, or that a session imports: nothing comes meanwhile."""
    for name in (*ROOMS, "http.client", "urllib.request"):
        importlib.import_module(name)
    with cachesaver.install(store="memory://", quiet=True):
        pass


def test_the_trace_shows_what_is_hooked() -> None:
    """Lest the tests below compare nothing."""
    before = trace()
    with cachesaver.install(store="memory://", quiet=True):
        found = {key for key in changed(before, trace()) if key[0] != "process"}

    assert {
        ("httpx", "Client", "_send_single_request"),
        ("httpx2", "AsyncClient", "_send_single_request"),
        ("aiohttp.connector", "BaseConnector", "connect"),
        ("urllib3.connectionpool", "HTTPConnectionPool", "urlopen"),
        ("threading", "Thread", "start"),
        ("asyncio.base_events", "BaseEventLoop", "create_task"),
        ("concurrent.futures.thread", "ThreadPoolExecutor", "submit"),
        ("concurrent.futures.process", "ProcessPoolExecutor", "submit"),
        ("multiprocessing.pool", "Pool", "apply_async"),
        ("trio", "Nursery", "start_soon"),
    } <= found


def innermost_first() -> None:
    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True),
        cachesaver.install(namespace="b", store="memory://", quiet=True),
    ):
        pass


def outermost_first() -> None:
    outer = cachesaver.install(namespace="a", store="memory://", quiet=True)
    inner = cachesaver.install(namespace="b", store="memory://", quiet=True)
    outer.uninstall()
    inner.uninstall()


def twice_the_same() -> None:
    cachesaver.install(namespace="a", store="memory://", quiet=True)
    cachesaver.install(namespace="a", store="memory://", quiet=True)
    for _ in range(3):
        cachesaver.uninstall()


def by_an_error() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        cachesaver.install(namespace="a", store="memory://", quiet=True),
    ):
        raise ZeroDivisionError


def in_a_thread() -> None:
    session = cachesaver.install(namespace="a", store="memory://", quiet=True)
    thread = threading.Thread(target=session.uninstall)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "leave", [innermost_first, outermost_first, twice_the_same, by_an_error, in_a_thread]
)
def test_every_attribute_is_the_very_object_it_was(leave: Callable[[], None]) -> None:
    before = trace()

    leave()

    assert changed(before, trace()) == []


CYCLES = """
import gc, json, os, sys, threading
import aiohttp, httpx, httpx2, requests, trio
import cachesaver

store, cycles, provider = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ask = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
client = httpx2.Client()

def go(times):
    for _ in range(times):
        with cachesaver.install("a", store=store, quiet=True, strict=True):
            with cachesaver.install("b", store=store, quiet=True, strict=True):
                client.post(provider + "/v1/chat/completions", json=ask).raise_for_status()

def state():
    gc.collect()
    fds = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return {"objects": len(gc.get_objects()), "files": fds, "threads": threading.active_count()}

go(20)
before = state()
go(cycles)
after = state()
print(json.dumps({name: after[name] - before[name] for name in before}))
"""


@pytest.mark.parametrize(("store", "cycles"), [("memory://", 60), ("lmdb", 30)])
def test_installing_again_and_again_leaks_nothing(
    tmp_path: Path, rehearsal: Rehearsal, store: str, cycles: int
) -> None:
    """Given nested sessions that each answer a call, then all they made is gone with them.

    Caches of bounded size fill up meanwhile: hence some objects, but less than one session has.
    """
    where = store if store == "memory://" else str(tmp_path / "samples")

    more = json.loads(said_by(CYCLES, where, str(cycles), rehearsal.url))

    assert (more["files"], more["threads"]) == (0, 0)
    assert more["objects"] < 10 * cycles


ORDERS = """
import builtins, importlib, sys, threading
import cachesaver

order, name, url = sys.argv[1:]
ask = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}

def post(name):
    client = importlib.import_module(name)
    if name == "httpx2":
        return client.post(url, json=ask)
    if name == "urllib3":
        return client.request("POST", url, json=ask)
    import asyncio
    async def run():
        async with client.ClientSession() as session, session.post(url, json=ask) as answer:
            await answer.read()
    asyncio.run(run())

def install():
    return cachesaver.install("a", store="memory://", quiet=True, strict=True)

if order == "before":
    importlib.import_module(name)
    session = install()
elif order == "after":
    session = install()
    assert name not in sys.modules
    importlib.import_module(name)
elif order == "in a thread":
    session = install()
    thread = threading.Thread(target=importlib.import_module, args=(name,))
    thread.start(); thread.join()
elif order == "meanwhile":
    begun, go = threading.Event(), threading.Event()
    plain = builtins.__import__
    def slow(asked, names=None, *rest, **more):
        if names is not None and names.get("__name__") == name:
            begun.set()
            assert go.wait(20)
        return plain(asked, names, *rest, **more)
    builtins.__import__ = slow
    thread = threading.Thread(target=importlib.import_module, args=(name,), daemon=True)
    thread.start()
    assert begun.wait(20)
    session = install()
    go.set(); thread.join()
post(name)
assert session.stats().requests == 1, session.stats()
session.uninstall()
post(name)
assert session.stats().requests == 1, session.stats()
print("seen")
"""


@pytest.mark.parametrize("client", ["aiohttp", "httpx2", "urllib3"])
@pytest.mark.parametrize("order", ["before", "after", "in a thread", "meanwhile"])
def test_a_client_is_seen_whenever_it_is_imported(
    rehearsal: Rehearsal, client: str, order: str
) -> None:
    assert said_by(ORDERS, order, client, f"{rehearsal.url}/v1/chat/completions") == "seen\n"


def said_by(program: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
