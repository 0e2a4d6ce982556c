"""What stands between a call and the provider: a cap on how many are under way, and a budget.

One toll for each call: its permit and its reservation, taken before the call goes out and given back
when it is known what became of it.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cachesaver.asks import Purchase
from cachesaver.canonical import parse_body
from cachesaver.effects import Send
from cachesaver.locks import when_free
from cachesaver.permits import Permits

if TYPE_CHECKING:
    from cachesaver.budget import Budget
    from cachesaver.purse import Purse, Reservation

__all__ = ["Guards", "Toll", "guards"]


@dataclass(slots=True, eq=False)
class Toll:
    """What one call holds. Settled once; again does nothing.

    Attributes:
        permit: Done when the call may go out; None where it may at once.
        caller: The task or thread that makes the call, in whose name it holds a permit.
    """

    permit: Future[None] | None
    caller: object
    _guards: Guards = field(repr=False)
    _reservation: Reservation | None = None
    _is_held: bool = False

    def hold(self) -> None:
        """Note that the caller has a stream to read, until this is settled."""
        if self.permit is not None and not self._is_held:
            self._is_held = True
            self._guards.hold(self.caller, 1)

    def reserve(self, effect: Send) -> None:
        """Put aside what the call *effect*, which goes out next, may cost.

        Raises:
            BudgetExceededError: It might cost more than is left.
            UnknownPriceError: Nobody knows what it might cost.
        """
        purse, request = self._guards.purse, effect.request
        if purse is not None:
            from cachesaver.estimates import estimated

            body = parse_body(request).members
            asked = estimated(body, samples=effect.count, url=request.url)
            self._reservation = purse.reserve(asked)

    def settle(self, purchase: Purchase) -> None:
        """Book what the call came to, and let the next one go out."""
        when_free(lambda: self._settled(purchase))

    def _settled(self, purchase: Purchase) -> None:
        self._guards.leave(self)
        if self._is_held:
            self._is_held = False
            self._guards.hold(self.caller, -1)
        held, self._reservation = self._reservation, None
        if held is None:
            return
        if not purchase.known:
            held.settle("", {}, held.ask.samples)
        elif purchase.samples:
            held.settle(purchase.model, purchase.usage, purchase.samples)
        else:
            held.cancel()

    def cancel(self) -> None:
        """Give everything back: the call did not go out, or failed."""
        self.settle(Purchase())


@dataclass(slots=True, eq=False)
class Guards:
    """The guards of one session in one process. Thread-safe."""

    permits: Permits | None = None
    purse: Purse | None = None
    _holders: WeakKeyDictionary[object, int] = field(default_factory=WeakKeyDictionary[object, int])

    @property
    def are_there(self) -> bool:
        """Whether there is anything to ask."""
        return self.permits is not None or self.purse is not None

    def admit(self, caller: object, *, may_wait: bool) -> Toll:
        """Return what a call of *caller* is to hold; it goes out when its permit is done.

        Who holds a permit already, for a stream that it has still to read, goes out without one,
        as does who may not wait: they would wait for themselves.
        """
        if self.permits is None or not may_wait or self.holds(caller):
            return Toll(None, caller, self)
        return Toll(self.permits.ask(), caller, self)

    def holds(self, caller: object) -> bool:
        """Tell whether *caller* has a stream to read that holds a permit."""
        return self.permits is not None and bool(self._holders.get(caller))

    def hold(self, caller: object, change: int) -> None:
        """Count the streams that *caller* has to read."""
        streams = self._holders.get(caller, 0) + change
        if streams > 0:
            self._holders[caller] = streams
        else:
            self._holders.pop(caller, None)

    def collect(self) -> None:
        """See `Permits.collect`."""
        if self.permits is not None:
            self.permits.collect()

    def leave(self, toll: Toll) -> None:
        """Give back the permit of *toll*."""
        permit, toll.permit = toll.permit, None
        if permit is not None and self.permits is not None:
            self.permits.give_back(permit)


def guards(max_concurrency: int | None, budget: Budget | None) -> Guards:
    """Return the guards that the options ask for."""
    permits = None if max_concurrency is None else Permits(max_concurrency)
    if budget is None:
        return Guards(permits=permits)
    from cachesaver.purse import Purse

    return Guards(permits=permits, purse=Purse(budget))
