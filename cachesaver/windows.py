"""Gathering what is missing before it is bought, for as long as a `Window` says: blocking and async."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

from cachesaver import sleeping
from cachesaver.batching import Batch, Desk, Hand, Seat
from cachesaver.contexts import current_context
from cachesaver.effects import Deal, Enlist, Leave
from cachesaver.flights import Flights, Leader, leader
from cachesaver.options import Window

__all__ = ["Gathering"]

_TURNS = 100
"""Turns of an event loop for which a batch that grows in each of them is kept open."""

_QUIET = 2

_LONGEST = 600
"""Looks at flights, each after `_GRACE` at the most, after which a batch waits for no more of them."""

_GRACE = 1.0
"""Seconds after which one who waits for a flight to land looks whether another one is up."""


@dataclass(slots=True, kw_only=True, eq=False)
class Gathering:
    """Seats people at the desk, and wakes them.

    Attributes:
        window: How long.
        flights: That are up.
    """

    window: Window
    flights: Flights
    _desk: Desk = field(default_factory=Desk)

    def enlist(self, effect: Enlist) -> tuple[Seat, ...]:
        """See `Enlist`; blocking."""
        seat = effect.seat
        if sleeping.has_loop():
            return (seat,)  # whoever else sits there may be waiting for this thread
        batch = self._sit(effect, leader())
        if seat.leads:
            self._gather(effect, batch)
            return self._desk.close(seat)
        sleeping.block(seat.called, None)
        return self._called(seat)

    async def aenlist(self, effect: Enlist) -> tuple[Seat, ...]:
        """See `Enlist`."""
        seat = effect.seat
        batch = self._sit(effect, leader(sleeping.running_loop(), current_context()))
        if seat.leads:
            await self._agather(effect, batch)
            return self._desk.close(seat)
        await sleeping.until_done(seat.called)
        return self._called(seat)

    def leave(self, effect: Leave) -> Hand | None:
        """See `Leave`."""
        hand, heir = self._desk.leave(effect.seat)
        if heir is not None:
            _wake(heir.called)
        return hand

    def deal(self, effect: Deal) -> tuple[Hand, ...]:
        """See `Deal`."""
        if effect.error is not None:
            self._desk.refuse(effect.seats, effect.error)
            _wake_all(effect.seats)
            return ()
        unclaimed = self._desk.hand_out(effect.seats, effect.hands)
        for seat, hand in zip(effect.seats, effect.hands, strict=True):
            if isinstance(seat.where, Leader) and not seat.has_left:
                slots = [(effect.fingerprint, lead.index) for lead in hand.leads]
                self.flights.hand_over(slots, seat.where)
        _wake_all(effect.seats)
        return unclaimed

    def _sit(self, effect: Enlist, where: Leader) -> Batch:
        seat = effect.seat
        seat.where = where
        # Tasks of one loop sit together, and threads do: who waits for another's loop may wait long.
        batch = self._desk.sit((effect.key, id(where.loop)), seat)
        if self.window.size is not None and batch.draws >= self.window.size:
            _wake(batch.full)
        return batch

    def _called(self, seat: Seat) -> tuple[Seat, ...]:
        return self._desk.close(seat) if seat.hand is None and seat.error is None else ()

    def _gather(self, effect: Enlist, batch: Batch) -> None:
        if self.window.flights:
            for _ in range(_LONGEST):
                landing = None if batch.full.done() else self._landing(effect)
                if landing is None:
                    return
                sleeping.block(sleeping.first_of(landing, batch.full), _GRACE)
        elif self.window.seconds:
            sleeping.block(batch.full, self.window.seconds)

    async def _agather(self, effect: Enlist, batch: Batch) -> None:
        if self.window.flights:
            for _ in range(_LONGEST):
                landing = None if batch.full.done() else self._landing(effect)
                if landing is None:
                    return
                await sleeping.doze(sleeping.first_of(landing, batch.full), _GRACE)
        elif self.window.seconds is None:
            await _grow(batch)
        elif self.window.seconds:
            await sleeping.doze(batch.full, self.window.seconds)

    def _landing(self, effect: Enlist) -> Future[None] | None:
        where = effect.seat.where
        if not isinstance(where, Leader):
            return None
        task = None if where.task is None else where.task()
        return self.flights.next_landing(effect.fingerprint, where.loop, task)


async def _grow(batch: Batch) -> None:
    """Wait to the end of a turn that brought nobody new.

    Whoever waits for a turn goes on in the middle of the next one: a whole turn is between two such.
    """
    seen = quiet = 0
    for _ in range(_TURNS):
        quiet = quiet + 1 if len(batch.seats) == seen else 0
        if batch.full.done() or quiet == _QUIET:
            return
        seen = len(batch.seats)
        await sleeping.turn()


def _wake_all(seats: Iterable[Seat]) -> None:
    for seat in seats:
        _wake(seat.called)


def _wake(future: Future[None]) -> None:
    with contextlib.suppress(InvalidStateError):  # another was quicker
        future.set_result(None)
