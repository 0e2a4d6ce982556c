"""Which execution context runs now, and what holds in it: namespace, request id, node, guard.

Context variables carry what a user sets (`namespace`, `request_id`); the node of a task or thread
hangs beside them. Knows asyncio and trio only if the program has imported them.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from weakref import ref

from cachesaver.errors import ConfigurationError
from cachesaver.lineage import Drawn, Node, draw, root

__all__ = [
    "NAMESPACE",
    "REPLICATE",
    "REQUEST_ID",
    "Epoch",
    "Family",
    "Place",
    "birth",
    "checked_replicate",
    "current_context",
    "here",
    "inside",
    "is_inside",
]

NAMESPACE: ContextVar[str | None] = ContextVar("cachesaver_namespace", default=None)
REPLICATE: ContextVar[int | None] = ContextVar("cachesaver_replicate", default=None)
REQUEST_ID: ContextVar[str] = ContextVar("cachesaver_request_id", default="")
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
        # Where a coroutine is closed from another context, there is nothing to undo in that one.
        with contextlib.suppress(ValueError):
            _INSIDE.reset(token)


@dataclass(slots=True, eq=False)
class Place:
    """Where a task or thread stands among those that led to it, whether it draws itself or not.

    Attributes:
        parent: The place it was started from; None for what inherited nothing.
        label: What runs there, such as the name of a coroutine.
        number: Which of those with this label it is that its parent started in one namespace and
            session, from 0; None where nobody has seen it started.
        owner: The task or thread; None until it is known.
        depth: How many places lie above.
        since: The families in which its parent had asked by the time this was started. In the
            others the parent is known by its own start, whether it asks later or not: who comes
            first must not change what anybody is called.
        nodes: What it is called in each family that asked here.
        unasked: What it is called, in each family, by those that were started before it asked.
    """

    parent: Place | None
    label: str
    number: int | None = None
    owner: ref[object] | None = None
    depth: int = 0
    since: frozenset[Family] = frozenset()
    _started: Counter[object] = field(default_factory=Counter[object], repr=False)
    nodes: dict[Family, Node] = field(default_factory=dict["Family", Node], repr=False)
    unasked: dict[Family, Node] = field(default_factory=dict["Family", Node], repr=False)

    def born(self, label: str) -> Place:
        """Return the place of a task that is being started from here."""
        # A program may do one thing in two namespaces, replicates or sessions: each counts for itself.
        scope = (label, NAMESPACE.get(), REPLICATE.get(), epoch.now)
        number = self._started[scope]
        self._started[scope] += 1
        return self.below(label, number, since=frozenset(list(self.nodes)))

    def below(self, label: str, number: int | None = None, *, since: frozenset[Family]) -> Place:
        """Return the place of what is found to run below.

        Chains are cut at a depth that no program reaches by nesting: a task that for ever starts
        its own successor must not keep all its ancestors.
        """
        if self.depth < _DEEPEST:
            depth = self.depth + 1
            return Place(parent=self, label=label, number=number, depth=depth, since=since)
        return Place(parent=self.parent, label=label, depth=self.depth, since=self.since)

    def asking(self, family: Family, fingerprint: str) -> Node:
        """Return the node of this place, which has a question to ask."""
        if family not in self.nodes:
            for known in (self.nodes, self.unasked):
                for ended in [each for each in list(known) if each.is_over]:
                    known.pop(ended, None)
            self.nodes[family] = self._above(family).child(fingerprint)
            _ASKED.set((self, frozenset(list(self.nodes))))
        return self.nodes[family]

    def _above(self, family: Family) -> Node:
        """Return the node of the parent: one that had not asked by then is known by its start."""
        unnamed, place, node = list[Place](), self, None
        while node is None:
            if place.parent is None:
                node = family.root
                break
            known = place.parent.nodes if family in place.since else place.parent.unasked
            node, place = known.get(family), place.parent
            if node is None:
                unnamed.append(place)
        for each in reversed(unnamed):
            number = each.number
            node = node.child(each.label) if number is None else node.started(each.label, number)
            each.unasked[family] = node
        return node


_DEEPEST = 200


@dataclass(slots=True)
class Epoch:
    """Counts how often the session that answers has changed."""

    now: int = 0


epoch = Epoch()

_PLACE: ContextVar[Place | None] = ContextVar("cachesaver_place", default=None)
_ASKED: ContextVar[tuple[Place | None, frozenset[Family]]] = ContextVar(
    "cachesaver_asked", default=(None, frozenset())
)
"""A place, and the families it had asked in when this context was copied."""


def here() -> Place:
    """Return the place of the task or thread that runs now."""
    context = current_context()
    place = _PLACE.get()
    if place is not None and place.owner is not None and place.owner() is context:
        return place
    threaded = isinstance(context, threading.Thread)
    if place is None or place.owner is not None or threaded:
        place = _started_from(place, _THREAD if threaded else "task")
        _PLACE.set(place)
    # else: it was born for a task, which is this one
    place.owner = ref(context)
    return place


def _started_from(inherited: Place | None, label: str, *, born: bool = False) -> Place:
    """Return a new place below the one that was inherited.

    Not below a thread that inherited nothing itself: whether such a thread asked before it ran a
    loop must not change what the loop's tasks are called.
    """
    if inherited is None or (inherited.parent is None and inherited.label == _THREAD):
        return Place(parent=None, label=label)
    if born:
        return inherited.born(label)
    asking, since = _ASKED.get()
    return inherited.below(label, since=since if asking is inherited else frozenset())


_THREAD = "thread"


@contextlib.contextmanager
def birth(label: str) -> Generator[Place]:
    """Let a task that is created in this block, and copies this context, have a place of its own."""
    outside = isinstance(current_context(), threading.Thread)
    place = _started_from(_PLACE.get() if outside else here(), label, born=True)
    token = _PLACE.set(place)
    try:
        yield place
    finally:
        _PLACE.reset(token)


@dataclass(slots=True, eq=False)
class Family:
    """All nodes of one run in this process.

    Attributes:
        slot: The place of this process in the run, the same when the program is run again.
        root: The node above all others.
        is_over: Whether the run has ended, so that places need not know their names in it any more.
    """

    slot: str
    is_over: bool = False
    root: Node = field(init=False)

    def __post_init__(self) -> None:
        """Hang everything under the process."""
        self.root = root(self.slot)

    def draw(self, fingerprint: str, count: int) -> Drawn:
        """Name *count* draws of *fingerprint* made by the context that runs now."""
        if explicit := REQUEST_ID.get():
            return self.named(explicit, fingerprint, count)
        return draw(here().asking(self, fingerprint), fingerprint, count)

    def named(self, explicit: str, fingerprint: str, count: int) -> Drawn:
        """Name *count* draws under the id that the caller gave."""
        return draw(self.root, fingerprint, count, explicit=explicit)
