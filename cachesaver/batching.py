"""Batch, reorder, deduplicate: which draws of one question are bought together, and by whom.

Those who ask one question within one window sit down at one desk. Whoever sat down first closes the
batch when the window ends, has the indexes of all assigned in order of age, and deals: each seat
gets its grants, and as many slots to buy as go into one call are bought by one of those who want them.

Bookkeeping on plain values under one lock. Windows, waiting and waking are the engine's business.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Generic, TypeVar

from cachesaver.locks import Lock
from cachesaver.ports import Grant, Run
from cachesaver.values import value

__all__ = ["Batch", "Desk", "Errand", "Hand", "Lead", "Seat", "calls", "deal", "is_unbroken"]

R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Errand(Generic[R]):
    """One call that buys for several seats.

    Attributes:
        refusal: What the provider said instead, for all of them; None while it has said nothing.
        waiting: The places of those, but for who makes it, that still wait for what it brings.
    """

    refusal: R | None = None
    waiting: set[int] = field(default_factory=set[int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A slot to be filled, and the draw it is bought for.

    Attributes:
        run: Of the draw.
        own: Whether the draw is the buyer's own; else it keeps its index if the purchase fails,
            since whoever wants it takes over.
        errand: The call it goes into; None where it goes alone.
        place: Of the seat whose draw it is, where there are several.
    """

    index: int
    token: str
    draw: str
    run: Run
    own: bool = True
    errand: Errand[object] | None = None
    place: int = 0


def _no_errands() -> Mapping[int, Errand[object]]:
    return {}  # a tenth of what calling the type takes


@value(frozen=True, slots=True, kw_only=True)
class Hand:
    """What a seat is dealt.

    Attributes:
        grants: One for each of its draws, in their order.
        leads: What it is to buy, for itself and for others.
        errands: By index, the calls that others make for its draws.
        place: Of the seat in its batch.
    """

    grants: tuple[Grant, ...] = ()
    leads: tuple[Lead, ...] = ()
    errands: Mapping[int, Errand[object]] = field(default_factory=_no_errands)
    place: int = 0

    def lay_down(self) -> None:
        """Say that nobody waits any more for what others buy for it. Safe to call twice."""
        for errand in self.errands.values():
            errand.waiting.discard(self.place)


@dataclass(slots=True, kw_only=True, eq=False)
class Seat:
    """One request's place in a batch.

    Attributes:
        run: In which it asks.
        draws: That nothing is stored for.
        age: The lower, the older is what asks.
        hand: What it was dealt.
        error: Why it was dealt nothing.
        leads: Whether it is to close the batch and deal.
        has_left: Nobody sits here any more.
        where: Who sits here, for the engine.
        batch: That it sits in.
        called: Done when it has been dealt its hand, or leads since another has left.
    """

    run: Run
    draws: tuple[str, ...]
    age: int = 0
    hand: Hand | None = None
    error: BaseException | None = None
    leads: bool = False
    has_left: bool = False
    where: object = None
    called: Future[None] = field(default_factory=Future[None], repr=False)
    batch: Batch | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Batch:
    """The seats of one window.

    Attributes:
        key: What they have in common.
        full: Done when there are as many draws as should be bought together.
    """

    key: Hashable
    seats: list[Seat] = field(default_factory=list[Seat])
    full: Future[None] = field(default_factory=Future[None], repr=False)

    @property
    def draws(self) -> int:
        """How many draws there are at all seats together."""
        return sum(len(seat.draws) for seat in self.seats)


class Desk:
    """The batches that are open. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[Hashable, Batch] = {}

    def sit(self, key: Hashable, seat: Seat) -> Batch:
        """Give *seat* its place in the open batch of *key*; the first one leads a new batch."""
        with self._lock:
            batch = self._open.setdefault(key, Batch(key))
            seat.leads = not batch.seats
            batch.seats.append(seat)
            seat.batch = batch
            return batch

    def close(self, seat: Seat) -> tuple[Seat, ...]:
        """Close the batch that *seat* leads; return its seats, the oldest first."""
        with self._lock:
            batch = seat.batch
            if batch is None:
                return (seat,)
            if self._open.get(batch.key) is batch:
                del self._open[batch.key]
            there = [each for each in batch.seats if not each.has_left]
            return tuple(sorted(there, key=_age))

    def leave(self, seat: Seat) -> tuple[Hand | None, Seat | None]:
        """Leave *seat*; return what it has been dealt already, and the seat that leads from now on."""
        with self._lock:
            seat.has_left = True
            batch = seat.batch
            if seat.hand is not None or batch is None:
                return seat.hand, None
            batch.seats.remove(seat)
            if not batch.seats and self._open.get(batch.key) is batch:
                del self._open[batch.key]
            # Closed already or not: who was to deal has not, and somebody must. Where another is
            # dealing, he finds nobody here.
            heir = batch.seats[0] if seat.leads and batch.seats else None
            if heir is not None:
                heir.leads = True
            return None, heir

    def hand_out(self, seats: Sequence[Seat], hands: Sequence[Hand]) -> tuple[Hand, ...]:
        """Give each of *seats* its hand; return those for which nobody is there any more."""
        with self._lock:
            for seat, hand in zip(seats, hands, strict=True):
                seat.hand = hand
            return tuple(hand for seat, hand in zip(seats, hands, strict=True) if seat.has_left)

    def refuse(self, seats: Iterable[Seat], error: BaseException) -> None:
        """Tell *seats* that nothing could be assigned."""
        with self._lock:
            for seat in seats:
                seat.error = error


def _age(seat: Seat) -> int:
    return seat.age


def calls(
    leads: Sequence[Lead], most: int | None, *, unbroken: bool = False
) -> tuple[tuple[Lead, ...], ...]:
    """Cut *leads* into calls of up to *most* samples, in their order; None: no limit.

    *unbroken*: those of one call follow each other.
    """
    made: list[list[Lead]] = []
    for lead in leads:
        is_full = not made or len(made[-1]) == most
        if is_full or (unbroken and not is_unbroken((made[-1][-1], lead))):
            made.append([])
        made[-1].append(lead)
    return tuple(map(tuple, made))


def is_unbroken(leads: Sequence[Lead]) -> bool:
    """Tell whether the indexes of *leads* follow each other."""
    return all(after.index == lead.index + 1 for lead, after in pairwise(leads))


def deal(
    seats: Sequence[Seat],
    grants: Sequence[Sequence[Grant]],
    most: int | None,
    *,
    unbroken: bool = False,
) -> tuple[Hand, ...]:
    """Return a hand for each of *seats*, whose draws were given *grants*; see `calls`.

    Each call is made by the seat whose draw is the first in it, so that several calls are made at
    the same time by several of those who wait.
    """
    wanted = [
        (place, Lead(index=grant.index, token=grant.token, draw=draw, run=seat.run))
        for place, (seat, given) in enumerate(zip(seats, grants, strict=True))
        for draw, grant in zip(seat.draws, given, strict=True)
        if grant.token
    ]
    leads: list[list[Lead]] = [[] for _ in seats]
    errands: list[dict[int, Errand[object]]] = [{} for _ in seats]
    places = iter([place for place, _ in wanted])
    for call in calls([lead for _, lead in wanted], most, unbroken=unbroken):
        sitting = [next(places) for _ in call]
        buyer = sitting[0]
        errand = Errand[object]() if any(place != buyer for place in sitting) else None
        for place, lead in zip(sitting, call, strict=True):
            own = place == buyer
            leads[buyer].append(replace(lead, own=own, errand=errand, place=place))
            if errand is not None and place != buyer:
                errands[place][lead.index] = errand
                errand.waiting.add(place)
    return tuple(
        Hand(grants=tuple(given), leads=tuple(led), errands=sent, place=place)
        for place, (given, led, sent) in enumerate(zip(grants, leads, errands, strict=True))
    )
