"""The way of one request: assign its draws, serve what is stored, buy what is missing.

Sans-IO: steps that yield effects. No client, clock, store or event loop may come in here; a
provider's quirk belongs to its dialect, a client's to its adapter.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from cachesaver.effects import Acquire, Fill, Poll, Read, Release, Send, Steps, Wait
from cachesaver.encoding import decoded
from cachesaver.errors import DialectError, NotRecordedError
from cachesaver.exchange import AsyncReply, Reply, Request, Response, Sample, without_headers
from cachesaver.identity import Question, difference, questions_body
from cachesaver.lineage import Drawn
from cachesaver.ports import Grant, Policy, Run
from cachesaver.redaction import redact_response

__all__ = ["Ask", "Outcome", "Passing", "Served", "Source", "Through", "answer", "without_ours"]

_SUCCESS = range(200, 300)

_NO_USAGE: Mapping[str, object] = MappingProxyType({})


class Source(enum.Enum):
    """Where a sample came from; the value is what the ledger and `Cache-Status` say."""

    HIT = "hit"
    FETCHED = "fetched"
    COLLAPSED = "collapsed"
    """Waited for another's flight of the same sample."""
    BYPASSED = "bypassed"
    """Passed on live and stored nowhere."""
    ERROR = "error"
    """The provider's error, passed on and stored nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request on its way through.

    Attributes:
        question: What it asks.
        upstream: What goes to the provider, less what is ours.
        run: In which it asks.
        drawn: One draw for each sample it asks for.
        policy: What may be done about a sample that is not stored.
        now: Unix time in seconds at which it came in.
        nearest: For a replay miss: the stored question most like a given one, or None.
    """

    question: Question
    upstream: Request
    run: Run
    drawn: Drawn
    policy: Policy
    now: float
    nearest: Callable[[bytes], bytes | None] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
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
        finished: Tells from the decoded stream's last bytes that it has said its last word.
        keep: Steps to take with the whole recording before the caller sees its end.
        drop: Steps to take when it broke off, or the caller left before the last word.
    """

    reply: Reply | AsyncReply
    indexes: tuple[int, ...]
    finished: Callable[[bytes], bool]
    keep: Callable[[Response], Steps[tuple[Sample, ...]]]
    drop: Callable[[], Steps[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """A live reply passed on as it is and stored nowhere. *read*: its body, where it was read."""

    reply: Reply | AsyncReply
    source: Source
    why: str
    read: Response | None = None


Outcome = Served | Passing | Through


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lead:
    """A slot we are to fill, and the draw it is bought for."""

    index: int
    token: str
    draw: str


def answer(ask: Ask) -> Steps[Outcome]:
    """Answer *ask* from the store, from its provider, or from both.

    Raises:
        NotRecordedError: The policy is READ and not every sample is stored.
    """
    question = ask.question
    grants = yield from Acquire(
        run=ask.run, fingerprint=question.fingerprint, draws=ask.drawn.ids, policy=ask.policy
    )
    if any(grant.index < 0 for grant in grants):
        ask.drawn.give_back()
        raise _not_recorded(ask, free=sum(grant.index >= 0 for grant in grants))
    leads = [
        _Lead(index=grant.index, token=grant.token, draw=draw)
        for grant, draw in zip(grants, ask.drawn.ids, strict=True)
        if grant.token
    ]
    try:
        return (yield from _answer(ask, grants, leads))
    except GeneratorExit:
        raise  # nobody is left to perform a release
    except BaseException:
        yield from _release(ask, leads)
        raise


def _answer(ask: Ask, grants: Sequence[Grant], leads: list[_Lead]) -> Steps[Outcome]:
    """Answer from *grants*. *leads* grows by what is taken over, so that it is given up in the end."""
    samples = {grant.index: grant.sample for grant in grants if grant.sample is not None}
    sources = dict.fromkeys(samples, Source.HIT)
    if leads and len(leads) == len(grants) and _one_call(ask, leads):
        return (yield from _buy_all(ask, leads))
    if leads:
        bought = yield from _buy(ask, leads)
        if isinstance(bought, Through):
            return bought
        samples |= bought
        sources |= dict.fromkeys(bought, Source.FETCHED)
    for grant, draw in zip(grants, ask.drawn.ids, strict=True):
        if grant.index not in samples:
            waited = yield from _wait_for(ask, grant, draw, leads)
            if waited is None:
                raise _not_recorded(ask, free=len(samples))
            if isinstance(waited, Through):
                yield from _release(ask, ())
                return waited
            samples[grant.index], sources[grant.index] = waited
    indexes = tuple(grant.index for grant in grants)
    return (yield from _show(ask, indexes, samples, sources))


def _one_call(ask: Ask, leads: Sequence[_Lead]) -> bool:
    most = ask.question.dialect.max_count
    return most is None or len(leads) <= most


def _buy_all(ask: Ask, leads: Sequence[_Lead]) -> Steps[Outcome]:
    """Buy everything that was asked for in one call, and hand a stream on while it arrives."""
    question = ask.question
    dialect = question.dialect
    request = dialect.ask(ask.upstream, question.body, len(leads))
    reply = yield from Send(request=request)
    if reply.status not in _SUCCESS:
        return (yield from _failed(ask, leads, reply))
    if not _streams(ask, reply):
        indexes = tuple(lead.index for lead in leads)
        bought = yield from _keep_reply(ask, leads, reply)
        if isinstance(bought, Through):
            return bought
        missing = [lead for lead in leads if lead.index not in bought]
        if missing:
            more = yield from _buy(ask, missing)
            if isinstance(more, Through):
                return more
            bought |= more
        return (yield from _show(ask, indexes, bought, dict.fromkeys(bought, Source.FETCHED)))
    return _passing(ask, leads, reply)


def _passing(ask: Ask, leads: Sequence[_Lead], reply: Reply | AsyncReply) -> Passing:
    """Hand *reply* on while it arrives; its samples are kept at its end."""

    def keep(response: Response) -> Steps[tuple[Sample, ...]]:
        try:
            bought = yield from _keep(ask, leads, response)
        except GeneratorExit:
            raise  # nobody is left to perform a release
        except BaseException:
            yield from _release(ask, leads)
            raise
        if bought is None:
            yield from _release(ask, leads)
            return ()
        yield from _release(ask, [lead for lead in leads if lead.index not in bought], back=False)
        return tuple(bought.values())

    def drop() -> Steps[None]:
        return _release(ask, leads)

    return Passing(
        reply=reply,
        indexes=tuple(lead.index for lead in leads),
        finished=ask.question.dialect.finished,
        keep=keep,
        drop=drop,
    )


def _streams(ask: Ask, reply: Reply | AsyncReply) -> bool:
    """Whether to hand the body on while it arrives: everything but a JSON document asked whole."""
    kind = Response(status=reply.status, headers=reply.headers).content_type
    return ask.question.wants_stream or kind != "application/json"


def _buy(ask: Ask, leads: Sequence[_Lead]) -> Steps[dict[int, Sample] | Through]:
    """Buy the samples of *leads*, in as few calls as the dialect and the provider allow."""
    bought = dict[int, Sample]()
    pending = list(leads)
    while pending:
        most = ask.question.dialect.max_count or len(pending)
        wanted = pending[:most]
        request = ask.question.dialect.ask(ask.upstream, ask.question.body, len(wanted))
        reply = yield from Send(request=request)
        if reply.status not in _SUCCESS:
            return (yield from _failed(ask, pending, reply))
        kept = yield from _keep_reply(ask, wanted, reply)
        if isinstance(kept, Through):
            yield from _release(ask, [lead for lead in pending if lead not in wanted])
            return kept
        bought |= kept
        pending = [lead for lead in pending if lead.index not in kept]
    return bought


def _keep_reply(
    ask: Ask, leads: Sequence[_Lead], reply: Reply | AsyncReply
) -> Steps[dict[int, Sample] | Through]:
    response = yield from Read(reply=reply)
    kept = yield from _keep(ask, leads, response)
    if not kept:
        yield from _release(ask, leads)
        why = "not a complete answer"
        return Through(reply=reply, source=Source.BYPASSED, why=why, read=response)
    return kept


def _keep(ask: Ask, leads: Sequence[_Lead], response: Response) -> Steps[dict[int, Sample] | None]:
    """Store the samples of *response* in the slots of *leads*; None when it holds none for sure."""
    parts = _parts(ask, response, len(leads))
    if parts is None:
        return None
    kept = dict[int, Sample]()
    note = questions_body(ask.question)
    for lead, part in zip(leads, parts, strict=False):  # a provider may send fewer, or more
        kept[lead.index] = yield from Fill(
            run=ask.run,
            fingerprint=ask.question.fingerprint,
            index=lead.index,
            token=lead.token,
            sample=_sample(ask, part, lead.draw),
            question=note,
        )
    return kept


def _parts(ask: Ask, response: Response, wanted: int) -> tuple[Response, ...] | None:
    dialect = ask.question.dialect
    plain = decoded(response)
    if plain is None or not dialect.sound(plain):
        return None
    if wanted == 1 and ask.question.count == 1:
        return (plain,)
    try:
        return dialect.split(dialect.whole(plain) if dialect.streamed(plain) else plain)
    except DialectError:
        return None


def _sample(ask: Ask, part: Response, draw: str) -> Sample:
    try:
        model, usage = ask.question.dialect.usage(part)
    except DialectError:
        model, usage = "", _NO_USAGE
    return Sample(
        response=redact_response(part, ask.upstream),
        draw=draw,
        usage=usage,
        model=model,
        created=ask.now + (part.offsets[-1] if part.offsets else 0.0),
        latency=part.offsets[-1] if part.offsets else 0.0,
        first_byte=part.offsets[0] if part.offsets else 0.0,
        user_agent=ask.upstream.header("user-agent") or "",
    )


def _wait_for(
    ask: Ask, grant: Grant, draw: str, leads: list[_Lead]
) -> Steps[tuple[Sample, Source] | Through | None]:
    """Wait for another's flight; lead it where its leader is gone, go alone where we may not wait.

    None where that would mean to buy, and nothing may be bought. *leads* gets what we lead.
    """
    fingerprint = ask.question.fingerprint
    while True:
        if (yield from Wait(fingerprint=fingerprint, index=grant.index)):
            grant = yield from Poll(run=ask.run, fingerprint=fingerprint, index=grant.index)
            if grant.sample is not None:
                return grant.sample, Source.COLLAPSED
            if not grant.token:
                continue
        lead = _Lead(index=grant.index, token=grant.token, draw=draw)
        leads.append(lead)
        if ask.policy is Policy.READ:
            return None
        bought = yield from _buy(ask, (lead,))
        if isinstance(bought, Through):
            return bought
        return bought[grant.index], Source.FETCHED


def _failed(ask: Ask, leads: Sequence[_Lead], reply: Reply | AsyncReply) -> Steps[Through]:
    """Non-2xx: the provider's mood, not a sample. It is passed on and forgotten."""
    yield from _release(ask, leads)
    return Through(reply=reply, source=Source.ERROR, why=f"status {reply.status}")


def _release(ask: Ask, leads: Sequence[_Lead], *, back: bool = True) -> Steps[None]:
    """Free the slots of *leads*, and (*back*) make the next try the same draws again."""
    for lead in leads:
        if lead.token:
            yield from Release(
                run=ask.run,
                fingerprint=ask.question.fingerprint,
                index=lead.index,
                token=lead.token,
            )
    if back:
        ask.drawn.give_back()


def _show(
    ask: Ask,
    indexes: tuple[int, ...],
    samples: dict[int, Sample],
    sources: dict[int, Source],
) -> Steps[Outcome]:
    """Give the caller its samples in the form it asked for."""
    shown = tuple(samples[index] for index in indexes)
    try:
        response = _in_form(ask.question, [sample.response for sample in shown])
    except DialectError as error:
        if ask.policy is Policy.READ:
            raise
        # Stored in a form that cannot be turned into the one asked for: no answer of ours is right.
        reply = yield from Send(request=ask.upstream)
        return Through(reply=reply, source=Source.BYPASSED, why=str(error))
    return Served(
        response=response,
        sources=tuple(sources[index] for index in indexes),
        indexes=indexes,
        samples=shown,
    )


def _in_form(question: Question, responses: list[Response]) -> Response:
    dialect, request, body = question.dialect, question.request, question.body
    if question.count == 1:
        (response,) = responses
        if dialect.fits(response, request, body):
            return response
    wholes = [dialect.whole(each) if dialect.streamed(each) else each for each in responses]
    joined = dialect.join(wholes) if question.count > 1 else wholes[0]
    if dialect.fits(joined, request, body):
        return joined
    return dialect.stream(joined, request, body)


def _not_recorded(ask: Ask, *, free: int) -> NotRecordedError:
    near = ask.nearest(ask.question.canonical)
    if near is None:
        told = "The store holds no question of this kind."
    elif near == questions_body(ask.question):
        told = "This very question is stored, but all its samples are taken in this run already."
    else:
        told = "What differs from the nearest stored question:\n" + difference(
            near, questions_body(ask.question)
        )
    return NotRecordedError(
        ask.upstream.summary,
        fingerprint=ask.question.fingerprint,
        namespace=ask.run.namespace,
        wanted=len(ask.drawn.ids),
        free=free,
        near=told,
    )


def without_ours(request: Request) -> Request:
    """Return *request* less the headers that are meant for us (`x-cachesaver-...`)."""
    ours = [name for name in request.header_names if name.startswith("x-cachesaver-")]
    return replace(request, headers=without_headers(request.headers, ours)) if ours else request
