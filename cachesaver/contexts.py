"""Which execution context runs now, and what holds in it: namespace, request id, place, guard.

Context variables carry what a user sets (`namespace`, `request_id`); the place of a task, thread or
job hangs beside them. Knows asyncio and trio only if the program has imported them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextvars import Context, ContextVar
from types import CoroutineType
from typing import Any
from weakref import WeakKeyDictionary, ref

from cachesaver import locks, places
from cachesaver.errors import ConfigurationError
from cachesaver.lineage import Drawn, draw
from cachesaver.places import Epoch, Kin, Place, epoch

__all__ = [
    "DRAWS",
    "NAMESPACE",
    "REPLICATE",
    "REQUEST_ID",
    "Birth",
    "Epoch",
    "Family",
    "Place",
    "born",
    "checked_replicate",
    "current_context",
    "epoch",
    "here",
    "inside",
    "is_inside",
    "is_outside_loops",
    "is_pooling",
    "label",
    "pooling",
    "remember",
    "running",
    "scope_of",
    "sync_place",
    "working",
]

NAMESPACE: ContextVar[str | None] = ContextVar("cachesaver_namespace", default=None)
REPLICATE: ContextVar[int | None] = ContextVar("cachesaver_replicate", default=None)
REQUEST_ID: ContextVar[str] = ContextVar("cachesaver_request_id", default="")
DRAWS: ContextVar[tuple[str, ...]] = ContextVar("cachesaver_draws", default=())
"""Draw ids of one call that another process of the run has named."""
_INSIDE: ContextVar[bool] = ContextVar("cachesaver_inside", default=False)


def checked_replicate(given: object) -> int:
    """Return *given* if it can be the number of a replicate.

    Raises:
        ConfigurationError: It cannot.
    """
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise ConfigurationError(
            f"replicate must be a whole number from 0, as in replicate=3, not {given!r}"
        )
    return given


def current_context() -> object:
    """Return the task that runs now, or else the thread."""
    task = _current_task()
    return threading.current_thread() if task is None else task


def _current_task() -> object:
    return running()[0]


def running() -> tuple[object, object]:
    """Return the task that runs now and the asyncio loop; None for what does not."""
    loop = _running_loop()
    if loop is not None and (task := sys.modules["asyncio"].current_task(loop)) is not None:
        return task, loop
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)  # trio may be just being imported
    if lowlevel is not None and lowlevel.in_trio_task():
        return lowlevel.current_task(), loop
    return None, loop


def _running_loop() -> object:
    """Return the asyncio loop that runs in this thread, whether a task of it runs now or a callback."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        # Asking for the loop costs a tenth of the error that asking for the task would raise.
        return asyncio._get_running_loop()  # noqa: SLF001  # public to those who implement loops
    except AttributeError:  # asyncio is just being imported
        return None


is_inside: Callable[[], bool] = _INSIDE.get
"""Tells whether a send of ours is under way in this context. Every call of the process asks."""


@contextlib.contextmanager
def inside() -> Generator[None]:
    """Mark this context as sending for us, so that hooks further down let the request through."""
    token = _INSIDE.set(True)
    try:
        yield
    finally:
        # Where a coroutine is closed from another context, there is nothing to undo in that one.
        with contextlib.suppress(ValueError):
            _INSIDE.reset(token)


# --- the place of what runs now


class _Local(threading.local):
    job: Place | None = None
    """The place of the job that this thread, of a pool, works on."""
    is_pooling: bool = False
    """Whether this thread is handing a job to a pool, which may start threads of its own for it."""


_LOCAL = _Local()

_PLACE: ContextVar[Place | None] = ContextVar("cachesaver_place", default=None)
_ASKED: ContextVar[tuple[Place | None, frozenset[Kin]]] = ContextVar(
    "cachesaver_asked", default=(None, frozenset())
)
"""A place, and the families it had asked in when this context was copied."""

_KNOWN: WeakKeyDictionary[object, Place] = WeakKeyDictionary()
"""Places of threads, and of tasks that run in a context which is not theirs alone."""


def here() -> Place:
    """Return the place of the task, job or thread that runs now."""
    return _here(running()[0])


def _here(task: object) -> Place:
    place = _PLACE.get()
    context = task
    if context is None:
        context = _LOCAL.job or threading.current_thread()
    if place is not None and place.owner is not None and place.owner() is context:
        return place
    place = _found(place, context)
    _PLACE.set(place)
    return place


def _found(inherited: Place | None, context: object) -> Place:
    """Return the place of *context*, which runs now for the first time with what it *inherited*."""
    if isinstance(context, (threading.Thread, Place)):
        mine = _of_thread()
        # A callback of a loop runs on behalf of who asked for it, not of the thread. So does what
        # a thread nobody saw started does in somebody's context.
        if inherited is None or not (mine.is_thread or _running_loop() is not None):
            return mine
        found = _below(inherited, "thread")
    else:
        known = _KNOWN.get(context)
        if known is not None:
            return known
        if inherited is not None and inherited.owner is None:
            found = inherited  # it was born for a task, which is this one
        elif inherited is None or inherited.is_thread:
            mine = _of_thread()
            # Of a thread that nobody saw start, it is all that is known, and has a name by itself.
            found = Place(parent=None, label="task") if mine.is_thread else _below(mine, "task")
        else:
            found = _below(inherited, "task")
    found.owner = ref(context)
    return found


def _of_thread() -> Place:
    """Return the place of the job that this thread works on, or else that of the thread."""
    if _LOCAL.job is not None:
        return _LOCAL.job
    thread = threading.current_thread()
    place = _KNOWN.get(thread)
    if place is not None:
        return place
    if thread is threading.main_thread():
        place = Place(parent=None, label="main thread", is_ordered=True, is_thread=True)
        remember(thread, place)
        return place
    # Nobody saw it start. Its number would tell in which order threads came up; its name who it is.
    name = "".join(each for each in thread.name if not each.isdigit())
    return Place(parent=None, label=f"thread {name}", is_thread=True, owner=ref(thread))


def _below(inherited: Place, label: str) -> Place:
    asking, since = _ASKED.get()
    return inherited.below(label, since=since if asking is inherited else frozenset())


# --- the place of what is started now


def born(name: str, *, scope: str | None, now: tuple[object, object] | None = None) -> Place:
    """Return the place of what is started now, and is to draw in the namespace *scope* (None: any).

    *now* is what `running` tells, for who has asked already.
    """
    task, loop = now or running()
    if task is None and loop is not None:
        # Callbacks come in the order of events: their number tells nothing.
        return (_PLACE.get() or here()).born(name, scope=scope, is_ordered=False)
    return _here(task).born(name, scope=scope, is_ordered=True)


class Birth:
    """A block in which a task that is created, and copies this context, has a place of its own.

    Not made of a generator, for every task of a program comes past here.
    """

    __slots__ = ("_name", "_now", "_token")

    def __init__(self, name: str, now: tuple[object, object] | None = None) -> None:
        self._name, self._now = name, now

    def __enter__(self) -> Place:
        scope = _scope(NAMESPACE.get(), REPLICATE.get())
        place = born(self._name, scope=scope, now=self._now)
        self._token = _PLACE.set(place)
        return place

    def __exit__(self, *failure: object) -> None:
        # The block may be an `await` that is closed from another context.
        with contextlib.suppress(ValueError):
            _PLACE.reset(self._token)


def remember(context: object, place: Place) -> None:
    """Let *place* be that of *context*, a thread or a task that has not begun to run."""
    _KNOWN[context] = place
    place.owner = ref(context)


def working(place: Place, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call *function* as the job that *place* is that of."""
    before = (_LOCAL.job, _LOCAL.is_pooling)
    token = _PLACE.set(place)  # for a loop, or a thread with this context, that is started there
    _LOCAL.job, _LOCAL.is_pooling = place, False
    try:
        return function(*args, **kwargs)
    finally:
        _LOCAL.job, _LOCAL.is_pooling = before
        _PLACE.reset(token)


@contextlib.contextmanager
def pooling() -> Generator[None]:
    """Hand a job to a pool: threads that are started in this block are the pool's, not the job's."""
    before, _LOCAL.is_pooling = _LOCAL.is_pooling, True
    try:
        yield
    finally:
        _LOCAL.is_pooling = before


def is_pooling() -> bool:
    """Tell whether a job is being handed to a pool in this thread."""
    return _LOCAL.is_pooling


def is_outside_loops() -> bool:
    """Tell whether no event loop runs in this thread."""
    return running() == (None, None)


def sync_place() -> None:
    """See that who copies this context, in a thread, copies the right place with it."""
    if is_outside_loops():
        here()


def label(function: object, args: tuple[object, ...] = ()) -> tuple[str, str | None]:
    """Return what to call a job that calls *function*, and the namespace that it carries with it."""
    if type(function) is CoroutineType:  # as nearly always: every task comes past here
        return function.__qualname__, None
    while isinstance(function, functools.partial):
        args, function = (*function.args, *args), function.func
    try:
        context = getattr(function, "__self__", None)
        name = getattr(function, "__qualname__", "") or type(function).__qualname__
    except Exception:  # noqa: BLE001  # a proxy of nothing raises whatever it likes, at its call
        return type(function).__qualname__, None
    if isinstance(context, Context) and args:
        return label(args[0], args[1:])[0], scope_of(context)  # asyncio.to_thread and its like
    return str(name), None


def scope_of(context: Mapping[ContextVar[Any], Any]) -> str | None:
    """Return what tells apart the namespaces and replicates that are set in *context*; None: none."""
    return _scope(context.get(NAMESPACE), context.get(REPLICATE))


def _scope(namespace: str | None, replicate: int | None) -> str | None:
    return namespace if replicate is None else f"{namespace or ''}\0{replicate}"


class Family(Kin):
    """All nodes of one run in this process, and its draws."""

    __slots__ = ()

    def draw(self, fingerprint: str, count: int) -> Drawn:
        """Name *count* draws of *fingerprint* made by the context that runs now."""
        if len(named := DRAWS.get()) == count:
            # To give them back is for who named them.
            return Drawn(ids=named)
        if explicit := REQUEST_ID.get():
            return self.named(explicit, fingerprint, count)
        place = here()
        node = place.nodes.get(self)
        if node is None:
            node = place.asking(self, fingerprint)
            _ASKED.set((place, frozenset(list(place.nodes))))
        return draw(node, fingerprint, count, taker=place.owner and place.owner())

    def named(self, explicit: str, fingerprint: str, count: int) -> Drawn:
        """Name *count* draws under the id that the caller gave."""
        taker = _current_task() or _LOCAL.job or threading.current_thread()
        return draw(self.root, fingerprint, count, explicit=explicit, taker=taker)


def _in_child() -> None:
    locks.forked()
    places.forked()
    _LOCAL.is_pooling = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
