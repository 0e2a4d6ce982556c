"""Telling tasks apart by who started them: a place for every task, at its creation.

asyncio does not record which task created which. So the method by which every loop makes its tasks is
wrapped: the new task copies a context in which one variable of ours differs, and nothing else.
trio's nurseries likewise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any
from weakref import ref

from cachesaver.contexts import birth
from cachesaver.transports.patches import patch

__all__ = ["LOOPS", "hook"]

LOOPS = {
    "asyncio": ("BaseEventLoop", "create_task"),
    "uvloop": ("Loop", "create_task"),
    "trio": ("Nursery", "start_soon"),
}
"""Where each library makes its tasks: a class of its, and a method whose argument is what to run."""


def hook(module: ModuleType, gate: object = None) -> Callable[[], None]:
    """Give every task that *module* makes a place of its own; return what undoes it.

    Takes the gate that transports take, and has no use for it.
    """
    del gate
    kind, name = LOOPS[module.__name__]
    owner: type = getattr(module, kind)
    undo_plain = _made_own(owner, name)
    undo = patch(owner, name, _layer)

    def undo_all() -> None:
        undo()
        undo_plain()

    return undo_all


def _layer(original: Callable[..., Any], active: Callable[[], bool]) -> Callable[..., Any]:
    @functools.wraps(original)
    def make_task(maker: Any, what: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not active() or kwargs.get("context") is not None:
            # A context handed in is somebody's own; its task gets a place when it first needs one.
            return original(maker, what, *args, **kwargs)
        with birth(_label(what)) as place:
            task = original(maker, what, *args, **kwargs)
        if place.owner is None and task is not None:
            place.owner = ref(task)
        return task

    return make_task


def _label(what: object) -> str:
    return str(getattr(what, "__qualname__", "") or type(what).__qualname__)


def _made_own(owner: type, name: str) -> Callable[[], None]:
    """See that *owner* has *name* itself (uvloop's is inherited); return what undoes that."""
    if name in vars(owner):
        return lambda: None
    inherited: Callable[..., Any] = getattr(owner, name)  # of its base, compiled

    @functools.wraps(inherited)
    def plain(maker: Any, what: Any, /, *args: Any, **kwargs: Any) -> Any:
        return inherited(maker, what, *args, **kwargs)

    setattr(owner, name, plain)

    def undo() -> None:
        if vars(owner).get(name) is plain:
            delattr(owner, name)

    return undo
