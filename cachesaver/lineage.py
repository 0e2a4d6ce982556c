"""Draw ids: the name of a draw that stays the same when the program is run again.

Explicit (a header or `request_id`) or causal: every execution context (task, thread, process) owns
a node, and a draw is named by its node, its fingerprint, and how many draws of that fingerprint the
node made before. A node is named by its parent, by what was started there and by the first question
asked in it. So a draw is named by what led to it, never by when it happened (contract.md, "Draw ids").

Bookkeeping on plain values under one lock; which context is running is handed in as a key.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from weakref import ref

from cachesaver.locks import Lock, when_free

__all__ = ["Drawn", "Node", "draw", "root"]

_lock = Lock()


@dataclass(slots=True, eq=False)
class _Ordinals:
    """Numbers from 0, the lowest that is not in use first.

    One that was given back is its taker's for as long as that one lives: a retry is the same draw,
    even when somebody else has drawn in between.
    """

    _next: int = 0
    _returned: dict[int, ref[object] | None] = field(
        default_factory=dict[int, "ref[object] | None"]
    )

    def take(self, taker: object) -> int:
        for ordinal in sorted(self._returned) if self._returned else ():
            if _may_take(taker, self._returned[ordinal]):
                del self._returned[ordinal]
                return ordinal
        self._next += 1
        return self._next - 1

    def give_back(self, ordinal: int, taker: ref[object] | None) -> None:
        self._returned[ordinal] = taker


def _may_take(taker: object, reserved: ref[object] | None) -> bool:
    owner = None if reserved is None else reserved()
    if owner is None or owner is taker:
        return True
    is_done: object = getattr(owner, "done", None)  # a task: others may hold it when it has ended
    return callable(is_done) and bool(is_done())


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
        with _lock:
            number = self._children[fingerprint].take(None)
        return Node(id=_digest("child", self.id, fingerprint, str(number)))

    def started(self, label: str, number: int) -> Node:
        """Return the node of the *number*-th *label* started from here, which has not asked yet."""
        return Node(id=_digest("started", self.id, label, str(number)))

    def take(self, key: str, count: int, taker: object = None) -> tuple[int, ...]:
        """Take the next *count* ordinals under *key* for *taker*."""
        with _lock:
            ordinals = self._draws[key]
            return tuple([ordinals.take(taker) for _ in range(count)])

    def give_back(self, key: str, taken: tuple[int, ...], taker: ref[object] | None = None) -> None:
        """Make the ordinals *taken* under *key* the next ones of *taker* again; None: of anybody."""
        with _lock:
            for ordinal in taken:
                self._draws[key].give_back(ordinal, taker)


@dataclass(slots=True, kw_only=True, eq=False)
class Drawn:
    """The draws of one request; none, unless they are named.

    Attributes:
        ids: One draw id for each sample asked for, 64 hex digits each.
    """

    ids: tuple[str, ...] = ()
    _node: Node = field(repr=False, default_factory=lambda: Node(id=""))
    _key: str = field(repr=False, default="")
    _ordinals: tuple[int, ...] = field(repr=False, default=())
    _taker: ref[object] | None = field(default=None, repr=False)

    def give_back(self) -> None:
        """Undo these draws, so that a retry is the same draw again. Safe to call twice."""
        ordinals, self._ordinals = self._ordinals, ()
        when_free(lambda: self._node.give_back(self._key, ordinals, self._taker))


def draw(
    node: Node, fingerprint: str, count: int, *, explicit: str = "", taker: object = None
) -> Drawn:
    """Name *count* draws of *fingerprint*: the next ones of *node*.

    With an id given by the caller, *explicit*, they are the next ones of that id, and *node* must
    be the root of the process: whoever calls, an explicit id means the same.

    *taker* is the task or thread that draws: what it gives back, it gets again.
    """
    key = f"{explicit}\0{fingerprint}"
    ordinals = node.take(key, count, taker)
    kind = ("named", node.id, explicit) if explicit else ("drawn", node.id)
    told = _told(*kind, fingerprint)
    return Drawn(
        ids=tuple([_hashed(told + _told(str(n)), size=32) for n in ordinals]),
        _node=node,
        _key=key,
        _ordinals=ordinals,
        _taker=None if taker is None else ref(taker),
    )


def _digest(*parts: str) -> str:
    return _hashed(_told(*parts), size=16)


def _told(*parts: str) -> str:
    return "".join([f"{len(part)}:{part}" for part in parts])


def _hashed(told: str, *, size: int) -> str:
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def root(slot: str) -> Node:
    """Return the root node of a process whose place in the run is *slot*."""
    return Node(id=_digest("process", slot))
