"""What stands between a call and the provider: a cap on how many are under way, and a budget.

One toll for each call: its permit and its reservation, taken before the call goes out and given back
when it is known what became of it.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cachesaver.budget import Budget, Purse, Reservation
from cachesaver.buying import Purchase
from cachesaver.canonical import parse_body
from cachesaver.effects import Send
from cachesaver.estimates import estimated
from cachesaver.permits import Permits

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
    _reservation: Reservation | None
    _guards: Guards = field(repr=False)

    def settle(self, purchase: Purchase) -> None:
        """Book what the call came to, and let the next one go out."""
        self._guards.leave(self)
        held, self._reservation = self._reservation, None
        if held is None:
            return
        if purchase.known and not purchase.samples:
            held.cancel()
        else:
            held.settle(purchase.model, purchase.usage, purchase.samples)

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

    def admit(self, effect: Send, caller: object, *, may_wait: bool) -> Toll:
        """Return what the call *effect* is to hold; it goes out when its permit is done.

        Who holds a permit already, for a stream that it has still to read, goes out without one,
        as does who may not wait: they would wait for themselves.

        Raises:
            BudgetExceededError: The call might cost more than is left.
            UnknownPriceError: Nobody knows what it might cost.
        """
        reservation = None
        if self.purse is not None:
            request = effect.request
            body = parse_body(request).members
            reservation = self.purse.reserve(estimated(body, samples=effect.count, url=request.url))
        permit = None
        if self.permits is not None and may_wait and not self._holders.get(caller):
            permit = self.permits.ask()
            self._holders[caller] = self._holders.get(caller, 0) + 1
        return Toll(permit, caller, reservation, self)

    def collect(self) -> None:
        """See `Permits.collect`."""
        if self.permits is not None:
            self.permits.collect()

    def leave(self, toll: Toll) -> None:
        """Give back the permit of *toll*."""
        permit, toll.permit = toll.permit, None
        if permit is None or self.permits is None:
            return
        left = self._holders.get(toll.caller, 0) - 1
        if left > 0:
            self._holders[toll.caller] = left
        else:
            self._holders.pop(toll.caller, None)
        self.permits.give_back(permit)


def guards(max_concurrency: int | None, budget: Budget | None) -> Guards:
    """Return the guards that the options ask for."""
    return Guards(
        permits=None if max_concurrency is None else Permits(max_concurrency),
        purse=None if budget is None else Purse(budget),
    )
