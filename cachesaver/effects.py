"""What the pipeline wants done outside: frozen values, carried out by an engine.

`result = yield from Effect(...)` has the type the effect promises. `run` drives steps that touch no
client and may be performed blocking or not by the same function; the engine has the async twin.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cachesaver.batching import Hand, Seat
from cachesaver.exchange import AsyncReply, Reply, Request, Response, Sample
from cachesaver.ports import Grant, KeepsErrors, Policy, Run

__all__ = [
    "Acquire",
    "Deal",
    "Effect",
    "Enlist",
    "Fill",
    "Keep",
    "Leave",
    "Look",
    "Poll",
    "Read",
    "Release",
    "Send",
    "Steps",
    "Together",
    "Wait",
]

T = TypeVar("T")
Steps = Generator["Effect[Any]", Any, T]
"""A computation that yields effects, is sent their results, and returns a T."""


class Effect(Generic[T]):
    """Something to be done outside."""

    __slots__ = ()

    def __iter__(self) -> Generator[Effect[Any], T, T]:
        """Ask for it and give its result."""
        return (yield self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire(Effect[tuple[Grant, ...]]):
    """Assign an index to each draw (`Store.acquire`)."""

    run: Run
    fingerprint: str
    draws: Sequence[str]
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlist(Effect[tuple[Seat, ...]]):
    """Sit down at the desk (`batching.Desk`) until there is something new for *seat*.

    Gives the seats of a batch that this one is to deal, or none where *seat* was dealt its hand.
    """

    fingerprint: str
    key: Hashable
    seat: Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal(Effect[tuple[Hand, ...]]):
    """Give *seats* their hands, or tell them of *error*; gives the hands that nobody took."""

    fingerprint: str
    seats: tuple[Seat, ...]
    hands: tuple[Hand, ...] = ()
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Effect["Hand | None"]):
    """Get up from *seat*; gives what it had been dealt already."""

    seat: Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Together(Effect[tuple[Any, ...]]):
    """Carry out several steps at the same time where that can be; gives their results in order.

    What one of them raises is raised when all have come to an end.
    """

    parts: tuple[Steps[Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Effect[bool]):
    """Wait until a slot in flight may have changed; False when it is not worth waiting for here.

    Attributes:
        turn: How often this slot has been waited for, from 0.
    """

    fingerprint: str
    index: int
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll(Effect[Grant]):
    """Ask again for a slot that was in flight (`Store.poll`)."""

    run: Run
    fingerprint: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Effect["Reply | AsyncReply"]):
    """Send a request for *count* samples for real; the reply's body is still on its way."""

    request: Request
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Effect[Response]):
    """Read a reply to its end and give its connection back."""

    reply: Reply | AsyncReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill(Effect[Sample]):
    """Store a sample; done once it is on disk, and gives what the slot holds (`Store.fill`)."""

    run: Run
    fingerprint: str
    index: int
    token: str
    sample: Sample
    question: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Effect[None]):
    """Keep an error of the provider (`KeepsErrors.note`); done once it is on disk."""

    notes: KeepsErrors
    fingerprint: str
    sample: Sample
    question: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Effect[tuple[Grant, ...]]):
    """Look for sample 0 of each fingerprint (`Store.look`). *run*: in whose name leases are held."""

    run: Run
    fingerprints: Sequence[str]
    leads: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Effect[tuple[Sample, ...]]):
    """Carry out several fills at the same time; gives what each slot holds, once all are on disk."""

    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Effect[None]):
    """Give up a lease (`Store.release`); with *keeps*, the draw keeps its index."""

    run: Run
    fingerprint: str
    index: int
    token: str
    keeps: bool = False
