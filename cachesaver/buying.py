"""Buying samples: one call for many slots, and what becomes of them if it fails.

Sans-IO steps, like the pipeline they are a part of. Whoever buys for others as well (batching.py)
answers for them: their slots are filled, or freed so that each takes over its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cachesaver.asks import Ask, Purchase, Source, Through
from cachesaver.batching import Errand, Lead, calls
from cachesaver.effects import Fill, Note, Read, Release, Send, Steps, Together
from cachesaver.encoding import decoded
from cachesaver.errors import BudgetExceededError, DialectError, NotReplayableError
from cachesaver.estimates import model_of
from cachesaver.exchange import AsyncReply, Reply, Response, Sample
from cachesaver.identity import Question, questions_body
from cachesaver.numbering import Sent, renumbered, sent
from cachesaver.ports import Grant
from cachesaver.redaction import hides_credentials, redact_response

__all__ = [
    "SUCCESS",
    "buy",
    "is_refused_for_good",
    "keep",
    "keep_reply",
    "noted",
    "others",
    "pass_through",
    "recorded_refusal",
    "refused",
    "release",
    "sample_of",
    "send",
    "usage_of",
]

SUCCESS = range(200, 300)

_CANNOT_BE = frozenset({400, 404, 405, 413, 422})
"""Statuses that say the request itself cannot be answered, today or later (RFC 9110, section 15.5)."""


Bought = dict[int, Sample]


def buy(ask: Ask, leads: Sequence[Lead]) -> Steps[Bought | Through]:
    """Buy the samples of *leads*, in as few calls as the dialect and the provider allow."""
    unbroken = ask.numbering.must_be_unbroken(ask.question)
    cut = calls(leads, ask.limits.most(ask.question), unbroken=unbroken)
    if len(cut) == 1:
        return (yield from _call(ask, cut[0]))
    results = yield from Together(parts=tuple(_safely(ask, call) for call in cut))
    bought: Bought = {}
    for result in results:
        if isinstance(result, Through):
            return result
        bought |= result
    return bought


def _safely(ask: Ask, leads: Sequence[Lead]) -> Steps[Bought | Through]:
    try:
        bought = yield from _call(ask, leads)
        if isinstance(bought, Through) and bought.read is None and bought.reply is not None:
            # Only one of several refusals is shown, and none may keep its connection.
            return replace(bought, read=(yield from Read(reply=bought.reply)))
    except GeneratorExit:
        raise  # nobody is left to perform a release
    except BaseException:
        yield from release(ask, leads)
        raise
    return bought


def _call(ask: Ask, leads: Sequence[Lead]) -> Steps[Bought | Through]:
    """Make one call for *leads*, and such others as turn out to be needed."""
    question = ask.question
    try:
        reply, is_right = yield from send(ask, leads)
    except BudgetExceededError:
        if all(lead.own for lead in leads):
            raise
        return (yield from _rest(ask, leads, {}))  # for some of them alone there may be enough
    if reply.status not in SUCCESS:
        if _is_too_much(ask, leads, reply.status):
            return (yield from _alone(ask, reply, leads))
        return (yield from refused(ask, leads, reply))
    if not is_right and any(not lead.own for lead in leads):
        yield from Read(reply=reply)  # shown to nobody, it may not keep its connection
        others(ask, reply)
        return (yield from _rest(ask, leads, {}))
    kept = (yield from keep_reply(ask, leads, reply)) if is_right else others(ask, reply)
    if isinstance(kept, Through):
        if any(not lead.own for lead in leads):
            return (yield from _apart(ask, leads))
        yield from release(ask, leads)
        if len(leads) < question.count:  # it has fewer choices than the caller asked for
            if kept.read is None:
                yield from Read(reply=reply)
            return (yield from pass_through(ask, kept.why))
        return kept
    ask.limits.gave(question, len(leads), len(kept))
    return (yield from _rest(ask, [lead for lead in leads if lead.index not in kept], kept))


def send(ask: Ask, leads: Sequence[Lead]) -> Steps[Sent]:
    """Ask for the samples of *leads* with one call."""
    return sent(
        ask.question,
        ask.upstream,
        leads,
        numbering=ask.numbering,
        drop=lambda reply: ask.settle(reply, Purchase(known=False)),
    )


def others(ask: Ask, reply: Reply | AsyncReply) -> Through:
    """Pass on *reply*, whose samples are others than those asked for."""
    ask.settle(reply, Purchase(known=False))
    return Through(reply=reply, source=Source.BYPASSED, why="other samples of the seed")


def pass_through(ask: Ask, why: str) -> Steps[Through]:
    """Send the request as it came, and show the answer as it comes; stored nowhere.

    Raises:
        NotReplayableError: *ask* is sealed.
    """
    if ask.sealed:
        raise NotReplayableError(ask.upstream.summary, why)
    reply = yield from Send(request=ask.live, count=ask.question.count)
    ask.settle(reply, Purchase(known=False))
    return Through(reply=reply, source=Source.BYPASSED, why=why)


def _is_too_much(ask: Ask, leads: Sequence[Lead], status: int) -> bool:
    """Tell whether a refusal may be one of our asking for several at a time, as nobody did."""
    return is_refused_for_good(status) and len(leads) > ask.question.count


def is_refused_for_good(status: int) -> bool:
    """Tell whether *status* says that a request cannot be answered, today or later."""
    return status in _CANNOT_BE


def _alone(ask: Ask, reply: Reply | AsyncReply, leads: Sequence[Lead]) -> Steps[Bought | Through]:
    """Let everybody ask for what they asked for themselves."""
    yield from Read(reply=reply)
    ask.settle(reply, Purchase())
    return (yield from _apart(ask, leads))


def _apart(ask: Ask, leads: Sequence[Lead]) -> Steps[Bought | Through]:
    """Ask for our own only; where that is answered, asking for more was what was wrong."""
    bought = yield from _rest(ask, leads, {})
    if not isinstance(bought, Through):
        ask.limits.refused(ask.question, len(leads), for_good=True)
    return bought


def _rest(ask: Ask, leads: Sequence[Lead], kept: Bought) -> Steps[Bought | Through]:
    """Buy what is still missing of our own, and leave theirs to the others."""
    yield from release(ask, [lead for lead in leads if not lead.own], back=False)
    own = [lead for lead in leads if lead.own]
    if not own:
        return kept
    more = yield from buy(ask, own)
    return more if isinstance(more, Through) else kept | more


def keep_reply(
    ask: Ask, leads: Sequence[Lead], reply: Reply | AsyncReply
) -> Steps[Bought | Through]:
    """Read *reply* and store its samples; what is no complete answer is passed on."""
    response = yield from Read(reply=reply)
    kept = yield from keep(ask, leads, reply, response)
    if not kept:
        why = "not a complete answer"
        return Through(reply=reply, source=Source.BYPASSED, why=why, read=response)
    return kept


def keep(
    ask: Ask, leads: Sequence[Lead], reply: Reply | AsyncReply, response: Response
) -> Steps[Bought | None]:
    """Store the samples of *response* in the slots of *leads*; None when it holds none for sure."""
    plain = decoded(response)
    parts = None if plain is None else _parts(ask, plain, len(leads))
    if plain is not None and hides_credentials(plain, ask.upstream):
        parts = None
    if plain is None or parts is None:
        ask.settle(reply, Purchase(known=False))
        return None
    model, usage = usage_of(ask, plain)
    ask.settle(reply, Purchase(model=model, usage=usage, samples=min(len(parts), len(leads))))
    kept: Bought = {}
    note = questions_body(ask.question)
    for lead, part in zip(leads, parts, strict=False):  # a provider may send fewer, or more
        kept[lead.index] = yield from Fill(
            run=lead.run,
            fingerprint=ask.question.fingerprint,
            index=lead.index,
            token=lead.token,
            sample=sample_of(ask, renumbered(part, ask.question, lead.index), lead.draw),
            question=note,
        )
    return kept


def _parts(ask: Ask, plain: Response, wanted: int) -> tuple[Response, ...] | None:
    dialect = ask.question.dialect
    if not dialect.sound(plain):
        return None
    if wanted == 1 and ask.question.count == 1:
        return (plain,)
    try:
        return dialect.split(dialect.whole(plain) if dialect.streamed(plain) else plain)
    except DialectError:
        return None


def usage_of(ask: Ask, response: Response) -> tuple[str, Mapping[str, object]]:
    """Return model and usage block of *response*; what cannot be read says nothing.

    Where the answer does not name its model, it is the one that was asked for.
    """
    try:
        model, usage = ask.question.dialect.usage(response)
    except DialectError:
        return model_of(ask.question.body, ask.upstream.url), {}
    return model or model_of(ask.question.body, ask.upstream.url), usage


def sample_of(ask: Ask, part: Response, draw: str) -> Sample:
    """Return what is kept of *part*, bought for *draw*."""
    model, usage = usage_of(ask, part)
    return Sample(
        response=redact_response(part, ask.upstream, ask.question.body, unread=ask.question.unread),
        draw=draw,
        usage=usage,
        model=model,
        created=ask.now + (part.offsets[-1] if part.offsets else 0.0),
        latency=part.offsets[-1] if part.offsets else 0.0,
        first_byte=part.offsets[0] if part.offsets else 0.0,
        user_agent=ask.upstream.header("user-agent") or "",
    )


def refused(ask: Ask, leads: Sequence[Lead], reply: Reply | AsyncReply) -> Steps[Through]:
    """Non-2xx: the provider's mood, not a sample. Passed on, to all it was sent for, and forgotten."""
    why = f"status {reply.status}"
    read = yield from noted(ask, reply, ask.question, *_shown_to(leads))
    if all(lead.own for lead in leads):
        ask.settle(reply, Purchase())
        yield from release(ask, leads)
        return Through(reply=reply, source=Source.ERROR, why=why, read=read)
    response = read or (yield from Read(reply=reply))
    ask.settle(reply, Purchase())
    ask.limits.refused(ask.question, len(leads), for_good=False)
    for errand in _errands(leads):
        errand.refusal = Through(reply=None, source=Source.ERROR, why=why, read=response)
    yield from release(ask, leads, all_of_them=True)
    return Through(reply=reply, source=Source.ERROR, why=why, read=response)


def _shown_to(leads: Sequence[Lead]) -> tuple[str, ...]:
    """Return the first draw of each caller of *leads* that is there to be shown a refusal."""
    first: dict[int, str] = {}
    for lead in leads:
        if lead.own or (lead.errand is not None and lead.place in lead.errand.waiting):
            first.setdefault(lead.place, lead.draw)
    return tuple(dict.fromkeys(first.values()))  # one draw of several runs is one of the cassette's


def noted(
    ask: Ask, reply: Reply | AsyncReply, question: Question, *draws: str
) -> Steps[Response | None]:
    """Keep the error *reply* to *question*, which came to each of *draws*; returns it if it was read.

    Where errors are kept, that is; elsewhere it is left as it is.
    """
    if ask.notes is None or not ask.notes.keeps(reply.status):
        return None
    response = yield from Read(reply=reply)
    plain = decoded(response)
    if plain is not None and not hides_credentials(plain, ask.upstream):
        for draw in draws:
            yield from Note(
                notes=ask.notes,
                fingerprint=question.fingerprint,
                sample=sample_of(ask, plain, draw),
                question=questions_body(question),
            )
    return response


def recorded_refusal(grants: Iterable[Grant]) -> Through | None:
    """Return the error that was recorded for one of *grants*, to be shown in place of an answer."""
    for grant in grants:
        if grant.refusal is not None:
            read = grant.refusal()
            return Through(
                reply=None, source=Source.HIT, why=f"recorded status {read.status}", read=read
            )
    return None


def _errands(leads: Sequence[Lead]) -> list[Errand[object]]:
    return list({id(lead.errand): lead.errand for lead in leads if lead.errand}.values())


def release(
    ask: Ask, leads: Sequence[Lead], *, back: bool = True, all_of_them: bool = False
) -> Steps[None]:
    """Free the slots of *leads*, and (*back*) make the next try the same draws again.

    The draws of others keep their indexes, for whoever wants them takes over; unless
    *all_of_them* are told that there is nothing to be had.
    """
    for lead in leads:
        if lead.token:
            yield from Release(
                run=lead.run,
                fingerprint=ask.question.fingerprint,
                index=lead.index,
                token=lead.token,
                keeps=not (lead.own or all_of_them),
            )
    if back:
        ask.drawn.give_back()
