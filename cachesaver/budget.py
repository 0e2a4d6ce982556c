"""How much may be bought: what a user can say about it, checked before anything happens."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast

from cachesaver.errors import ConfigurationError

__all__ = ["UNITS", "Budget", "Number", "budget_of"]

UNITS = ("usd", "tokens", "samples", "calls")
"""What can be capped; the first cap in this order that would be exceeded is told."""

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
        for unit in UNITS:
            if (cap := getattr(self, unit)) is not None:
                number = _checked(f"{unit}=", cap, whole=unit != "usd")
                object.__setattr__(self, unit, number if unit == "usd" else cap)
        if all(getattr(self, unit) is None for unit in UNITS):
            raise ConfigurationError(f"the budget has no cap: write {_EXAMPLES}")
        prices = {model: _price(model, pair) for model, pair in _listed(self.prices)}
        object.__setattr__(self, "prices", MappingProxyType(prices))

    def __str__(self) -> str:
        """Return the caps as `install` and `CACHESAVER_BUDGET` take them; not the prices."""
        return ", ".join(f"{cap:f} {unit}" for unit, cap in self.caps.items())

    def __reduce__(self) -> tuple[object, ...]:
        """Let worker processes have it; a read-only mapping cannot be pickled."""
        caps = {unit: getattr(self, unit) for unit in UNITS}
        return _rebuilt, ({**caps, "prices": dict(self.prices)},)

    @property
    def caps(self) -> dict[str, Decimal]:
        """By unit ("usd", "tokens", "samples", "calls"): the caps that are set."""
        caps = {unit: cast("Number | None", getattr(self, unit)) for unit in UNITS}
        return {unit: Decimal(str(cap)) for unit, cap in caps.items() if cap is not None}


def _rebuilt(members: dict[str, Any]) -> Budget:
    return Budget(**members)


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
    return _checked("a price of ", prompt, whole=False), _checked(
        "a price of ", answer, whole=False
    )


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
