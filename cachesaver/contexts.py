"""Which execution context runs now, and what holds in it: namespace, request id, node, guard.

Context variables carry what a user sets (`namespace`, `request_id`); the node of a task or thread
hangs beside them. Knows asyncio and trio only if the program has imported them.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType

from cachesaver.lineage import Drawn, Node, draw, root

__all__ = ["NAMESPACE", "REQUEST_ID", "Family", "current_context", "inside", "is_inside"]

NAMESPACE: ContextVar[str | None] = ContextVar("cachesaver_namespace", default=None)
REQUEST_ID: ContextVar[str] = ContextVar("cachesaver_request_id", default="")
_INSIDE: ContextVar[bool] = ContextVar("cachesaver_inside", default=False)


def current_context() -> object:
    """Return the task that runs now, or else the thread."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        with contextlib.suppress(RuntimeError):  # no running loop
            if (task := asyncio.current_task()) is not None:
                return task
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return trio.lowlevel.current_task()
    return threading.current_thread()


def is_inside() -> bool:
    """Tell whether a send of ours is under way in this context."""
    return _INSIDE.get()


@contextlib.contextmanager
def inside() -> Generator[None]:
    """Mark this context as sending for us, so that hooks further down let the request through."""
    token = _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.reset(token)


_NODES: ContextVar[Mapping[Family, Node]] = ContextVar(
    "cachesaver_nodes",
    default=MappingProxyType({}),  # read-only
)


@dataclass(slots=True, eq=False)
class Family:
    """All nodes of one run in this process.

    Attributes:
        slot: The place of this process in the run, the same when the program is run again.
    """

    slot: str
    _root: Node = field(init=False)

    def __post_init__(self) -> None:
        """Hang everything under the process."""
        self._root = root(self.slot)

    def draw(self, fingerprint: str, count: int) -> Drawn:
        """Name *count* draws of *fingerprint* made by the context that runs now."""
        if explicit := REQUEST_ID.get():
            return self.named(explicit, fingerprint, count)
        return draw(self._node(fingerprint), fingerprint, count)

    def named(self, explicit: str, fingerprint: str, count: int) -> Drawn:
        """Name *count* draws under the id that the caller gave."""
        return draw(self._root, fingerprint, count, explicit=explicit)

    def _node(self, fingerprint: str) -> Node:
        nodes = _NODES.get()
        inherited = nodes.get(self)
        context = current_context()
        if inherited is None:
            inherited = self._root
        elif inherited.owner is not None and inherited.owner() is context:
            return inherited
        node = inherited.child(fingerprint, context)
        _NODES.set(MappingProxyType({**nodes, self: node}))
        return node
