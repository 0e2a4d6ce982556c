"""Recorded exchanges as questions and samples: what a store would have kept of them, had it been there.

Pure. What is kept, under which fingerprint, and without which credentials is decided where it is for live
answers (`buying`, `identity`, `redaction`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

from cachesaver import dialects
from cachesaver.asks import Ask
from cachesaver.batching import Lead
from cachesaver.buying import SUCCESS, keep, sample_of
from cachesaver.canonical import parse_body
from cachesaver.cassettes.readers.values import Interaction
from cachesaver.dialects.passing import passed
from cachesaver.effects import Fill, Steps
from cachesaver.encoding import decoded
from cachesaver.errors import DialectError
from cachesaver.exchange import Reply, Request, Sample
from cachesaver.identity import Question, identify, inputs_of, questions_body
from cachesaver.lineage import Drawn
from cachesaver.options import Rules
from cachesaver.ports import Policy, Run

__all__ = ["Answer", "Verdict", "judged"]

_RUN: Final = Run(id="import", namespace="import")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One sample, and the question it answers (canonical, without secrets)."""

    fingerprint: str
    question: bytes
    sample: Sample
    is_only: bool = False
    """Whether it is the one answer that there is: of an embedding and its like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a recorded exchange.

    Attributes:
        interaction: The exchange.
        answers: Its samples, in their order: several where several were asked for at once.
        dialect: That its request is in; empty where it is no provider call.
        reason: Why it is kept out; empty where it is not.
        remark: What who asks for it has to know; mostly empty.
    """

    interaction: Interaction
    answers: tuple[Answer, ...] = ()
    dialect: str = ""
    reason: str = ""
    remark: str = ""


def judged(
    interactions: Iterable[Interaction], *, hosts: Sequence[str] = (), rules: Rules | None = None
) -> Iterator[Verdict]:
    """Iterate what becomes of each of *interactions*.

    Args:
        interactions: In the order in which they were recorded.
        hosts: Whose requests are questions too, whatever their format: as of `cachesaver.install`.
        rules: As the sessions have them that will ask.
    """
    for interaction in interactions:
        yield _judged(interaction, hosts, rules)


def _judged(interaction: Interaction, hosts: Sequence[str], rules: Rules | None) -> Verdict:
    request, response = interaction.request, interaction.response
    body = parse_body(request)
    dialect = dialects.recognise(request, body.members, hosts=hosts)
    if dialect is None:
        return Verdict(interaction=interaction, reason=_why(request))
    verdict = Verdict(interaction=interaction, dialect=dialect.name)
    if response.status not in SUCCESS:
        return replace(verdict, reason=f"status {response.status}: an error is no answer")
    if decoded(response) is None:
        coding = response.header("content-encoding")
        return replace(verdict, reason=f"its coding cannot be undone here ({coding})")
    question = identify(request, dialect, body, rules=rules)
    found = _looked_up if dialect.deterministic else _drawn
    inputs = inputs_of(question, body, rules=rules) if dialect.deterministic else ()
    answers = found(_ask(question, inputs, interaction), interaction)
    if not answers:
        return replace(verdict, reason="it is no complete answer")
    return replace(verdict, answers=answers, remark=_remark(question, len(answers)))


def _remark(question: Question, found: int) -> str:
    if question.dialect.deterministic or found >= question.count:
        return ""
    return f"asks for {question.count} answers and was given {found}: asked again, it will miss"


def _why(request: Request) -> str:
    if (known := passed(request)) is not None:
        return f"no question: it is about {known.name} ({known.why})"
    return "no provider call we know; name its host to keep it"


def _ask(question: Question, inputs: tuple[Question, ...], interaction: Interaction) -> Ask:
    return Ask(
        question=question,
        upstream=question.request,
        run=_RUN,
        drawn=Drawn(),
        policy=Policy.FRESH,
        now=_when(interaction.recorded),
        nearest=lambda _: None,
        inputs=inputs,
    )


def _drawn(ask: Ask, interaction: Interaction) -> tuple[Answer, ...]:
    """Return the samples of an answer that is drawn, as the pipeline would have kept them."""
    response = interaction.response
    leads = [Lead(index=i, token="", draw="", run=_RUN) for i in range(ask.question.count)]
    reply = Reply(status=response.status, headers=response.headers, chunks=iter(()), close=_nothing)
    keeping = keep(ask, leads, reply, response)
    return tuple(
        Answer(fingerprint=each.fingerprint, question=each.question, sample=each.sample)
        for each in _fills(keeping)
    )


def _fills(keeping: Steps[object]) -> Iterator[Fill]:
    """Iterate what *keeping* would fill: the one thing that it asks for."""
    with contextlib.suppress(StopIteration):
        fill = cast("Fill", next(keeping))
        while True:
            yield fill
            fill = cast("Fill", keeping.send(fill.sample))


def _looked_up(ask: Ask, interaction: Interaction) -> tuple[Answer, ...]:
    """Return the answers to each input, where a question has one answer."""
    plain, dialect = decoded(interaction.response), ask.question.dialect
    if plain is None or not dialect.sound(plain):
        return ()
    try:
        parts = dialect.split_inputs(plain, [each.body for each in ask.inputs])
    except DialectError:
        return ()
    return tuple(
        Answer(
            fingerprint=each.fingerprint,
            question=questions_body(each),
            sample=sample_of(ask, part, ""),
            is_only=True,
        )
        for each, part in zip(ask.inputs, parts, strict=False)
    )


def _nothing() -> None:
    """There is no connection to give back."""


def _when(recorded: str) -> float:
    """Return the Unix time that *recorded* says: RFC 3339, or RFC 9110 (Ruby); 0 where neither."""
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for read in readers:
        try:
            found = read(recorded)
        except (ValueError, OverflowError):  # the latter of hours that no number holds
            continue
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return 0.0
