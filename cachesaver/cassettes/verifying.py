"""A cassette that is held against live answers: nothing of it is given, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cachesaver.cassettes.answers import sample_of
from cachesaver.cassettes.format import Document
from cachesaver.cassettes.shapes import Shape, differences, shape_of
from cachesaver.cassettes.store import CassetteStore
from cachesaver.dialects import dialects
from cachesaver.errors import DialectError
from cachesaver.exchange import Response, Sample

__all__ = ["Drift", "VerifyingStore"]

_ERRORS = 400
_SHOWN = 200
"""Characters of a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One question whose live answer has not the shape of any that was recorded.

    Attributes:
        fingerprint: Of the question.
        asks: The question, cut short.
        differences: From the recorded answer most like it, a line each.
    """

    fingerprint: str
    asks: str
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n    ".join((f"{self.asks} ({self.fingerprint[:12]})", *self.differences))


class VerifyingStore(CassetteStore):
    """The cassette at *path*, beside which live answers are kept in memory.

    Raises:
        CassetteError: The cassette cannot be read, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, anew=lambda _: True)
        self._live: dict[str, tuple[bytes, dict[str, Sample]]] = {}
        """By fingerprint, the question, and the last answer to each draw."""

    def keeps(self, status: int) -> bool:
        """See `ports.KeepsErrors.keeps`: an error that is the last word is an answer too."""
        return status >= _ERRORS

    def note(self, fingerprint: str, sample: Sample, *, question: bytes) -> Future[Sample]:
        """See `ports.KeepsErrors.note`."""
        return self._append_live(fingerprint, question, sample)

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        """See `ports.Store.fill`; nothing is written."""
        self._append_live(fingerprint, question, sample)
        return super(CassetteStore, self).fill(fingerprint, index, token, sample, question=question)

    def close(self) -> None:
        """See `ports.Store.close`: nothing was recorded."""

    @property
    def drift(self) -> tuple[Drift, ...]:
        """The questions whose live answers are not as recorded, by fingerprint."""
        with self._lock:
            live = {key: (question, dict(given)) for key, (question, given) in self._live.items()}
        return tuple(
            drift
            for fingerprint, (question, given) in sorted(live.items())
            if (drift := self._compared(fingerprint, question, [*given.values()])) is not None
        )

    def _append_live(self, fingerprint: str, question: bytes, sample: Sample) -> Future[Sample]:
        with self._lock:
            _, given = self._live.setdefault(fingerprint, (question, {}))
            given[sample.draw] = sample
        future: Future[Sample] = Future()
        future.set_result(sample)
        return future

    def _compared(self, fingerprint: str, question: bytes, live: list[Sample]) -> Drift | None:
        told = partial(Drift, fingerprint=fingerprint, asks=_asks(question))
        document = self._outdated.get(fingerprint)
        if document is None:
            return told(differences=("it is not recorded",))
        recorded = [*self._shapes(document)]
        lines = list[str]()
        for sample in live:
            nearest = min(
                (differences(each, _shape(question, sample.response)) for each in recorded), key=len
            )
            lines += [each for each in nearest if each not in lines]
        return told(differences=tuple(lines)) if lines else None

    def _shapes(self, document: Document) -> Iterator[Shape]:
        """Iterate the shapes of what was recorded: answers, and errors that were the last word."""
        with self._damages(document.fingerprint):
            answers = [*map(sample_of, document.answers)]
            errors = {each.draw: each for each in map(sample_of, document.errors)}
        answered = {each.draw for each in answers}
        last = [each for draw, each in errors.items() if draw not in answered]
        for sample in (*answers, *last):
            yield _shape(document.question, sample.response)


def _shape(question: bytes, response: Response) -> Shape:
    return shape_of(response, partial(_whole, question))


def _whole(question: bytes, response: Response) -> Response:
    """Return the unstreamed form of *response*; itself where there is none, or nobody knows it."""
    for dialect in dialects():
        if dialect.name == _named(question) and dialect.streamed(response):
            try:
                return dialect.whole(response)
            except DialectError:
                return response
    return response


def _named(question: bytes) -> str:
    """Return the name of the dialect of *question*, which its first line says after the version."""
    return question.partition(b"\n")[0].partition(b" ")[2].partition(b" ")[0].decode()


def _asks(question: bytes) -> str:
    """Return dialect and body of *question*, on one line."""
    body = question.partition(b"\n\n")[2]
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        text = body.decode(errors="replace")
    return f"{_named(question)} {text[:_SHOWN]}{'…' * (len(text) > _SHOWN)}"
