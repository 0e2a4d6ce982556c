"""The way of one request: assign its draws, serve what is stored, buy what is missing.

Sans-IO: steps that yield effects. No client, clock, store or event loop may come in here; a
provider's quirk belongs to its dialect, a client's to its adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from cachesaver.asks import Ask, Purchase, Source, Through
from cachesaver.batching import Hand, Lead, Seat, deal, is_unbroken
from cachesaver.buying import (
    SUCCESS,
    buy,
    keep,
    keep_reply,
    others,
    recorded_refusal,
    refused,
    release,
    send,
)
from cachesaver.credentials import account
from cachesaver.deterministic import look_up
from cachesaver.effects import Acquire, Deal, Enlist, Leave, Poll, Release, Steps, Wait
from cachesaver.errors import NotRecordedError
from cachesaver.exchange import AsyncReply, Reply, Response, Sample
from cachesaver.outcomes import Got, Outcome, Passing, not_recorded, show
from cachesaver.ports import Grant, Policy, Run

__all__ = ["answer"]


def answer(ask: Ask) -> Steps[Outcome]:
    """Answer *ask* from the store, from its provider, or from both.

    Raises:
        NotRecordedError: The policy is READ and not every sample is stored.
    """
    if ask.question.dialect.deterministic:
        return (yield from look_up(ask))
    hand = yield from (_hand(ask) if ask.together else _alone(ask, ask.policy, ask.drawn.ids))
    if (hits := _hits(hand)) is None:
        if (refusal := recorded_refusal(hand.grants)) is not None:
            hand.lay_down()
            yield from release(ask, hand.leads)
            return refusal
        if any(grant.index < 0 for grant in hand.grants):
            ask.drawn.give_back()
            raise _missed(ask, free=sum(grant.index >= 0 for grant in hand.grants))
    leads = list(hand.leads)
    try:
        return (yield from (_answer(ask, hand, leads) if hits is None else show(ask, hits)))
    except GeneratorExit:
        raise  # nobody is left to perform a release
    except BaseException:
        yield from release(ask, leads)
        raise
    finally:
        hand.lay_down()


def _missed(ask: Ask, *, free: int) -> NotRecordedError:
    return not_recorded(ask, ask.question, wanted=len(ask.drawn.ids), free=free)


# --- who gets what


def _hand(ask: Ask) -> Steps[Hand]:
    """Have an index assigned to each draw: of what is stored at once, of what is missing together."""
    known = (yield from _stored(ask)) if ask.policy is Policy.RESERVE else {}
    missing = tuple([draw for draw in ask.drawn.ids if draw not in known])
    if not missing:
        return Hand(grants=tuple([known[draw] for draw in ask.drawn.ids]))
    dealt = yield from _dealt(ask, missing)
    known |= dict(zip(missing, dealt.grants, strict=True))
    return replace(dealt, grants=tuple(known[draw] for draw in ask.drawn.ids))


def _alone(ask: Ask, policy: Policy, draws: Sequence[str]) -> Steps[Hand]:
    grants = yield from Acquire(
        run=ask.run, fingerprint=ask.question.fingerprint, draws=draws, policy=policy
    )
    return Hand(grants=grants, leads=_leads(ask, draws, grants))


def _leads(ask: Ask, draws: Sequence[str], grants: Sequence[Grant]) -> tuple[Lead, ...]:
    return tuple(
        [
            Lead(index=grant.index, token=grant.token, draw=draw, run=ask.run)
            for draw, grant in zip(draws, grants, strict=True)
            if grant.token
        ]
    )


def _stored(ask: Ask) -> Steps[dict[str, Grant]]:
    """Return the draws that need not be bought; a hit waits for no window and no batch."""
    hand = yield from _alone(ask, ask.glance, ask.drawn.ids)
    given = zip(ask.drawn.ids, hand.grants, strict=True)
    return {draw: grant for draw, grant in given if grant.index >= 0}


def _dealt(ask: Ask, draws: tuple[str, ...]) -> Steps[Hand]:
    """Sit down with those who ask the same, and return what *draws* are dealt."""
    question = ask.question
    seat = Seat(run=ask.run, draws=draws, age=ask.age)
    key = (question.fingerprint, ask.policy, account(ask.upstream, question.body))
    try:
        seats = yield from Enlist(fingerprint=question.fingerprint, key=key, seat=seat)
    except GeneratorExit:
        raise  # nobody is left to get up
    except BaseException:
        dealt = (yield from Leave(seat=seat)) or Hand()
        dealt.lay_down()
        yield from release(ask, dealt.leads)
        raise
    if seats:
        yield from _deal(ask, seats)
    if isinstance(seat.error, Exception):
        raise seat.error
    if seat.error is not None:  # who dealt was interrupted, and we are not
        return (yield from _alone(ask, ask.policy, draws))
    return cast("Hand", seat.hand)  # dealt by now, by ourselves or by another


def _deal(ask: Ask, seats: tuple[Seat, ...]) -> Steps[None]:
    """Assign indexes to the draws of all *seats* in their order, and say who buys what."""
    fingerprint, taken = ask.question.fingerprint, list[Lead]()
    try:
        grants = yield from _assigned(ask, seats, taken)
    except GeneratorExit:
        raise  # nobody is left to tell
    except BaseException as error:
        yield from Deal(fingerprint=fingerprint, seats=seats, error=error)
        yield from release(ask, taken, back=False)
        raise
    unbroken = ask.numbering.must_be_unbroken(ask.question)
    hands = deal(seats, grants, ask.limits.most(ask.question), unbroken=unbroken)
    for hand in (yield from Deal(fingerprint=fingerprint, seats=seats, hands=hands)):
        hand.lay_down()
        yield from release(ask, hand.leads, back=False)


def _assigned(
    ask: Ask, seats: Sequence[Seat], taken: list[Lead]
) -> Steps[tuple[tuple[Grant, ...], ...]]:
    """Return the grants of each seat: one `Acquire` for all draws of a run. *taken*: what is led."""
    given = dict[str, Grant]()
    for run in dict.fromkeys(seat.run for seat in seats):
        draws = [draw for seat in seats if seat.run == run for draw in seat.draws]
        hand = yield from _alone(replace(ask, run=run), ask.policy, draws)
        taken += hand.leads
        given |= {_named(run, draw): grant for draw, grant in zip(draws, hand.grants, strict=True)}
    return tuple(tuple(given[_named(seat.run, draw)] for draw in seat.draws) for seat in seats)


def _named(run: Run, draw: str) -> str:
    return f"{run.namespace}\0{run.replicate}\0{run.id}\0{draw}"


# --- what it comes to


def _hits(hand: Hand) -> list[Got] | None:
    """Return what was dealt where that is all there is to say: a sample for each draw."""
    got: list[Got] = []
    for grant in hand.grants:
        if grant.sample is None or grant.refusal is not None:
            return None
        got.append(Got(grant.index, grant.sample, Source.HIT))
    return None if hand.leads else got


def _answer(ask: Ask, hand: Hand, leads: list[Lead]) -> Steps[Outcome]:
    """Answer from *hand*. *leads* grows by what is taken over, so that it is given up in the end."""
    if _is_one_call(ask, hand):
        return (yield from _buy_all(ask, hand.leads))
    bought = dict[str, Sample]()
    if hand.leads:
        result = yield from buy(ask, hand.leads)
        if isinstance(result, Through):
            return result
        # By draw: what another has bought by us may stand where one of ours was in flight before.
        bought = {lead.draw: result[lead.index] for lead in hand.leads if lead.own}
    got = list[Got]()
    for grant, draw in zip(hand.grants, ask.drawn.ids, strict=True):
        if grant.sample is not None:
            got.append(Got(grant.index, grant.sample, Source.HIT))
        elif draw in bought:
            got.append(Got(grant.index, bought[draw], Source.FETCHED))
        else:
            waited = yield from _wait_for(ask, grant, draw, hand, leads)
            if isinstance(waited, Through):
                yield from release(ask, ())
                return waited
            if waited is None:
                raise _missed(ask, free=len(got))
            got.append(waited)
    return (yield from show(ask, got))


def _is_one_call(ask: Ask, hand: Hand) -> bool:
    """Tell whether all that was asked for, and nothing else, is to be bought in one call."""
    if len(hand.leads) != len(hand.grants) or not all(lead.own for lead in hand.leads):
        return False
    most = ask.limits.most(ask.question)
    return (most is None or len(hand.leads) <= most) and (
        is_unbroken(hand.leads) or not ask.numbering.must_be_unbroken(ask.question)
    )


def _buy_all(ask: Ask, leads: Sequence[Lead]) -> Steps[Outcome]:
    """Buy everything that was asked for in one call, and hand a stream on while it arrives."""
    reply, is_right = yield from send(ask, leads)
    if reply.status not in SUCCESS:
        return (yield from refused(ask, leads, reply))
    if not is_right:
        yield from release(ask, leads)
        return others(ask, reply)
    if _streams(ask, reply):
        return _passing(ask, leads, reply)
    kept = yield from keep_reply(ask, leads, reply)
    if isinstance(kept, Through):
        yield from release(ask, leads)
        return kept
    ask.limits.gave(ask.question, len(leads), len(kept))
    if missing := [lead for lead in leads if lead.index not in kept]:
        more = yield from buy(ask, missing)
        if isinstance(more, Through):
            return more
        kept |= more
    return (
        yield from show(ask, [Got(lead.index, kept[lead.index], Source.FETCHED) for lead in leads])
    )


def _passing(ask: Ask, leads: Sequence[Lead], reply: Reply | AsyncReply) -> Passing:
    """Hand *reply* on while it arrives; its samples are kept at its end."""

    def keep_all(response: Response) -> Steps[tuple[Sample, ...]]:
        try:
            bought = yield from keep(ask, leads, reply, response)
        except GeneratorExit:
            raise  # nobody is left to perform a release
        except BaseException:
            yield from release(ask, leads)
            raise
        if bought is None:
            yield from release(ask, leads)
            return ()
        yield from release(ask, [lead for lead in leads if lead.index not in bought], back=False)
        return tuple(bought.values())

    def drop() -> Steps[None]:
        ask.settle(reply, Purchase(known=False))
        return release(ask, leads)

    return Passing(
        reply=reply,
        fingerprint=ask.question.fingerprint,
        indexes=tuple(lead.index for lead in leads),
        finished=ask.question.dialect.finished,
        all_but_finished=ask.question.dialect.all_but_finished,
        keep=keep_all,
        drop=drop,
    )


def _streams(ask: Ask, reply: Reply | AsyncReply) -> bool:
    """Whether to hand the body on while it arrives: everything but a JSON document asked whole."""
    kind = Response(status=reply.status, headers=reply.headers).content_type
    return ask.question.wants_stream or kind != "application/json"


def _wait_for(
    ask: Ask, grant: Grant, draw: str, hand: Hand, leads: list[Lead]
) -> Steps[Got | Through | None]:
    """Wait for another's flight; lead it where its leader is gone, go alone where waiting is vain.

    None where that would mean to buy, and nothing may be bought. *leads* gets what we lead.

    The draw asks for an index again, not for what became of the one it waited for: that may have
    been given up in its name (the call was that of an earlier try), and be another draw's by now.
    """
    fingerprint, index, turn = ask.question.fingerprint, grant.index, 0
    while (yield from Wait(fingerprint=fingerprint, index=index, turn=turn)):
        errand = hand.errands.get(index)
        if errand is not None and errand.refusal is not None:
            return cast("Through", errand.refusal)
        polled = yield from Poll(run=ask.run, fingerprint=fingerprint, index=index)
        if polled.sample is None and not polled.token:
            turn += 1
            continue
        leads += _leads(ask, (draw,), (polled,))
        now = yield from _still(ask, draw, polled)
        if now.sample is not None:
            return Got(now.index, now.sample, _waited(errand))
        if now.token:
            if now is not polled:
                leads += _leads(ask, (draw,), (now,))
            return (yield from _bought_alone(ask, now.index, leads[-1]))
        if now.index < 0:
            return None
        turn, index = (turn + 1 if now.index == index else 0), now.index
    return (yield from _apart(ask, draw, leads))


def _waited(errand: object) -> Source:
    return Source.COLLAPSED if errand is None else Source.FETCHED


def _still(ask: Ask, draw: str, polled: Grant) -> Steps[Grant]:
    """Return what *polled* came to if its index is still that of *draw*; else what *draw* has now.

    It may have lost it: an earlier try of the same draw, which nobody waited for any more, failed
    only now and gave up what both of them held.
    """
    hand = yield from _alone(ask, ask.policy, (draw,))
    (now,) = hand.grants
    if now.index == polled.index:
        return polled
    if polled.token:
        yield from Release(
            run=ask.run,
            fingerprint=ask.question.fingerprint,
            index=polled.index,
            token=polled.token,
            keeps=True,
        )
    return now


def _apart(ask: Ask, draw: str, leads: list[Lead]) -> Steps[Got | Through | None]:
    """Let *draw* have another sample than the one that cannot be waited for."""
    if ask.policy is Policy.READ:
        return None
    hand = yield from _alone(ask, Policy.APART, (draw,))
    (grant,) = hand.grants
    if grant.sample is not None:
        return Got(grant.index, grant.sample, Source.HIT)
    leads += hand.leads
    return (yield from _bought_alone(ask, grant.index, leads[-1]))


def _bought_alone(ask: Ask, index: int, lead: Lead) -> Steps[Got | Through | None]:
    if ask.policy is Policy.READ:
        return None
    bought = yield from buy(ask, (lead,))
    return bought if isinstance(bought, Through) else Got(index, bought[index], Source.FETCHED)
