"""Questions that have one answer: look for it, and buy what nobody has asked for yet.

Sans-IO steps, like the pipeline that hands such requests over. There are no draws and no runs here:
sample 0 of an input is everybody's, and a batch is looked up, bought and kept input by input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from cachesaver.asks import Ask, Purchase, Source, Through
from cachesaver.buying import (
    SUCCESS,
    is_refused_for_good,
    noted,
    pass_through,
    recorded_refusal,
    sample_of,
    usage_of,
)
from cachesaver.effects import Fill, Keep, Look, Poll, Read, Release, Send, Steps, Wait
from cachesaver.encoding import decoded
from cachesaver.errors import DialectError
from cachesaver.exchange import Reply, Response, Sample
from cachesaver.identity import Question, questions_body
from cachesaver.outcomes import Got, Outcome, Served, not_recorded
from cachesaver.ports import Grant, Policy

__all__ = ["look_up"]


@dataclass(slots=True, kw_only=True)
class _Batch:
    """The inputs of one request.

    Attributes:
        places: By fingerprint, where each input stands first.
        got: By fingerprint, what is known of it.
        leads: By fingerprint, the token of what is ours to buy and not bought yet.
        refusal: The error that was recorded, and is to be shown first.
        missing: What is not stored, and may not be bought.
    """

    ask: Ask
    places: Mapping[str, int]
    got: dict[str, Got] = field(default_factory=dict[str, Got])
    leads: dict[str, str] = field(default_factory=dict[str, str])
    refusal: Through | None = None
    missing: tuple[str, ...] = ()

    def note(self, fingerprint: str, grant: Grant, source: Source) -> bool:
        """Note what the store said of *fingerprint*; tell whether it is in flight elsewhere."""
        if grant.sample is not None:
            self.got[fingerprint] = Got(0, grant.sample, source)
        elif grant.token:
            self.leads[fingerprint] = grant.token
        return grant.sample is None and not grant.token

    def question(self, fingerprint: str) -> Question:
        """Return the question that *fingerprint* is of."""
        return self.ask.inputs[self.places[fingerprint]]


def look_up(ask: Ask) -> Steps[Outcome]:
    """Answer *ask*, whose question is deterministic, from the store, its provider, or both.

    What the caller is shown is put together from the samples, the first time too, so that it is
    the same every time. `Policy.FRESH` buys all of it, and shows what it bought.

    Raises:
        NotRecordedError: The policy is READ, or the store's, and not every input is stored.
    """
    first = {each.fingerprint: place for place, each in reversed([*enumerate(ask.inputs)])}
    batch = _Batch(
        ask=ask, places={each: first[each] for each in sorted(first, key=first.__getitem__)}
    )
    try:
        return (yield from _answered(batch))
    except GeneratorExit:
        raise  # nobody is left to perform a release
    except BaseException:
        yield from _release(batch)
        raise


def _answered(batch: _Batch) -> Steps[Outcome]:
    ask = batch.ask
    fresh = ask.policy is Policy.FRESH
    flying = list[str]() if fresh else (yield from _looked(batch, [*batch.places], Source.HIT))
    while True:
        if batch.refusal is not None:
            yield from _release(batch)
            return batch.refusal
        missing = batch.missing or (flying if ask.policy is Policy.READ else ())
        if missing:
            free, missed = len(batch.got), batch.question(missing[0])
            raise not_recorded(ask, missed, wanted=len(batch.places), free=free)
        known = {*batch.got, *flying}
        wanted = [each for each in batch.places if each not in known]
        if wanted and (refusal := (yield from _bought(batch, wanted))):
            return refusal
        if not flying:
            return (yield from _shown(batch))
        # What is ours is bought by now: nobody whom we wait for waits for us.
        flying = yield from _waited(batch, flying)


def _looked(batch: _Batch, wanted: Sequence[str], source: Source) -> Steps[list[str]]:
    """Look for *wanted*; return what is in flight elsewhere, or missing where we may not lead."""
    leads = batch.ask.policy is not Policy.READ
    grants = yield from Look(run=batch.ask.run, fingerprints=tuple(wanted), leads=leads)
    batch.refusal = recorded_refusal(grants)
    given = [*zip(wanted, grants, strict=True)]
    flying = {each: grant for each, grant in given if batch.note(each, grant, source)}
    batch.missing = tuple(each for each, grant in flying.items() if grant.index < 0)
    return [*flying]


def _waited(batch: _Batch, flying: Sequence[str]) -> Steps[list[str]]:
    """Wait for others' flights until there is something to be bought, or nothing in flight.

    Returns:
        What is in flight still. Whatever else is not known is left to us to buy.
    """
    flying, turn = [*flying], 0
    while flying and not batch.leads and batch.refusal is None:
        first = flying[0]
        if not (yield from Wait(fingerprint=first, index=0, turn=turn)):
            # Not worth waiting for: bought without a lease, and kept if its slot is still empty.
            del flying[0]
            turn = 0
            continue
        grant = yield from Poll(run=batch.ask.run, fingerprint=first, index=0)
        if batch.note(first, grant, Source.COLLAPSED):
            turn += 1
        else:  # its call has ended: the others may have been in it
            flying, turn = flying[1:], 0
            if flying:
                flying = yield from _looked(batch, flying, Source.COLLAPSED)
    return flying


def _bought(batch: _Batch, wanted: Sequence[str]) -> Steps[Through | None]:
    """Buy the inputs *wanted* with one call; returns what is to be shown where that failed."""
    ask, dialect = batch.ask, batch.ask.question.dialect
    places = [batch.places[each] for each in wanted]
    is_all = len(places) == len(ask.inputs)
    request = (
        ask.upstream if is_all else dialect.ask_inputs(ask.upstream, ask.question.body, places)
    )
    reply = yield from Send(request=request, count=len(places))
    if reply.status not in SUCCESS and (is_all or not is_refused_for_good(reply.status)):
        read = yield from noted(ask, reply, ask.inputs[0], "")
        ask.settle(reply, Purchase())
        yield from _release(batch)
        return Through(reply=reply, source=Source.ERROR, why=f"status {reply.status}", read=read)
    response = yield from Read(reply=reply)
    answers = _answers(batch, wanted, response) if reply.status in SUCCESS else None
    if answers is None:
        ask.settle(reply, Purchase(known=reply.status not in SUCCESS))
        yield from _release(batch)
        if is_all:
            why = "not a complete answer"
            return Through(reply=reply, source=Source.BYPASSED, why=why, read=response)
        # It answers what we asked, not what the caller did; so does the text of a refusal.
        return (yield from pass_through(ask, "the answer to some of its inputs was not complete"))
    yield from _kept(batch, wanted, answers, cast("Reply", reply))
    return None


def _answers(
    batch: _Batch, wanted: Sequence[str], response: Response
) -> tuple[Response, ...] | None:
    """Return the answer to each input *wanted*, and the whole one after them; None if it has not all."""
    plain, dialect = decoded(response), batch.ask.question.dialect
    if plain is None or not dialect.sound(plain):
        return None
    try:
        parts = dialect.split_inputs(plain, [batch.question(each).body for each in wanted])
    except DialectError:
        return None
    return (*parts, plain) if len(parts) == len(wanted) else None


def _kept(
    batch: _Batch, wanted: Sequence[str], answers: Sequence[Response], reply: Reply
) -> Steps[None]:
    *parts, plain = answers
    ask = batch.ask
    model, usage = usage_of(ask, plain)
    ask.settle(reply, Purchase(model=model, usage=usage, samples=len(parts)))
    samples = [sample_of(ask, part, "") for part in parts]
    fills = zip(wanted, samples, strict=True)
    kept = yield from Keep(fills=tuple(_fill(batch, each, sample) for each, sample in fills))
    shown = samples if ask.policy is Policy.FRESH else kept
    for fingerprint, sample in zip(wanted, shown, strict=True):
        batch.leads.pop(fingerprint, None)
        batch.got[fingerprint] = Got(0, sample, Source.FETCHED)


def _fill(batch: _Batch, fingerprint: str, sample: Sample) -> Fill:
    return Fill(
        run=batch.ask.run,
        fingerprint=fingerprint,
        index=0,
        token=batch.leads.get(fingerprint, ""),
        sample=sample,
        question=questions_body(batch.question(fingerprint)),
    )


def _shown(batch: _Batch) -> Steps[Outcome]:
    """Put the answers together in the order of the inputs, one that came twice in both places."""
    ask = batch.ask
    got = [batch.got[each.fingerprint] for each in ask.inputs]
    responses = [each.sample.response for each in got]
    try:
        joined = responses[0] if len(got) == 1 else ask.question.dialect.join(responses)
    except DialectError as error:
        if ask.policy is Policy.READ or ask.sealed:
            raise
        return (yield from pass_through(ask, str(error)))
    return Served(
        response=joined,
        sources=tuple(each.source for each in got),
        indexes=(0,) * len(got),
        samples=tuple(each.sample for each in got),
    )


def _release(batch: _Batch) -> Steps[None]:
    """End every lease that is still ours."""
    for fingerprint, token in tuple(batch.leads.items()):
        del batch.leads[fingerprint]
        yield from Release(
            run=batch.ask.run, fingerprint=fingerprint, index=0, token=token, keeps=True
        )
