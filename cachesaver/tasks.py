"""Telling tasks apart by who started them: a place for every task, at its creation.

asyncio does not record which task created which. So the method by which every loop makes its tasks is
wrapped: the new task copies a context in which one variable of ours differs, and nothing else.
trio's nurseries likewise. What is started in threads and pools is the business of `jobs`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import CoroutineType, ModuleType
from typing import Any
from weakref import ref

from cachesaver import blocks
from cachesaver.contexts import (
    Birth,
    born,
    label,
    remember,
    running,
    scope_of,
    sync_place,
)
from cachesaver.transports.patches import Row, patch_all

__all__ = ["LOOPS", "hook"]


def hook(module: ModuleType, gate: object = None) -> Callable[[], None]:
    """Give every task that *module* makes a place of its own; return what undoes it.

    Takes the gate that transports take, and has no use for it.
    """
    del gate
    return patch_all(module, LOOPS[module.__name__])


_WRITES = "ClientRequest.write_bytes"
"""aiohttp's own task, one for every request: it starts nothing and asks nothing, so it needs no place."""


_COROUTINE: Any = CoroutineType


def _is_of(package: str, coroutine: Any) -> bool:
    module: object = coroutine.cr_frame.f_globals.get("__name__")
    return str(module).partition(".")[0] == package


_MAIN = "main"
"""What a loop is started with, whatever it is."""

_NOTHING = (None, None)

_ENDING = re.compile(r"\b(shutdown_(asyncgens|default_executor)|a?close|__aexit__)$")
"""What is run as the main task is, and is in no way the program's: what a loop ends with, and what an
SDK closes its async client with when the garbage collector takes it, whenever that is (mistralai and
google-genai by `weakref.finalize`)."""


def _making(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """What makes a task of its argument, and returns it."""
    writing: object = None

    @functools.wraps(original)
    def make_task(maker: Any, /, *args: Any, **kwargs: Any) -> Any:
        nonlocal writing
        coroutine: Any = args[0] if args else kwargs.get("coro")
        if type(coroutine) is _COROUTINE and coroutine.cr_code is writing:
            return original(maker, *args, **kwargs)
        if not active():
            return original(maker, *args, **kwargs)
        name, _ = label(coroutine)
        if name == _WRITES and _is_of("aiohttp", coroutine):
            writing = coroutine.cr_code  # told by this the next time: nothing takes less
            return original(maker, *args, **kwargs)
        now = running()
        if now == _NOTHING and not _ENDING.search(name):
            name = _MAIN  # under another runner it may have another name: uvloop.run wraps it
        context = kwargs.get("context")
        if context is not None:
            # Somebody's own, as asyncio.run has one: nothing may be changed in it.
            place = born(name, scope=scope_of(context), now=now)
            task = original(maker, *args, **kwargs)
            remember(task, place)
            return task
        with Birth(name, now) as place:
            task = original(maker, *args, **kwargs)
        if task is not None:
            place.owner = ref(task)
        return task

    return make_task


def _awaiting(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """What makes a task of its argument, and waits until that has said that it runs."""

    @functools.wraps(original)
    async def start(maker: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return await original(maker, *args, **kwargs)
        with Birth(label(args[0] if args else kwargs.get("async_fn"))[0]):
            return await original(maker, *args, **kwargs)

    return start


def _calling(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """What other threads call something on the loop with, in a copy of their context."""

    @functools.wraps(original)
    def call_soon(loop: Any, /, *args: Any, **kwargs: Any) -> Any:
        if active() and kwargs.get("context") is None:
            sync_place()
            blocks.settle()
        return original(loop, *args, **kwargs)

    return call_soon


LOOPS: dict[str, tuple[Row, ...]] = {
    "asyncio": (
        ("BaseEventLoop", "create_task", _making),
        ("BaseEventLoop", "call_soon_threadsafe", _calling),
    ),
    "uvloop": (
        ("Loop", "create_task", _making),
        ("Loop", "call_soon_threadsafe", _calling),
    ),
    "trio": (
        ("Nursery", "start_soon", _making),
        ("Nursery", "start", _awaiting),
    ),
}
"""Where each library makes its tasks: a class of its, a method, and what is laid over that."""
