"""Every error of ours.

CachesaverError
├── ConfigurationError          install(), a command line or an environment variable asks for the impossible
├── ReplayError                 mode="replay", and something may not leave the process
│   ├── NotRecordedError        no stored sample is free
│   ├── NotReplayableError      it looks like a provider call, and no store answers it
│   └── EscapeError             a connection that no hook of ours saw
├── BudgetError                 a call that would cost something may not go out
│   ├── BudgetExceededError     it might cost more than the budget has left
│   └── UnknownPriceError       nobody knows what it costs, and the budget is in dollars
├── DialectError                a body does not have the form its dialect promises
└── StoreError                  the store cannot do what it was asked to
    ├── StoreUnavailableError   not to be opened: missing library, permission, foreign or newer files
    ├── StoreDamagedError       a record or file does not read back as it was written
    └── CassetteError           a cassette cannot be read or written
        └── CassetteDriftError  live answers are not as the cassette has them

A client's own exceptions and the provider's errors are never wrapped: they pass through untouched.
No message holds a header, a query string or a body: there are keys and prompts in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "BudgetError",
    "BudgetExceededError",
    "CachesaverError",
    "CassetteDriftError",
    "CassetteError",
    "ConfigurationError",
    "DialectError",
    "EscapeError",
    "NotRecordedError",
    "NotReplayableError",
    "ReplayError",
    "StoreDamagedError",
    "StoreError",
    "StoreUnavailableError",
    "UnknownPriceError",
]


class CachesaverError(Exception):
    """Root of all errors of this library. They can be pickled: worker processes raise them too."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep message and facts; a constructor may take other arguments than it passes on."""
        return rebuilt, (type(self), self.args, self.__dict__)


class ConfigurationError(CachesaverError):
    """What was asked for cannot be; the message says what to write instead."""


class DialectError(CachesaverError):
    """A request or response does not have the form its dialect promises.

    Attributes:
        dialect: Such as `"openai.chat"`.
    """

    def __init__(self, message: str, *, dialect: str) -> None:
        self.dialect = dialect
        super().__init__(f"{dialect}: {message}")


class StoreError(CachesaverError):
    """A store failed.

    Attributes:
        location: URL or path of the store, without credentials.
    """

    def __init__(self, message: str, *, location: str) -> None:
        self.location = location
        super().__init__(message)


class StoreUnavailableError(StoreError):
    """The store cannot be opened; the message says why and what to do."""


class StoreDamagedError(StoreError):
    """Something in the store does not read back as it was written."""


class CassetteError(StoreError):
    """A cassette cannot be read or written; the message says where and what to do."""


class CassetteDriftError(CassetteError):
    """With `record_mode="verify"`, live answers have not the shape of those that were recorded.

    Attributes:
        drift: A report for each question, which holds the question and the names of members.
    """

    def __init__(self, drift: tuple[str, ...], *, location: str) -> None:
        self.drift = drift
        questions = "one question" if len(drift) == 1 else f"{len(drift)} questions"
        told = "\n  ".join(drift)
        super().__init__(
            f"the live answers to {questions} are not as the cassette {location} has them:\n  {told}\n"
            "Record them anew, with record_mode='all', if the program copes with that.",
            location=location,
        )


class ReplayError(CachesaverError):
    """Something was about to leave the process that may not, with `mode="replay"`.

    No `OSError`: clients take those for the network's, wrap them, and retry with seconds of back-off.
    """


class NotRecordedError(ReplayError):
    """Replay was asked for a sample that is not stored.

    Attributes:
        fingerprint: Of the request that was asked for, 64 hex digits.
        namespace: That was asked in.
    """

    def __init__(  # noqa: PLR0913  # its facts
        self,
        summary: str,
        *,
        fingerprint: str,
        namespace: str,
        wanted: int,
        free: int,
        near: str,
        advice: str = "",
    ) -> None:
        self.fingerprint = fingerprint
        self.namespace = namespace
        super().__init__(
            f"{summary} asks for {wanted} sample(s) in namespace {namespace!r}, and {free} of its "
            f"stored samples are free (fingerprint {fingerprint[:12]}).\n{near}\n"
            f"{advice or _ADVICE}"
        )


_ADVICE = (
    "Buy what is missing by running once with mode='cache', or see what is stored with:\n"
    "    cachesaver stats"
)


class NotReplayableError(ReplayError):
    """A request that looks like a provider call, and that no store can answer, was not sent.

    Attributes:
        summary: Method and URL, without userinfo and query.
        reason: Why no store answers it, one clause.
        nameable: Whether it could be recorded if its host were named.
    """

    def __init__(self, summary: str, reason: str, *, nameable: bool = False) -> None:
        self.summary = summary
        self.reason = reason
        self.nameable = nameable
        super().__init__(
            f"{summary} may not go out in mode='replay', and cannot be answered: {reason}.\n"
            f"Leave it out of the replayed program, or run that part with mode='cache'. To let it out "
            f"live all the same, or if it is no provider call, say so, as in\n"
            f"    match=lambda request: False if {_condition(summary)} else None"
            f"{_NAMING if nameable else ''}"
        )


_NAMING = "\nIf it asks a model in a format of its own, name its host (hosts=[...]) and record it."


def _condition(summary: str) -> str:
    """Return an expression that holds for the request of *summary*, and for no question beside it."""
    method, _, url = summary.partition(" ")
    path = "/" + url.partition("://")[2].partition("/")[2]
    if method == "POST" or path == "/":
        return "'/path/of/it' in request.url"
    return f"request.method == {method!r} and {path!r} in request.url"


class EscapeError(ReplayError):
    """A connection or request that no hook of ours saw was about to leave the process.

    Attributes:
        destination: `host:port`, or method and URL without userinfo and query.
        library: Of the client that made it; empty where the program itself did.
        place: The line of the program, as `file:line in function`; empty where nobody can tell.
        reason: Why it may not leave, one clause.
    """

    def __init__(
        self, destination: str, *, reason: str, advice: str, library: str = "", place: str = ""
    ) -> None:
        self.destination = destination
        self.library = library
        self.place = place
        self.reason = reason
        by = f", by {library or 'the program itself'}"
        at = f"\n  at {place}" if place else ""
        super().__init__(f"{destination} was not reached{by}: {reason}.{at}\n{advice}")


class BudgetError(CachesaverError):
    """A call was not sent, because of the budget."""


class BudgetExceededError(BudgetError):
    """A call was not sent: it might cost more than the budget has left. Nothing was bought.

    Attributes:
        unit: Of the cap that would be exceeded: "usd", "tokens", "samples" or "calls".
        cap: The most that may be spent, in this unit.
        spent: By calls that are over.
        reserved: By calls under way, as estimated.
        estimate: What this call might cost.
        model: That was asked; may be empty.
    """

    def __init__(
        self,
        *,
        unit: str,
        cap: Decimal,
        spent: Decimal,
        reserved: Decimal,
        estimate: Decimal,
        model: str,
    ) -> None:
        from decimal import Decimal

        self.unit = unit
        self.cap = cap
        self.spent = spent
        self.reserved = reserved
        self.estimate = estimate
        self.model = model
        super().__init__(
            f"a call{f' to {model}' if model else ''} may cost {_amount(estimate, unit)}, and the budget "
            f"of {_amount(cap, unit)} has {_number(max(cap - spent - reserved, Decimal()))} left: "
            f"{_number(spent)} spent, {_number(reserved)} reserved by calls under way; nothing was sent.\n"
            f"Raise the budget, as in budget='{_amount(spent + reserved + estimate, unit)}', or bound "
            f"the call, as by max_tokens. What was bought is stored, and free in the next run."
        )


class UnknownPriceError(BudgetError):
    """A call was not sent: the budget is in dollars, and no price of its model is known.

    Attributes:
        model: That was asked; may be empty.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"the budget is in dollars, and no price of the model {model!r} is known; nothing was "
            f"sent.\nGive the budget in tokens, as in budget='200000 tokens', or the price in dollars "
            f"per million tokens of prompt and answer:\n"
            f"    budget=cachesaver.Budget(usd=5, prices={{{model!r}: (1.25, 10)}})"
        )


def _amount(count: Decimal, unit: str) -> str:
    return f"{_number(count)} {unit.removesuffix('s') if count == 1 else unit}"


def _number(count: Decimal) -> str:
    return f"{count.normalize():f}"


def rebuilt(
    kind: type[CachesaverError], arguments: tuple[object, ...], facts: Mapping[str, object]
) -> CachesaverError:
    """Return the error of *kind* that was pickled with these *arguments* and *facts*."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    return error
