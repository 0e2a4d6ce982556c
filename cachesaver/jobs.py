"""Telling threads, and the jobs of pools, apart by who started them and in which order.

A thread has its place from its start. A job has one from its submission, and takes it along into
whichever worker runs it: a thread, or a process, which is told the name that the place has here.
Within a process, both take along which blocks they were started in.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from cachesaver import blocks
from cachesaver.contexts import born, is_pooling, label, pooling, remember, working
from cachesaver.places import Place, outgoing
from cachesaver.transports.patches import Row, patch, patch_all

__all__ = ["POOLS", "Each", "Job", "hook"]

_ANYIO = "anyio._backends._asyncio"


def hook(module: ModuleType, gate: object = None) -> Callable[[], None]:
    """Give what *module* starts in threads and processes places; return what undoes it.

    Takes the gate that transports take, and has no use for it.
    """
    del gate
    rows = POOLS[module.__name__]
    if module.__name__ == _ANYIO and not hasattr(module, rows[0][0]):
        return patch(module, rows[0][1], _in_worker_before_4)
    return patch_all(module, rows)


class Job:
    """Calls *function* in *place*, in this process or, sent by pickle, in another."""

    __slots__ = ("function", "place", "stand")

    def __init__(self, place: Place, function: Callable[..., Any]) -> None:
        self.place = place
        self.function = function
        self.stand = blocks.here()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Do the job."""
        return self._do(self.place, *args, **kwargs)

    def _do(self, place: Place, /, *args: Any, **kwargs: Any) -> Any:
        return blocks.working(self.stand, working, place, self.function, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        place = outgoing(self.place)
        return _received, (type(self), place.fixed, place.label, self.function)


class Each(Job):
    """Calls *function* with items that come with their numbers, each a job of its own."""

    __slots__ = ()

    def __call__(self, numbered: tuple[int, Any], /, *args: Any) -> Any:
        """Do one of the jobs."""
        number, item = numbered
        return self._do(self.place.item(number).own(), item, *args)


class EachStarred(Each):
    """Likewise; an item is a sequence of arguments."""

    __slots__ = ()

    def __call__(self, numbered: tuple[int, Any], /, *args: Any) -> Any:
        """Do one of the jobs."""
        number, item = numbered
        return self._do(self.place.item(number).own(), *item, *args)


def _received(kind: type[Job], fixed: str, name: str, function: Callable[..., Any]) -> Job:
    return kind(Place(parent=None, label=name, is_ordered=True, fixed=fixed).own(), function)


_CARRIERS: Mapping[str, str] = MappingProxyType(
    {
        # The module of a function that a tracer puts around a job: the variable that holds the job.
        # https://github.com/open-telemetry/opentelemetry-python-contrib, ThreadingInstrumentor.
        # It comes around `submit` when the first tracer is made, which may be between two jobs.
        "opentelemetry.instrumentation.threading": "original_func",
    }
)


def _carried(function: object) -> object:
    """Return the job that *function*, if a tracer has put it around one, is to do."""
    variable = _CARRIERS.get(function.__module__) if isinstance(function, FunctionType) else None
    if not isinstance(function, FunctionType) or variable not in function.__code__.co_freevars:
        return function
    place = function.__code__.co_freevars.index(variable)
    return (function.__closure__ or ())[place].cell_contents


def _place(function: object, args: tuple[object, ...] = ()) -> Place:
    name, scope = label(_carried(function), args)
    return born(name, scope=scope).own()


def _sent(function: object) -> Place:
    """Return the place of a job for another process; named now, in the order of submission."""
    return outgoing(_place(function))


# --- threads


def _thread_start(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    @functools.wraps(original)
    def start(thread: threading.Thread, /) -> Any:
        # One that has an id has been started already, and will be told so.
        known = getattr(thread, "_initialized", False)  # else it says itself what is wrong
        if active() and known and thread.ident is None and not is_pooling():
            name, scope = _work_of(thread)
            remember(thread, born(name, scope=scope))
            blocks.started(thread)
        return original(thread)

    return start


def _work_of(thread: threading.Thread) -> tuple[str, str | None]:
    target = getattr(thread, "_target", None)
    if type(thread).run is threading.Thread.run and target is not None:
        return label(target, getattr(thread, "_args", ()))
    return type(thread).__qualname__, None


# --- pools of threads


def _submit(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(pool: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not active() or _is_of_interpreters(pool):
            return original(pool, fn, *args, **kwargs)
        job = Job(_place(fn, args), fn)
        with pooling():
            return original(pool, job, *args, **kwargs)

    return submit


def _is_of_interpreters(pool: object) -> bool:
    """Tell whether *pool* is one that inherits from a pool of threads, and whose jobs never meet us."""
    interpreters = sys.modules.get("concurrent.futures.interpreter")  # since Python 3.14
    return interpreters is not None and isinstance(pool, interpreters.InterpreterPoolExecutor)


def _start_soon(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """trio's, of its cache of threads."""

    @functools.wraps(original)
    def start_thread_soon(cache: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return original(cache, fn, *args, **kwargs)
        with pooling():
            return original(cache, Job(_place(fn), fn), *args, **kwargs)

    return start_thread_soon


class _Patch(classmethod):  # type: ignore[type-arg]  # not generic when it runs
    """A class method that can be referred to weakly."""


def _in_worker(original: Any, active: Callable[[], bool]) -> Any:
    """anyio's, a class method of what it runs on asyncio with."""
    function = original.__func__

    @functools.wraps(function)
    async def run_sync_in_worker_thread(kind: type, func: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return await function(kind, func, *args, **kwargs)
        return await function(kind, Job(_place(func), func), *args, **kwargs)

    return _Patch(run_sync_in_worker_thread)


def _in_worker_before_4(original: Callable[..., Any], active: Callable[[], bool]) -> Any:
    """Of anyio, where that is no class yet, but the module."""

    @functools.wraps(original)
    async def run_sync_in_worker_thread(func: Any, /, *args: Any, **kwargs: Any) -> Any:
        job = Job(_place(func), func) if active() else func
        return await original(job, *args, **kwargs)

    return run_sync_in_worker_thread


# --- pools of processes


def _submit_away(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(pool: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return original(pool, fn, *args, **kwargs)
        job = Job(_sent(fn), fn)
        with pooling():
            return original(pool, job, *args, **kwargs)

    return submit


def _map_away(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """Items travel in chunks; each is a job, whatever the size of the chunks."""

    @functools.wraps(original)
    def map_(pool: Any, fn: Any, /, *iterables: Any, **kwargs: Any) -> Any:
        if not active() or not iterables:
            return original(pool, fn, *iterables, **kwargs)
        first, *others = iterables
        each = Each(_sent(fn), fn)
        return original(pool, each, _numbered(first), *others, **kwargs)

    return map_


def _numbered(items: Iterable[Any]) -> Generator[tuple[int, Any]]:
    yield from enumerate(items)


def _pool_job(pool: Any, kind: type[Job], function: Any) -> Job:
    threads = sys.modules["multiprocessing.pool"].ThreadPool
    return kind((_place if isinstance(pool, threads) else _sent)(function), function)


def _apply(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    @functools.wraps(original)
    def apply_async(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        job = _pool_job(self, Job, func) if active() else func
        return original(self, job, *args, **kwargs)

    return apply_async


def _map_all(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """What `map`, `starmap` and their likes come down to."""

    @functools.wraps(original)
    def map_async(  # as it is called there
        self: Any, func: Any, iterable: Iterable[Any], mapper: Any, *args: Any, **kwargs: Any
    ) -> Any:
        pools = sys.modules["multiprocessing.pool"]
        if not active() or mapper not in (pools.mapstar, pools.starmapstar):
            return original(self, func, iterable, mapper, *args, **kwargs)
        kind = Each if mapper is pools.mapstar else EachStarred
        each, items = _pool_job(self, kind, func), list(enumerate(iterable))
        return original(self, each, items, pools.mapstar, *args, **kwargs)

    return map_async


def _map_lazily(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    """Its items are taken by a thread of the pool, one after the other."""

    @functools.wraps(original)
    def imap(self: Any, func: Any, iterable: Any, *args: Any, **kwargs: Any) -> Any:
        if not active():
            return original(self, func, iterable, *args, **kwargs)
        each = _pool_job(self, Each, func)
        return original(self, each, _numbered(iterable), *args, **kwargs)

    return imap


POOLS: dict[str, tuple[Row, ...]] = {
    "threading": (("Thread", "start", _thread_start),),
    "concurrent.futures.thread": (("ThreadPoolExecutor", "submit", _submit),),
    "concurrent.futures.process": (
        ("ProcessPoolExecutor", "submit", _submit_away),
        ("ProcessPoolExecutor", "map", _map_away),
    ),
    "multiprocessing.pool": (
        ("Pool", "apply_async", _apply),
        ("Pool", "_map_async", _map_all),
        ("Pool", "imap", _map_lazily),
        ("Pool", "imap_unordered", _map_lazily),
    ),
    "trio._core._thread_cache": (("ThreadCache", "start_thread_soon", _start_soon),),
    _ANYIO: (("AsyncIOBackend", "run_sync_in_worker_thread", _in_worker),),
}
"""Where each module starts what runs elsewhere: a class of its, a method, and what is laid over that."""
