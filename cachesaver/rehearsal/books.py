"""What was asked of the rehearsal, counted."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from cachesaver.rehearsal.reading import listed, mapped

__all__ = ["TAIL", "Books", "Calls", "Entry", "Received", "Tally", "shown_headers", "shown_query"]

TAIL = 1000
"""How many received requests are remembered where nothing else is said."""

_BODY = 1 << 16
"""How much of a body is."""

_CREDENTIALS = frozenset(
    {"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Totals.

    Attributes:
        calls: Requests received, whatever became of them.
        failed: Those among them that were answered with an error.
        samples: Answers spoken.
        prompt_tokens: Once a request, however many samples it asked for.
        completion_tokens: Of every sample.
    """

    calls: int = 0
    failed: int = 0
    samples: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Tally) -> Tally:
        return self._with(other, operator.add)

    def __sub__(self, other: Tally) -> Tally:
        return self._with(other, operator.sub)

    def _with(self, other: Tally, combine: Callable[[int, int], int]) -> Tally:
        names = (f.name for f in fields(self))
        return Tally(**{n: combine(getattr(self, n), getattr(other, n)) for n in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The tally of one model at one endpoint (such as `"openai.chat"`)."""

    endpoint: str
    model: str
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived.

    Attributes:
        path: With its query, less a `key`.
        headers: Lower-case names; without those that carry credentials.
        body: Text; what is not UTF-8 is replaced, and a long one is cut.
        status: It was answered with; 0 where the connection was left hanging.
        samples: Names of the samples that were spoken for it, `QUESTION#ORDINAL`; none where it
            was refused.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str
    status: int
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Everything that was asked since the start or the last reset.

    Attributes:
        entries: Sorted by endpoint and model.
        received: The last requests, oldest first: 1000 of them, if not told otherwise.
    """

    entries: tuple[Entry, ...] = ()
    received: tuple[Received, ...] = ()

    @property
    def total(self) -> Tally:
        """The sum of all entries."""
        return sum((entry.tally for entry in self.entries), Tally())

    @property
    def calls(self) -> int:
        """Requests received, at all endpoints."""
        return self.total.calls

    @property
    def samples(self) -> int:
        """Samples spoken, at all endpoints."""
        return self.total.samples

    def of(self, endpoint: str, model: str | None = None) -> Tally:
        """Return the sum over *endpoint*, of all models or of *model*."""
        return sum((tally for tally in self._matching(endpoint, model)), Tally())

    def _matching(self, endpoint: str, model: str | None) -> Iterator[Tally]:
        for entry in self.entries:
            if entry.endpoint == endpoint and model in {None, entry.model}:
                yield entry.tally

    def to_json(self) -> dict[str, Any]:
        """Return what `GET /rehearsal/calls` answers."""
        return {"total": asdict(self.total), **asdict(self)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Calls:
        """Return the value that `to_json` made *body* of."""
        entries = map(mapped, listed(body["entries"]))
        received = map(mapped, listed(body["received"]))
        return cls(
            entries=tuple(replace(Entry(**e), tally=Tally(**e["tally"])) for e in entries),
            received=tuple(
                replace(
                    Received(**r),
                    headers=tuple((n, v) for n, v in r["headers"]),
                    samples=tuple(r["samples"]),
                )
                for r in received
            ),
        )


@dataclass(slots=True)
class Books:
    """Where the counting is done.

    Attributes:
        tail: How many received requests are remembered.
        serial: Requests ever received; the reset does not touch it.
    """

    tail: int = TAIL
    serial: int = 0
    _tallies: dict[tuple[str, str], Tally] = field(default_factory=dict[tuple[str, str], Tally])
    _received: deque[Received] = field(init=False)

    def __post_init__(self) -> None:
        """Remember nothing yet."""
        self._received = deque(maxlen=self.tail)

    def enter(self, endpoint: str, model: str, tally: Tally) -> None:
        """Add *tally* to what stands for *model* at *endpoint*."""
        key = endpoint, model
        self._tallies[key] = self._tallies.get(key, Tally()) + tally

    def keep(self, received: Received) -> None:
        """Remember *received*, and forget the oldest when there are too many."""
        self._received.append(received)

    def calls(self) -> Calls:
        """Return what was counted so far; safe from any thread."""
        tallies = self._tallies.copy()
        return Calls(
            entries=tuple(
                Entry(endpoint=endpoint, model=model, tally=tallies[endpoint, model])
                for endpoint, model in sorted(tallies)
            ),
            received=tuple(self._received.copy()),
        )

    def reset(self) -> None:
        """Begin at zero."""
        self._tallies.clear()
        self._received.clear()


def shown_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return *headers* (names in lower case) without credentials."""
    return tuple((name, value) for name, value in headers.items() if name not in _CREDENTIALS)


def shown_query(query: str) -> str:
    """Return *query* without its key."""
    return "&".join(part for part in query.split("&") if not part.startswith("key="))


def shown_body(body: bytes) -> str:
    """Return the beginning of *body* as text."""
    return body[:_BODY].decode("utf-8", "replace")
