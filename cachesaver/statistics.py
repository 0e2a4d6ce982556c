"""Counting what a session served and bought."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from cachesaver.exchange import Sample
from cachesaver.pipeline import Ask, Outcome, Passing, Served, Source

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
        tokens_saved: Tokens of the usage blocks of hits and collapsed samples.
        tokens_bought: Tokens of the usage blocks of fetched samples.
    """

    requests: int = 0
    hits: int = 0
    fetched: int = 0
    collapsed: int = 0
    bypassed: int = 0
    errors: int = 0
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


class Tally:
    """Adds up. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = asdict(Statistics())

    def now(self) -> Statistics:
        """Return the counts so far."""
        with self._lock:
            return Statistics(**self._counts)

    def count(self, ask: Ask, outcome: Outcome) -> None:
        """Count one request and what is known of its answer."""
        del ask
        with self._lock:
            self._counts["requests"] += 1
            if isinstance(outcome, Passing):
                return  # counted when it has passed
            if not isinstance(outcome, Served):
                self._counts[_FIELD[outcome.source]] += 1
                return
            for source, sample in zip(outcome.sources, outcome.samples, strict=True):
                self._add(source, sample)

    def passed(self, samples: tuple[Sample, ...]) -> None:
        """Count the samples of a stream that has passed and was kept; none if it was not."""
        with self._lock:
            for sample in samples:
                self._add(Source.FETCHED, sample)
            if not samples:
                self._counts["bypassed"] += 1

    def _add(self, source: Source, sample: Sample) -> None:
        self._counts[_FIELD[source]] += 1
        bought = source is Source.FETCHED
        self._counts["tokens_bought" if bought else "tokens_saved"] += total_tokens(sample.usage)


def total_tokens(usage: Mapping[str, object]) -> int:
    """Return the tokens of a usage block, in the spelling of any provider we know; else 0."""
    for name in ("total_tokens", "totalTokenCount"):
        if isinstance(total := usage.get(name), int):
            return total
    parts = (usage.get(name) for name in _PARTS)
    return sum(part for part in parts if isinstance(part, int))


_PARTS = (
    "prompt_tokens",  # OpenAI chat
    "completion_tokens",
    "input_tokens",  # Anthropic, OpenAI responses
    "output_tokens",
    "cache_creation_input_tokens",  # Anthropic: beside input_tokens
    "cache_read_input_tokens",
)
