"""Keeping a budget: money is put aside before a call goes out, and booked when it is over.

What is put aside is what the call may cost at most, what is booked is what it did cost. Nothing here
sends, waits or reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from cachesaver.budget import UNITS, Budget
from cachesaver.errors import BudgetExceededError, UnknownPriceError
from cachesaver.estimates import Estimate
from cachesaver.locks import Lock
from cachesaver.prices import Prices
from cachesaver.usage import Tokens, tokens_of

__all__ = ["UNBOUNDED", "Amounts", "Purse", "Reservation"]

UNBOUNDED = 4096
"""Tokens of an answer whose request sets no bound, until the model has given one in this session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Something spent or put aside. *usd* stays 0 where no cap is in dollars."""

    usd: Decimal = Decimal()
    tokens: int = 0
    samples: int = 0
    calls: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(**{unit: getattr(self, unit) + getattr(other, unit) for unit in UNITS})

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(**{unit: getattr(self, unit) - getattr(other, unit) for unit in UNITS})


class Purse:
    """Keeps one session's budget in one process. Thread-safe; a forked child needs one of its own.

    Used like::

        reservation = purse.reserve(estimated(body, samples=n, url=request.url))
        try:
            ...                                                # the call
        except BaseException:
            reservation.cancel()
            raise
        reservation.settle(model, usage, samples)

    One call is one reservation, however many callers it serves. Whoever holds a reservation settles
    or cancels it; a finaliser by `when_free`.

    Attributes:
        budget: That it keeps.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._caps = budget.caps
        own = cast("Mapping[str, tuple[Decimal, Decimal]]", budget.prices)
        self._prices = Prices(own) if "usd" in self._caps else None
        self._lock = Lock()
        self._spent = Amounts()
        self._reserved = Amounts()
        self._longest: dict[str, int] = {}
        """By model: the most tokens that one sample has had."""

    def __repr__(self) -> str:
        return f"<Purse of {self.budget}: spent {self.spent}, reserved {self.reserved}>"

    @property
    def spent(self) -> Amounts:
        """What the calls that are over have cost."""
        return self._spent

    @property
    def reserved(self) -> Amounts:
        """What is put aside for calls under way."""
        return self._reserved

    def reserve(self, ask: Estimate) -> Reservation:
        """Put aside what the call *ask* may cost.

        Raises:
            BudgetExceededError: With what is spent and put aside, it might cost more than a cap.
            UnknownPriceError: A cap is in dollars, and nobody knows the price of its model.
        """
        tokens = self._expected(ask)
        wanted = Amounts(
            usd=self._cost(tokens, ask.model, url=ask.url),
            tokens=tokens.total,
            samples=ask.samples,
            calls=1,
        )
        with self._lock:
            spent, reserved = self._spent, self._reserved
            short = self._short(spent + reserved + wanted)
            if not short:
                self._reserved += wanted
        if short:
            raise BudgetExceededError(
                unit=short,
                cap=self._caps[short],
                spent=Decimal(getattr(spent, short)),
                reserved=Decimal(getattr(reserved, short)),
                estimate=Decimal(getattr(wanted, short)),
                model=ask.model,
            )
        return Reservation(self, ask, wanted)

    def _expected(self, ask: Estimate) -> Tokens:
        answer = ask.answer
        if answer is None:
            with self._lock:
                answer = self._longest.get(ask.model, UNBOUNDED)
        return Tokens(prompt=ask.prompt, answer=answer * ask.samples)

    def _short(self, would_be: Amounts) -> str:
        """The first unit whose cap would be exceeded."""
        over = (unit for unit, cap in self._caps.items() if getattr(would_be, unit) > cap)
        return next(over, "")

    def _cost(self, tokens: Tokens, *models: str, url: str) -> Decimal:
        if self._prices is None:
            return Decimal()
        return self._prices.cost(tokens, *models, url=url)

    def _actual(self, held: Reservation, model: str, tokens: Tokens | None) -> tuple[Decimal, int]:
        """Dollars and tokens of a call that is over; as put aside where its answer does not tell."""
        if tokens is None:
            return held.wanted.usd, held.wanted.tokens
        try:
            return self._cost(tokens, model, held.ask.model, url=held.ask.url), tokens.total
        except UnknownPriceError:  # of tokens of a kind that has none: the call is paid for
            return held.wanted.usd, tokens.total

    def _book(self, held: Reservation, cost: Amounts, *, longest: int = 0) -> None:
        """Book *cost* for *held*, whose first booking counts."""
        model = held.ask.model
        with self._lock:
            if held.is_over:
                return
            held.is_over = True
            self._reserved -= held.wanted
            self._spent += cost
            if longest:
                self._longest[model] = max(longest, self._longest.get(model, 0))


class Reservation:
    """What is put aside for one call under way. Settled or cancelled once; again does nothing.

    Attributes:
        ask: The call.
        wanted: What is put aside for it.
        is_over: It was settled or cancelled.
    """

    def __init__(self, purse: Purse, ask: Estimate, wanted: Amounts) -> None:
        self.ask = ask
        self.wanted = wanted
        self.is_over = False
        self._purse = purse

    def __repr__(self) -> str:
        state = "over" if self.is_over else "under way"
        return f"<Reservation [{state}] {self.wanted}>"

    def settle(self, model: str, usage: Mapping[str, object], samples: int) -> None:
        """Book what the call cost, which may be more than was put aside. Raises nothing.

        Args:
            model: As the answer names it; may be empty.
            usage: Of the whole call, in any provider's spelling. Empty, or in none we know: the
                call is booked as it was estimated, for it did cost something.
            samples: That came.
        """
        tokens = tokens_of(usage)
        usd, total = self._purse._actual(self, model, tokens)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        answer = 0 if tokens is None else tokens.answer
        self._purse._book(  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            self,
            Amounts(usd=usd, tokens=total, samples=samples, calls=1),
            longest=-(-answer // max(samples, 1)),
        )

    def cancel(self) -> None:
        """Return all that was put aside: the call failed, and cost nothing."""
        self._purse._book(self, Amounts())  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
