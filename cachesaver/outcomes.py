"""What a request comes to, and how it is shown: in the form that was asked for, or as a miss.

Sans-IO, like the pipeline it is a part of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cachesaver.asks import Ask, Source, Through
from cachesaver.buying import pass_through
from cachesaver.differences import difference
from cachesaver.effects import Steps
from cachesaver.errors import DialectError, NotRecordedError
from cachesaver.exchange import AsyncReply, Reply, Response, Sample
from cachesaver.identity import Question, questions_body
from cachesaver.numbering import numbered
from cachesaver.ports import Dialect, Policy
from cachesaver.values import value

__all__ = ["Got", "Outcome", "Passing", "Served", "not_recorded", "show"]


@value(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer known whole. *sources*: one for each sample, in the order of *indexes*."""

    response: Response
    sources: tuple[Source, ...]
    indexes: tuple[int, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """A stream on its way to the caller, to be recorded as it passes.

    Attributes:
        reply: To hand on.
        fingerprint: Of the question, and *indexes* of the samples it will be.
        finished: Tells from the decoded stream's last bytes that it has said its last word.
        all_but_finished: Tells from them that nothing but its last word is missing.
        keep: Steps to take with the whole recording before the caller sees its end.
        drop: Steps to take when it broke off, or the caller left before the last word.
    """

    reply: Reply | AsyncReply
    fingerprint: str
    indexes: tuple[int, ...]
    finished: Callable[[bytes], bool]
    all_but_finished: Callable[[bytes], bool]
    keep: Callable[[Response], Steps[tuple[Sample, ...]]]
    drop: Callable[[], Steps[None]]


Outcome = Served | Passing | Through


@value(frozen=True, slots=True)
class Got:
    """What one draw came to."""

    index: int
    sample: Sample
    source: Source


def show(ask: Ask, got: Sequence[Got]) -> Steps[Outcome]:
    """Give the caller its samples in the form it asked for."""
    parts = [each.sample.response for each in got]
    try:
        response = numbered(_in_form(ask.question, parts), ask.question, parts)
    except DialectError as error:
        if ask.policy is Policy.READ or ask.sealed:
            raise
        # Stored in a form that cannot be turned into the one asked for: no answer of ours is right.
        return (yield from pass_through(ask, str(error)))
    return Served(
        response=response,
        sources=tuple([each.source for each in got]),
        indexes=tuple([each.index for each in got]),
        samples=tuple([each.sample for each in got]),
    )


def _in_form(question: Question, responses: list[Response]) -> Response:
    dialect, request, body = question.dialect, question.request, question.body
    if question.count == 1:
        (response,) = responses
        if dialect.fits(response, request, body):
            return response
    wholes = [
        _sound(dialect, dialect.whole(each)) if dialect.streamed(each) else each
        for each in responses
    ]
    joined = dialect.join(wholes) if question.count > 1 else wholes[0]
    if dialect.fits(joined, request, body):
        return joined
    return _sound(dialect, dialect.stream(joined, request, body))


def _sound(dialect: Dialect, made: Response) -> Response:
    """Return *made*, turned from the other form, if it is an answer its dialect would take.

    A recording may be sound in its own form, and odd enough for nothing to be made of it.
    """
    if not dialect.sound(made):
        raise DialectError("what was made of the other form is no answer", dialect=dialect.name)
    return made


def not_recorded(ask: Ask, question: Question, *, wanted: int, free: int) -> NotRecordedError:
    """Return the error for *question*, of which *wanted* samples were wanted and *free* are there."""
    near = ask.nearest(question.canonical)
    if near is None:
        told = "The store holds no question of this kind."
    elif near == questions_body(question):
        told = "This very question is stored, but all its samples are taken in this run already."
    else:
        told = "What differs from the nearest stored question:\n" + difference(
            near, questions_body(question), brief=True
        )
    return NotRecordedError(
        ask.upstream.summary,
        fingerprint=question.fingerprint,
        namespace=ask.run.namespace,
        wanted=wanted,
        free=free,
        near=told,
        advice=ask.advice(),
    )
