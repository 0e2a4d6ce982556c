"""Which blocks the context that runs now stands in: those it entered, and those that what started it did.

A block is what a `with` statement opens and closes; whose gate it opens is `doors`' business. Where a
context stands is carried by a context variable, so that tasks inherit it; by threads from where they
were started; and by jobs from where they were submitted. Knows no gate, no session and no event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["Block", "Stand", "enter", "here", "leave", "made", "settle", "started", "working"]


_NUMBERS = count()


@dataclass(slots=True, eq=False, kw_only=True)
class Block:
    """One gate that is open, until it is closed; holds nothing else, for contexts outlive it.

    Attributes:
        is_open: Whether it is.
        is_plain: Whether nobody leaves it: it answers for all who stand where it was made.
        made_in: The blocks that stood open around it when it was made.
        number: The higher, the later it was made; if it was a plain one, entered.
    """

    is_open: bool = True
    is_plain: bool = False
    made_in: frozenset[Block] = frozenset()
    number: int = field(default_factory=_NUMBERS.__next__)

    def is_made_in(self, block: Block) -> bool:
        """Tell whether it was made inside of *block*."""
        return block in self.made_in and block.number < self.number

    def close_around(self) -> None:
        """Be a block from now on, if this is a plain one: what was made before is not in it."""
        if self.is_plain:
            self.is_plain, self.number = False, next(_NUMBERS)


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """Where a context stands: in *block*, and in what was *outer* when it entered that."""

    block: Block
    outer: Stand | None

    def __iter__(self) -> Generator[Stand]:
        """Iterate from the innermost to the outermost that is open."""
        stand: Stand | None = self
        while stand is not None:
            if stand.block.is_open:
                yield stand
            stand = stand.outer

    def is_in(self, block: Block) -> bool:
        """Tell whether who stands here stands in *block*."""
        return any(each.block is block for each in self)


_STAND: ContextVar[Stand | None] = ContextVar("cachesaver_stand", default=None)


class _Local(threading.local):
    stand: Stand | None = None
    """Where this thread stands by itself, whatever loops and contexts it runs meanwhile."""


_LOCAL = _Local()

_STARTED: WeakKeyDictionary[threading.Thread, Stand] = WeakKeyDictionary()
"""Where threads stand from their start."""


def here() -> Stand | None:
    """Return where the context that runs now stands; None: in no block that is open.

    A thread may have entered a block around what it runs in contexts that were copied before: then
    those are in it too (a loop that a test runner keeps, in a test with a cassette).
    """
    own = _open(_STAND.get())
    around = _open(_LOCAL.stand or _of_thread())
    if around is not None and (own is None or own.block.is_plain or around.is_in(own.block)):
        return around
    return own


def _of_thread() -> Stand | None:
    return _STARTED.get(threading.current_thread()) if _STARTED else None


def _open(stand: Stand | None) -> Stand | None:
    return stand if stand is None or stand.block.is_open else next(iter(stand), None)


def made(*, is_plain: bool) -> Block:
    """Return a block that is made here; nobody stands in it yet."""
    around = here() or ()
    return Block(is_plain=is_plain, made_in=frozenset(each.block for each in around))


def enter(block: Block, *, outside_loops: bool) -> None:
    """Let this context stand in *block*, and what is started here from now on.

    A plain one is entered too, once: by the context that it was made in.

    *outside_loops*: Whether no event loop runs in this thread, so that all the thread does is in it.
    """
    stand = Stand(block, here())
    _STAND.set(stand)
    if outside_loops:
        _LOCAL.stand = stand


def leave(block: Block) -> None:
    """Close *block*: nobody stands in it any more, whatever context says so, and in whatever order."""
    block.is_open = False
    # No token is kept: blocks are left in other contexts than they were entered in, and out of turn.
    if (stand := _STAND.get()) is not None:
        _STAND.set(_open(stand))
    _LOCAL.stand = _open(_LOCAL.stand)


def settle() -> None:
    """See that who copies the context of this thread stands where the thread does."""
    if (stand := here()) is not None:
        _STAND.set(stand)


def started(thread: threading.Thread) -> None:
    """Let *thread*, which has not begun to run, stand where this context does."""
    if (stand := here()) is not None:
        _STARTED[thread] = stand


def working(stand: Stand | None, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call *function* as a job that was submitted where *stand* is."""
    before, token = _LOCAL.stand, _STAND.set(stand)
    _LOCAL.stand = stand
    try:
        return function(*args, **kwargs)
    finally:
        _LOCAL.stand = before
        _STAND.reset(token)
