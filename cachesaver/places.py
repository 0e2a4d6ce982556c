"""The tree of what a program starts: a place for every task, thread and job, and what it is called.

Bookkeeping on plain values. Which of them runs now, and how it is found out, is `contexts`' business.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from weakref import ref

from cachesaver.lineage import Node, root

__all__ = ["Counted", "Epoch", "Kin", "Place", "epoch", "forked", "outgoing"]

_DEEPEST = 200

_BASE = "the block"
"""What the base of a run is called; nothing that a program starts is called so."""

_lock = threading.RLock()
"""Several threads may start something from one place. Reentrant, because a signal handler may, too."""


@dataclass(slots=True, eq=False)
class Kin:
    """All nodes of one run in this process.

    Attributes:
        slot: The place of this process in the run, the same when the program is run again.
        root: The node above all others.
        is_over: Whether the run has ended, so that places need not know their names in it any more.
        base: The place that everything in the run was begun from; None: the process.
        run: Its id.
    """

    slot: str
    is_over: bool = False
    base: ref[Place] | None = None
    run: str = ""
    root: Node = field(init=False)

    def __post_init__(self) -> None:
        """Hang everything under the process."""
        self.root = root(self.slot)

    def begins_at(self, place: Place) -> bool:
        """Tell whether what led to *place* is of no account here: that was before the run."""
        return self.base is not None and self.base() is place


@dataclass(slots=True)
class Counted:
    """The run that what is started is counted in.

    Attributes:
        now: The run of the session that answers; empty without one.
        slot: Tells the place of this process in the run `now`.
        base: See `Kin.base`.
    """

    now: str = ""
    slot: Callable[[], str] = str
    base: ref[Place] | None = None


@dataclass(slots=True)
class Epoch(Counted):
    """The run that what is started now is counted in.

    Attributes:
        whose: Tells the same of the context that runs now, while that makes a difference.
        lasting: The runs that may come to be `now` again.
        forks: How many forks lie between the first process and this one: a child counts anew.
    """

    whose: Callable[[], Counted] | None = None
    lasting: frozenset[str] = frozenset()
    forks: int = 0

    @property
    def here(self) -> Counted:
        """The run for the context that runs now."""
        return self if self.whose is None else self.whose()


epoch = Epoch()

_NOBODY: frozenset[Kin] = frozenset()

_Count = Counter[tuple[str, str | None]]


def _no_counts() -> dict[tuple[str, int], _Count]:
    return {}  # a tenth of what calling the type takes


def _no_nodes() -> dict[Kin, Node]:
    return {}


@dataclass(slots=True, eq=False, weakref_slot=True)
class Place:
    """Where a task, thread or job stands among those that led to it, whether it draws or not.

    Attributes:
        parent: The place it was started from; None for what nobody saw started, and for a job that
            came from another process.
        label: What runs there, such as the name of a coroutine.
        number: Which of those with this label it is that its parent started in one namespace and
            run, from 0; None where nobody has seen it started.
        is_ordered: Whether *number* comes from the order of the program, not from the order in
            which things happened to it: then it tells siblings apart that ask the same first.
        is_thread: Whether this is a thread that nobody saw started, such as the main thread.
        counted: The run in which *number* was counted; None where that does not matter.
        fixed: What a job is called in every family, as told by the process that submitted it.
        owner: The task, the thread, or (of a job) the place itself; None until it is known.
        depth: How many places lie above.
        age: The lower, the earlier it was started; of this process only.
        since: The families in which its parent had asked by the time this was started. In the
            others the parent is known by its own start, whether it asks later or not: who comes
            first must not change what anybody is called.
        nodes: What it is called in each family that it asked in.
        unasked: What it is called, in each family, by those that were started before it asked.
    """

    parent: Place | None
    label: str
    number: int | None = None
    is_ordered: bool = False
    is_thread: bool = False
    fixed: str = ""
    counted: str | None = None
    owner: ref[object] | None = None
    depth: int = 0
    age: int = field(default_factory=count().__next__)
    since: frozenset[Kin] = frozenset()
    _started: dict[tuple[str, int], _Count] = field(default_factory=_no_counts, repr=False)
    nodes: dict[Kin, Node] = field(default_factory=_no_nodes, repr=False)
    unasked: dict[Kin, Node] = field(default_factory=_no_nodes, repr=False)

    def born(self, label: str, *, scope: str | None, is_ordered: bool) -> Place:
        """Return the place of what is being started from here, to draw in the namespace *scope*."""
        with _lock:
            # A program may do one thing in two namespaces, or runs: each counts for itself.
            counts, key = self._counts(), (label, scope)
            number = counts.get(key, 0)
            counts[key] = number + 1
        since = frozenset(list(self.nodes)) if self.nodes else _NOBODY
        if self.depth >= _DEEPEST:
            return self.below(label, since=since)
        return Place(
            parent=self,
            label=label,
            number=number,
            is_ordered=is_ordered,
            counted=epoch.here.now,
            depth=self.depth + 1,
            since=_NOBODY if self.is_thread else since,  # as `below` has it
        )

    def _counts(self) -> _Count:
        key = (epoch.here.now, epoch.forks)
        if key not in self._started:
            for run, forks in list(self._started):
                if run not in epoch.lasting or forks != epoch.forks:
                    del self._started[run, forks]
            self._started[key] = Counter()
        return self._started[key]

    def below(self, label: str, *, since: frozenset[Kin]) -> Place:
        """Return the place of what is found to run below.

        Chains are cut at a depth that no program reaches by nesting: a task that for ever starts
        its own successor must not keep all its ancestors.
        """
        if self.depth >= _DEEPEST:
            return Place(parent=self.parent, label=label, depth=self.depth, since=self.since)
        # Whether a thread has asked before it ran a loop, or filled a pool, must change no name there.
        since = _NOBODY if self.is_thread else since
        return Place(parent=self, label=label, depth=self.depth + 1, since=since)

    def item(self, number: int) -> Place:
        """Return the place of the *number*-th item of a job that is applied to many."""
        return Place(
            parent=self, label="item", number=number, is_ordered=True, depth=self.depth + 1
        )

    def asking(self, family: Kin, fingerprint: str) -> Node:
        """Return the node of this place, which has a question to ask."""
        node = self.nodes.get(family)
        if node is None:
            with _lock:
                self._forget()
                node = self.nodes[family] = self._named(family, fingerprint)
        return node

    def _forget(self) -> None:
        for known in (self.nodes, self.unasked):
            for ended in [each for each in known if each.is_over]:
                del known[ended]

    def _named(self, family: Kin, fingerprint: str) -> Node:
        if self.is_ordered or family.begins_at(self):
            return self.begun(family).child(f"asks {fingerprint}")
        return self._above(family).child(fingerprint)

    def _above(self, family: Kin) -> Node:
        """Return the node that this place hangs under."""
        if self.parent is None:
            return family.root
        asked = self.parent.nodes.get(family) if family in self.since else None
        return self.parent.begun(family) if asked is None else asked

    def begun(self, family: Kin) -> Node:
        """Return what this place is called by its start alone."""
        with _lock:
            unnamed, place = list[Place](), self
            while family not in place.unasked:
                unnamed.append(place)
                if place.parent is None or family.begins_at(place):
                    break
                if family in place.since and family in place.parent.nodes:
                    break
                place = place.parent
            for each in reversed(unnamed):
                each._forget()  # noqa: SLF001  # of this class
                each.unasked[family] = each._begun_below(family)  # noqa: SLF001  # of this class
            return self.unasked[family]

    def _begun_below(self, family: Kin) -> Node:
        """Return what this place is called by its start, those above having their names."""
        if family.begins_at(self):
            return family.root.started(_BASE, 0)
        if self.fixed:
            return Node(id=self.fixed)
        if self.parent is None and self.is_ordered:
            return family.root
        above = self._above(family)
        if self.number is None:
            return above.child(self.label)
        if self.counted is not None and self.counted != family.run:
            # Its number is of another run: here one that was started in this run may have it as well.
            return above.child(f"{self.label}\0{self.number}")
        return above.started(self.label, self.number)

    def own(self) -> Place:
        """Return this place as that of a job, which is its own owner."""
        self.owner = ref(self)
        return self


_kin: dict[str, Kin] = {}
"""By run: the family in which jobs for other processes are named."""


def outgoing(place: Place) -> Place:
    """Return the place of a job for another process, by the name that *place* has in this one."""
    if place.fixed:
        return place
    with _lock:
        here = epoch.here
        for run in [each for each in _kin if each != here.now and each not in epoch.lasting]:
            _kin.pop(run).is_over = True
        if here.now not in _kin:
            _kin[here.now] = Kin(here.slot(), base=here.base, run=here.now)
        name = place.begun(_kin[here.now]).id
    return Place(parent=None, label=place.label, is_ordered=True, fixed=name).own()


def forked() -> None:
    """Count anew: this is the child, and its parent's threads are not here."""
    global _lock  # noqa: PLW0603  # the parent's may be held by a thread that is not here
    _lock = threading.RLock()
    _kin.clear()
    epoch.forks += 1
