"""Counting what a session served and bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cachesaver.asks import Ask, Purchase, Source
from cachesaver.errors import DialectError
from cachesaver.exchange import Response, Sample
from cachesaver.locks import Lock
from cachesaver.outcomes import Outcome, Passing, Served
from cachesaver.usage import total_of

__all__ = ["Statistics", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What one session did in this process.

    Attributes:
        requests: Provider calls the program made.
        hits: Samples served from the store.
        fetched: Samples bought and stored.
        collapsed: Samples another flight was already up for.
        bypassed: Answers passed on live and stored nowhere.
        errors: Error answers of providers, passed on.
        calls: Answers bought, each with one sample or several.
        tokens_saved: Tokens of what was served from the store or another's flight, as one request
            for it would have been billed.
        tokens_bought: Tokens that were billed, a prompt once for all the samples of one answer.
    """

    requests: int = 0
    hits: int = 0
    fetched: int = 0
    collapsed: int = 0
    bypassed: int = 0
    errors: int = 0
    calls: int = 0
    tokens_saved: int = 0
    tokens_bought: int = 0

    def __str__(self) -> str:
        said = f"{self.hits} hits, {self.fetched} fetched, {self.tokens_saved:,} tokens saved"
        more = {"collapsed": self.collapsed, "bypassed": self.bypassed, "errors": self.errors}
        return said + "".join(f", {count} {name}" for name, count in more.items() if count)


_FIELD = {
    Source.HIT: "hits",
    Source.FETCHED: "fetched",
    Source.COLLAPSED: "collapsed",
    Source.BYPASSED: "bypassed",
    Source.ERROR: "errors",
}


_MOST = 1000
"""Usage blocks kept to be counted."""


class Tally:
    """Adds up. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = asdict(Statistics())
        self._saved = list[Mapping[str, object]]()
        """What had not to be bought, whose tokens are still to be counted: a hit does not wait for it."""

    def now(self) -> Statistics:
        """Return the counts so far."""
        with self._lock:
            self._add_up()
            return Statistics(**self._counts)

    def _add_up(self) -> None:
        self._counts["tokens_saved"] += sum(map(total_of, self._saved))
        self._saved = []

    def count(self, ask: Ask, outcome: Outcome) -> None:
        """Count one request and what is known of its answer."""
        saved = _saved(ask, outcome) if isinstance(outcome, Served) else []
        with self._lock:
            self._counts["requests"] += 1
            self._saved += saved
            if len(self._saved) > _MOST:
                self._add_up()
            if isinstance(outcome, Passing):
                return  # counted when it has passed
            sources = outcome.sources if isinstance(outcome, Served) else (outcome.source,)
            for source in sources:
                self._counts[_FIELD[source]] += 1

    def passed(self, samples: tuple[Sample, ...]) -> None:
        """Count the samples of a stream that has passed and was kept; none if it was not."""
        with self._lock:
            self._counts["fetched"] += len(samples)
            self._counts["bypassed"] += not samples

    def settled(self, purchase: Purchase) -> None:
        """Count what one call came to."""
        with self._lock:
            self._counts["calls"] += bool(purchase.samples)
            self._counts["tokens_bought"] += total_of(purchase.usage)


def _saved(ask: Ask, outcome: Served) -> list[Mapping[str, object]]:
    """Return the usage of what had not to be bought."""
    free: Sequence[Sample] = outcome.samples
    if Source.FETCHED in outcome.sources:
        given = zip(outcome.sources, outcome.samples, strict=True)
        free = [sample for source, sample in given if source is not Source.FETCHED]
    if len(free) > 1:
        dialect = ask.question.dialect
        try:
            wholes = [dialect.whole(r) if dialect.streamed(r) else r for r in map(_response, free)]
            return [dialect.usage(dialect.join(wholes))[1]]
        except DialectError:
            pass  # what cannot be joined is counted one by one
    return [sample.usage for sample in free if sample.usage]


def _response(sample: Sample) -> Response:
    return sample.response
