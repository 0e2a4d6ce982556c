"""How much may be bought: a budget, and the purse that keeps it.

Money is put aside before a call goes out, by what it may cost at most, and booked when it is over,
by what it did cost. Nothing here sends, waits or reads a clock.
"""

from __future__ import annotations

import re
import threading
from collections.abc import ItemsView, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import cast

from cachesaver.errors import BudgetExceededError, ConfigurationError, UnknownPriceError
from cachesaver.estimates import Estimate
from cachesaver.prices import Prices
from cachesaver.usage import Tokens, tokens_of

__all__ = ["UNBOUNDED", "Amounts", "Budget", "Purse", "Reservation", "budget_of"]

UNBOUNDED = 4096
"""Tokens of an answer whose request sets no bound, until the model has given one in this session."""

_UNITS = ("usd", "tokens", "samples", "calls")

_EXAMPLES = (
    "budget=5 (dollars), budget='200000 tokens', budget='500 samples', budget='100 calls' or "
    "cachesaver.Budget(usd=5, calls=100)"
)

Number = int | float | Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that one session may buy in one process; of several caps, each holds.

    Used like::

        cachesaver.install(namespace="exp1", budget=cachesaver.Budget(usd=5, calls=1000))

    Attributes:
        usd: US dollars; None: no cap.
        tokens: Of prompts and answers together.
        samples: Bought ones; those from the store are free.
        calls: Answered by a provider; calls that failed are free.
        prices: Of models that genai-prices does not know or knows wrongly: dollars per million
            tokens of prompt and of answer, by the name the requests give.

    Raises:
        ConfigurationError: A cap is not a number from 0, a price not a pair of such, or there is
            no cap at all.
    """

    usd: Number | None = None
    tokens: int | None = None
    samples: int | None = None
    calls: int | None = None
    prices: Mapping[str, tuple[Number, Number]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        """Check it, and fix what could change."""
        for unit in _UNITS:
            if (cap := getattr(self, unit)) is not None:
                number = _checked(f"{unit}=", cap, whole=unit != "usd")
                object.__setattr__(self, unit, number if unit == "usd" else cap)
        if all(getattr(self, unit) is None for unit in _UNITS):
            raise ConfigurationError(f"the budget has no cap: write {_EXAMPLES}")
        prices = {model: _price(model, pair) for model, pair in _listed(self.prices)}
        object.__setattr__(self, "prices", MappingProxyType(prices))

    def __str__(self) -> str:
        """Return the caps as `install` and `CACHESAVER_BUDGET` take them; not the prices."""
        return ", ".join(f"{cap:f} {unit}" for unit, cap in self.caps.items())

    @property
    def caps(self) -> dict[str, Decimal]:
        """By unit ("usd", "tokens", "samples", "calls"): the caps that are set."""
        caps = {unit: cast("Number | None", getattr(self, unit)) for unit in _UNITS}
        return {unit: Decimal(str(cap)) for unit, cap in caps.items() if cap is not None}


def _listed(prices: object) -> ItemsView[str, object]:
    if not isinstance(prices, Mapping):
        raise ConfigurationError(
            f"prices must be a mapping, as in prices={{'my-model': (1.25, 10)}}, not {prices!r}"
        )
    return cast("Mapping[str, object]", prices).items()


def _price(model: str, pair: object) -> tuple[Decimal, Decimal]:
    if not isinstance(pair, tuple | list) or len(cast("tuple[object, ...]", pair)) != 2:  # noqa: PLR2004
        raise ConfigurationError(
            f"prices holds {pair!r} for {model!r}: give dollars per million tokens of prompt and of "
            f"answer, as in prices={{{model!r}: (1.25, 10)}}"
        )
    prompt, answer = cast("tuple[object, object]", pair)
    return _checked("a price", prompt, whole=False), _checked("a price", answer, whole=False)


def _checked(what: str, given: object, *, whole: bool) -> Decimal:
    """Return *given*, a number from 0, as a decimal."""
    kinds = (int,) if whole else (int, float, Decimal)
    number = Decimal("NaN")
    if isinstance(given, kinds) and not isinstance(given, bool):
        number = Decimal(str(given))
    if not number.is_finite() or number < 0:
        kind = "a whole number" if whole else "a number"
        raise ConfigurationError(
            f"the budget says {what}{given!r}, which is not {kind} from 0: write {_EXAMPLES}"
        )
    return number


_CAP = re.compile(r"\$?\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z$]*)")

_NAMES = {
    "$": "usd",
    "dollar": "usd",
    "dollars": "usd",
    "usd": "usd",
    "token": "tokens",
    "tokens": "tokens",
    "sample": "samples",
    "samples": "samples",
    "call": "calls",
    "calls": "calls",
}


def budget_of(given: object) -> Budget | None:
    """Return the budget that *given* means; None for None and for empty text.

    Args:
        given: A number of dollars; text such as "5 usd", "200000 tokens" or, with several caps,
            "5 usd, 100 calls"; or a `Budget`.

    Raises:
        ConfigurationError: It means none.
    """
    if given is None or isinstance(given, Budget):
        return given
    if isinstance(given, str):
        return _read(given) if given.strip() else None
    return Budget(usd=_checked("", given, whole=False))


def _read(text: str) -> Budget:
    parts = text.split(",")
    caps = dict[str, Decimal]()
    for part in parts:
        found = _CAP.fullmatch(part.strip())
        if found is None or (len(parts) > 1 and not found[2] and "$" not in part):
            raise _not_understood(text)  # "200,000 tokens" must not be 200 dollars
        unit = _NAMES.get(found[2].lower() or "usd")
        if unit is None or unit in caps or ("$" in part and unit != "usd"):
            raise _not_understood(text)
        caps[unit] = Decimal(found[1])
    counts = {unit: int(cap) for unit, cap in caps.items() if unit != "usd"}
    if any(caps[unit] != count for unit, count in counts.items()):
        raise _not_understood(text)
    return Budget(
        usd=caps.get("usd"),
        tokens=counts.get("tokens"),
        samples=counts.get("samples"),
        calls=counts.get("calls"),
    )


def _not_understood(text: str) -> ConfigurationError:
    return ConfigurationError(f"budget {text!r} is not understood: write {_EXAMPLES}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Something spent or put aside. *usd* stays 0 where no cap is in dollars."""

    usd: Decimal = Decimal()
    tokens: int = 0
    samples: int = 0
    calls: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(**{unit: getattr(self, unit) + getattr(other, unit) for unit in _UNITS})

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(**{unit: getattr(self, unit) - getattr(other, unit) for unit in _UNITS})


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
    or cancels it, but not in a finaliser, which may take no lock.

    Attributes:
        budget: That it keeps.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._caps = budget.caps
        own = cast("Mapping[str, tuple[Decimal, Decimal]]", budget.prices)
        self._prices = Prices(own) if "usd" in self._caps else None
        self._lock = threading.Lock()
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
