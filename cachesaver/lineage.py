"""Draw ids: the name of a draw that stays the same when the program is run again.

Explicit (a header or `request_id`) or causal: every execution context (task, thread, process) owns
a node, and a draw is named by its node, its fingerprint, and how many draws of that fingerprint the
node made before. A node is named by its parent and by the first question asked in it. So a draw is
named by the questions on the way to it, never by when it happened (contract.md, "Draw ids").

Bookkeeping on plain values under one lock; which context is running is handed in as a key.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections import defaultdict
from dataclasses import dataclass, field

__all__ = ["Drawn", "Node", "draw", "root"]

_LOCK = threading.Lock()


@dataclass(slots=True, eq=False)
class _Ordinals:
    """Numbers from 0, the lowest that is not in use first."""

    _next: int = 0
    _returned: list[int] = field(default_factory=list[int])

    def take(self) -> int:
        if self._returned:
            return heapq.heappop(self._returned)
        self._next += 1
        return self._next - 1

    def give_back(self, ordinal: int) -> None:
        heapq.heappush(self._returned, ordinal)


@dataclass(slots=True, eq=False)
class Node:
    """The place of one execution context in the family of all contexts of a run.

    Attributes:
        id: 32 hex digits, the same in every run of the same program.
    """

    id: str
    _draws: defaultdict[str, _Ordinals] = field(
        default_factory=lambda: defaultdict(_Ordinals), repr=False
    )
    _children: defaultdict[str, _Ordinals] = field(
        default_factory=lambda: defaultdict(_Ordinals), repr=False
    )

    def child(self, fingerprint: str) -> Node:
        """Return a new node whose first question is *fingerprint*."""
        with _LOCK:
            number = self._children[fingerprint].take()
        return Node(id=_digest("child", self.id, fingerprint, str(number)))

    def started(self, label: str, number: int) -> Node:
        """Return the node of the *number*-th *label* started from here, which has not asked yet."""
        return Node(id=_digest("started", self.id, label, str(number)))

    def take(self, key: str, count: int) -> tuple[int, ...]:
        """Take the next *count* ordinals under *key*."""
        with _LOCK:
            ordinals = self._draws[key]
            return tuple(ordinals.take() for _ in range(count))

    def give_back(self, key: str, taken: tuple[int, ...]) -> None:
        """Make the ordinals *taken* under *key* the next ones again."""
        with _LOCK:
            for ordinal in taken:
                self._draws[key].give_back(ordinal)


@dataclass(slots=True, kw_only=True, eq=False)
class Drawn:
    """The draws of one request.

    Attributes:
        ids: One draw id for each sample asked for, 64 hex digits each.
    """

    ids: tuple[str, ...]
    _node: Node = field(repr=False)
    _key: str = field(repr=False)
    _ordinals: tuple[int, ...] = field(repr=False)

    def give_back(self) -> None:
        """Undo these draws, so that a retry is the same draw again. Safe to call twice."""
        ordinals, self._ordinals = self._ordinals, ()
        self._node.give_back(self._key, ordinals)


def draw(node: Node, fingerprint: str, count: int, *, explicit: str = "") -> Drawn:
    """Name *count* draws of *fingerprint*: the next ones of *node*.

    With an id given by the caller, *explicit*, they are the next ones of that id, and *node* must
    be the root of the process: whoever calls, an explicit id means the same.
    """
    key = f"{explicit}\0{fingerprint}"
    ordinals = node.take(key, count)
    kind = ("named", node.id, explicit) if explicit else ("drawn", node.id)
    return Drawn(
        ids=tuple(_digest(*kind, fingerprint, str(n), size=32) for n in ordinals),
        _node=node,
        _key=key,
        _ordinals=ordinals,
    )


def _digest(*parts: str, size: int = 16) -> str:
    state = hashlib.blake2b(digest_size=size)
    for part in parts:
        state.update(b"%d:" % len(part) + part.encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def root(slot: str) -> Node:
    """Return the root node of a process whose place in the run is *slot*."""
    return Node(id=_digest("process", slot))
