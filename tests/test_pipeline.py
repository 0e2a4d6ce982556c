"""The way of one request, driven by hand: every effect is seen, every answer is scripted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest

from cachesaver.asks import Ask, Source, Through
from cachesaver.batching import Errand, Hand, Lead, Seat, deal
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.effects import (
    Acquire,
    Deal,
    Enlist,
    Fill,
    Leave,
    Poll,
    Read,
    Release,
    Send,
    Steps,
    Together,
    Wait,
)
from cachesaver.errors import DialectError, NotRecordedError
from cachesaver.exchange import Headers, Reply, Request, Response, Sample
from cachesaver.identity import identify
from cachesaver.lineage import draw, root
from cachesaver.outcomes import Passing, Served
from cachesaver.pipeline import answer
from cachesaver.ports import Dialect, Grant, Policy, Run


class Toy(BaseDialect):
    """`{"n": 2}` asks for two; `{"texts": [...]}` answers; a stream is one line a text."""

    name = "toy"
    volatile: Mapping[str, str] = {"n": "count", "stream": "form"}
    max_count = 3
    converts = True

    def count(self, body: Mapping[str, object]) -> int:
        n = body.get("n", 1)
        return n if isinstance(n, int) else 1

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        return request.with_body(orjson.dumps({**body, "n": count}))

    def sound(self, response: Response) -> bool:
        return b"error" not in response.body

    def split(self, response: Response) -> tuple[Response, ...]:
        texts = json_object(response, dialect=self.name)["texts"]
        assert isinstance(texts, list)
        return tuple(
            json_response(response, {"texts": [each]}) for each in cast("list[str]", texts)
        )

    def join(self, responses: Sequence[Response]) -> Response:
        texts: list[Any] = [orjson.loads(each.body)["texts"][0] for each in responses]
        return json_response(responses[0], {"texts": texts})

    def whole(self, response: Response) -> Response:
        return json_response(response, {"texts": response.body.decode().split()})

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        texts = json_object(response, dialect=self.name)["texts"]
        assert isinstance(texts, list)
        return streamed(*cast("list[str]", texts))


class NoWayBack(Toy):
    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        raise DialectError("no", dialect=self.name)


JSON: Headers = (("content-type", "application/json"),)
SSE: Headers = (("content-type", "text/event-stream"),)
RUN = Run(id="r", namespace="ns")


def whole(*texts: str) -> Response:
    return Response(
        status=200, headers=JSON, chunks=(orjson.dumps({"texts": texts}),), offsets=(1.0,)
    )


def streamed(*texts: str) -> Response:
    chunks = tuple(f"{text}\n".encode() for text in texts)
    return Response(
        status=200, headers=SSE, chunks=chunks, offsets=tuple(map(float, range(len(chunks))))
    )


def sample(text: str) -> Sample:
    return Sample(response=whole(text), draw="d")


def live(response: Response) -> Reply:
    return Reply(
        status=response.status,
        headers=response.headers,
        chunks=iter(response.chunks),
        close=lambda: None,
    )


def ask(
    n: int = 1,
    *,
    dialect: Dialect | None = None,
    policy: Policy = Policy.RESERVE,
    stream: bool = False,
) -> Ask:
    body = orjson.dumps({"q": "?", "n": n, "stream": stream})
    request = Request(method="POST", url="https://x.test/toy", body=body)
    question = identify(request, dialect or Toy())
    return Ask(
        question=question,
        upstream=request,
        run=RUN,
        drawn=draw(root("0"), question.fingerprint, question.count),
        policy=policy,
        now=100.0,
        nearest=lambda _: None,
    )


class Script:
    """Drives steps with scripted results, and says what they wanted."""

    def __init__(self, asked: Ask | Steps[Any]) -> None:
        self.steps = answer(asked) if isinstance(asked, Ask) else asked
        self.outcome: Any = None
        self.effect: Any = next(self.steps)

    @property
    def is_over(self) -> bool:
        return self.outcome is not None

    def give(self, result: object) -> Any:
        return self._go(lambda: self.steps.send(result))

    def throw(self, error: BaseException) -> Any:
        return self._go(lambda: self.steps.throw(error))

    def _go(self, resume: Any) -> Any:
        try:
            self.effect = resume()
        except StopIteration as stop:
            self.effect, self.outcome = None, stop.value
        return self.effect

    def drain(self) -> list[Any]:
        """Answer releases and fills until the end; return them."""
        seen = list[Any]()
        while isinstance(self.effect, Release | Fill):
            seen.append(self.effect)
            self.give(self.effect.sample if isinstance(self.effect, Fill) else None)
        return seen


def lead(index: int) -> Grant:
    return Grant(index=index, token=f"t{index}")


def hit(index: int, text: str) -> Grant:
    return Grant(index=index, sample=sample(text))


def texts(outcome: Served) -> list[str]:
    found: list[str] = orjson.loads(outcome.response.body)["texts"]
    return found


def test_a_hit_is_one_acquire_and_nothing_else() -> None:
    asked = ask()
    script = Script(asked)

    assert script.effect == Acquire(
        run=RUN,
        fingerprint=asked.question.fingerprint,
        draws=asked.drawn.ids,
        policy=Policy.RESERVE,
    )
    assert script.give((hit(4, "a"),)) is None

    assert isinstance(script.outcome, Served)
    assert script.outcome.response == whole("a")
    assert (script.outcome.sources, script.outcome.indexes) == ((Source.HIT,), (4,))


def test_a_miss_is_sent_read_and_on_disk_before_it_is_answered() -> None:
    script = Script(ask())

    sent = script.give((lead(0),))
    assert isinstance(sent, Send)
    reply = live(whole("a"))
    assert script.give(reply) == Read(reply=reply)
    fill = script.give(whole("a"))

    assert isinstance(fill, Fill)
    assert (fill.index, fill.token, fill.sample.response) == (0, "t0", whole("a"))
    assert (fill.sample.created, fill.sample.latency) == (101.0, 1.0)
    assert not script.is_over
    script.give(fill.sample)
    assert texts(script.outcome) == ["a"]
    assert script.outcome.sources == (Source.FETCHED,)


def test_the_loser_of_a_race_answers_with_the_winners_sample() -> None:
    script = Script(ask())
    script.give((lead(0),))
    script.give(live(whole("mine")))
    script.give(whole("mine"))

    script.give(sample("theirs"))

    assert texts(script.outcome) == ["theirs"]


def test_only_what_is_missing_is_bought_and_all_is_joined_in_the_order_of_draws() -> None:
    script = Script(ask(4))

    sent = script.give((hit(0, "a"), lead(2), hit(1, "b"), lead(3)))
    assert orjson.loads(sent.request.body)["n"] == 2
    script.give(live(whole("c", "d")))
    script.give(whole("c", "d"))
    filled = script.drain()

    assert [(fill.index, fill.token) for fill in filled] == [(2, "t2"), (3, "t3")]
    assert texts(script.outcome) == ["a", "c", "b", "d"]
    assert script.outcome.sources == (Source.HIT, Source.FETCHED, Source.HIT, Source.FETCHED)


def test_each_sample_is_bought_for_its_own_draw() -> None:
    asked = ask(3)
    script = Script(asked)
    script.give((lead(0), hit(7, "x"), lead(1)))
    script.give(live(whole("a", "b")))
    script.give(whole("a", "b"))

    filled = script.drain()

    assert [fill.sample.draw for fill in filled] == [asked.drawn.ids[0], asked.drawn.ids[2]]


def test_a_provider_that_gives_fewer_is_asked_again_for_the_rest() -> None:
    """Given a provider that ignores n (OpenRouter does), when two are asked, then it is called twice."""
    script = Script(ask(2))
    script.give((lead(0), lead(1)))
    script.give(live(whole("a")))
    script.give(whole("a"))
    script.drain()

    assert isinstance(script.effect, Send)
    assert orjson.loads(script.effect.request.body)["n"] == 1
    script.give(live(whole("b")))
    script.give(whole("b"))
    script.drain()

    assert texts(script.outcome) == ["a", "b"]


def test_more_than_the_dialect_allows_goes_out_in_several_calls() -> None:
    script = Script(ask(5))
    script.give(tuple(map(lead, range(5))))

    assert isinstance(script.effect, Together)
    asked, results = list[int](), list[Any]()
    for steps in script.effect.parts:
        call = Script(steps)
        assert isinstance(call.effect, Send)
        n = orjson.loads(call.effect.request.body)["n"]
        asked.append(n)
        response = whole(*(f"{len(asked)}.{k}" for k in range(n)))
        call.give(live(response))
        call.give(response)
        call.drain()
        results.append(call.outcome)
    script.give(tuple(results))

    assert asked == [3, 2]
    assert texts(script.outcome) == ["1.0", "1.1", "1.2", "2.0", "2.1"]


@pytest.mark.parametrize("grants", [(lead(0), lead(1)), (hit(0, "a"), lead(1))])
def test_an_error_answer_is_passed_on_and_everything_given_back(grants: tuple[Grant, ...]) -> None:
    asked = ask(2)
    script = Script(asked)
    script.give(grants)

    reply = live(Response(status=429, headers=JSON, chunks=(b"{}",)))
    script.give(reply)
    released = script.drain()

    assert [(each.index, each.token) for each in released] == [
        (grant.index, grant.token) for grant in grants if grant.token
    ]
    assert isinstance(script.outcome, Through)
    assert script.outcome.reply is reply
    assert script.outcome.source is Source.ERROR
    again = draw(asked.drawn._node, asked.question.fingerprint, 2)
    assert again.ids == asked.drawn.ids


@pytest.mark.parametrize("moment", ["send", "read", "fill"])
def test_a_failure_releases_and_keeps_the_error(moment: str) -> None:
    script = Script(ask())
    script.give((lead(0),))
    if moment != "send":
        script.give(live(whole("a")))
    if moment == "fill":
        script.give(whole("a"))

    script.throw(ConnectionError("reset"))
    assert isinstance(script.effect, Release)

    with pytest.raises(ConnectionError, match="reset"):
        script.give(None)


def test_a_2xx_that_is_no_answer_is_passed_on_and_not_kept() -> None:
    script = Script(ask())
    script.give((lead(0),))
    broken = Response(status=200, headers=JSON, chunks=(b'{"error":1}',))
    script.give(live(broken))
    script.give(broken)
    script.drain()

    assert isinstance(script.outcome, Through)
    assert script.outcome.source is Source.BYPASSED
    assert script.outcome.read == broken


def test_an_answer_that_cannot_be_split_is_passed_on() -> None:
    script = Script(ask(2))
    script.give((lead(0), lead(1)))
    odd = Response(status=200, headers=JSON, chunks=(b"not json",))
    script.give(live(odd))
    script.give(odd)

    assert len(script.drain()) == 2
    assert isinstance(script.outcome, Through)


class TestStreams:
    def test_a_stream_is_handed_on_while_it_arrives_and_kept_at_its_end(self) -> None:
        script = Script(ask(stream=True))
        script.give((lead(0),))
        reply = live(streamed("a", "b"))
        script.give(reply)

        assert isinstance(script.outcome, Passing)
        assert script.outcome.reply is reply
        steps = script.outcome.keep(streamed("a", "b"))
        fill = next(steps)
        assert isinstance(fill, Fill)
        assert fill.sample.response == streamed("a", "b")

    def test_a_stream_that_breaks_releases_its_slot(self) -> None:
        script = Script(ask(stream=True))
        script.give((lead(0),))
        script.give(live(streamed("a")))

        assert isinstance(next(script.outcome.drop()), Release)

    def test_a_stream_that_ends_in_an_error_releases_its_slot(self) -> None:
        script = Script(ask(stream=True))
        script.give((lead(0),))
        script.give(live(streamed("a")))

        assert isinstance(next(script.outcome.keep(streamed("a", "error"))), Release)

    def test_a_stream_that_cannot_be_kept_releases_its_slot(self) -> None:
        script = Script(ask(stream=True))
        script.give((lead(0),))
        script.give(live(streamed("a")))
        steps = script.outcome.keep(streamed("a"))
        next(steps)

        assert isinstance(steps.throw(OSError("full")), Release)
        with pytest.raises(OSError, match="full"):
            steps.send(None)

    def test_steps_that_are_closed_ask_for_nothing_more(self) -> None:
        script = Script(ask(stream=True))
        script.give((lead(0),))
        script.give(live(streamed("a")))
        keeping, answering = script.outcome.keep(streamed("a")), Script(ask())
        next(keeping)
        answering.give((lead(0),))

        keeping.close()
        answering.steps.close()

    def test_a_recorded_stream_keeps_its_seams(self) -> None:
        script = Script(ask(stream=True))
        recorded = Sample(response=streamed("a", "b"), draw="d")
        script.give((Grant(index=0, sample=recorded),))

        assert script.outcome.response == streamed("a", "b")

    def test_either_form_answers_the_other(self) -> None:
        to_stream, to_whole = Script(ask(stream=True)), Script(ask())

        to_stream.give((hit(0, "a"),))
        to_whole.give((Grant(index=0, sample=Sample(response=streamed("a"), draw="d")),))

        assert to_stream.outcome.response == streamed("a")
        assert texts(to_whole.outcome) == ["a"]

    def test_a_form_that_cannot_be_had_goes_out_live(self) -> None:
        script = Script(ask(stream=True, dialect=NoWayBack()))

        sent = script.give((hit(0, "a"),))

        assert isinstance(sent, Send)
        script.give(live(streamed("x")))
        assert script.outcome.source is Source.BYPASSED


class TestWaiting:
    def test_another_flight_is_waited_for(self) -> None:
        asked = ask()
        script, fingerprint = Script(asked), asked.question.fingerprint

        assert script.give((Grant(index=3),)) == Wait(fingerprint=fingerprint, index=3)
        assert script.give(True) == Poll(run=RUN, fingerprint=fingerprint, index=3)
        assert script.give(Grant(index=3)) == Wait(fingerprint=fingerprint, index=3, turn=1)
        script.give(True)
        assert isinstance(script.give(hit(3, "a")), Acquire)
        script.give((hit(3, "a"),))

        assert texts(script.outcome) == ["a"]
        assert script.outcome.sources == (Source.COLLAPSED,)

    def test_the_flight_of_a_dead_leader_is_taken_over(self) -> None:
        script = Script(ask())
        script.give((Grant(index=3),))
        script.give(True)

        script.give(lead(3))
        assert isinstance(script.give((Grant(index=3),)), Send)

    @pytest.mark.parametrize("polled", [lead(3), hit(3, "another's")])
    def test_what_was_waited_for_must_still_be_ours(self, polled: Grant) -> None:
        """Given a draw whose earlier try failed meanwhile, then it gets what it has now."""
        script = Script(ask())
        script.give((Grant(index=3),))
        script.give(True)

        script.give(polled)
        effect = script.give((hit(5, "a"),))
        if polled.token:
            assert isinstance(effect, Release)
            assert (effect.index, effect.keeps) == (3, True)
            script.give(None)

        assert texts(script.outcome) == ["a"]

    def test_one_who_may_not_wait_gets_another_sample(self) -> None:
        """Given a blocking call on the loop that leads, then it neither waits nor buys that sample."""
        asked = ask()
        script = Script(asked)
        script.give((Grant(index=3),))

        assert script.give(False) == Acquire(
            run=RUN,
            fingerprint=asked.question.fingerprint,
            draws=asked.drawn.ids,
            policy=Policy.APART,
        )
        assert isinstance(script.give((lead(4),)), Send)
        script.give(live(whole("a")))
        fill = script.give(whole("a"))
        assert (fill.index, fill.token) == (4, "t4")

    def test_one_who_may_not_wait_takes_what_is_stored(self) -> None:
        script = Script(ask())
        script.give((Grant(index=3),))
        script.give(False)

        script.give((hit(7, "a"),))

        assert (script.outcome.indexes, script.outcome.sources) == ((7,), (Source.HIT,))

    def test_what_is_led_is_bought_before_waiting_for_others(self) -> None:
        """Given two who lead what the other waits for, then neither waits first."""
        script = Script(ask(2))

        assert isinstance(script.give((Grant(index=0), lead(1))), Send)

    @pytest.mark.parametrize("grants", [(Grant(index=3),), (Grant(index=3), lead(0))])
    def test_a_flight_that_was_taken_over_is_given_up_where_it_fails(
        self, grants: tuple[Grant, ...]
    ) -> None:
        """Given an outage, when leader and successor both fail, then nobody waits for the slot."""
        script = Script(ask(len(grants)))
        script.give(grants)
        if len(grants) > 1:
            script.give(live(whole("a")))
            script.give(whole("a"))
            script.drain()
        script.give(True)
        script.give(lead(3))
        assert isinstance(script.give((Grant(index=3),)), Send)

        released = list[int]()
        script.throw(ConnectionError("reset"))
        with contextlib.suppress(ConnectionError):
            while isinstance(script.effect, Release):
                released.append(script.effect.index)
                script.give(None)

        assert 3 in released


class TestReplay:
    def test_nothing_is_bought_where_a_flight_that_was_waited_for_fails(self) -> None:
        """Given a sister that records, when it gives up, then a replay misses and sends nothing."""
        asked = ask(policy=Policy.READ)
        script = Script(asked)
        assert isinstance(script.give((Grant(index=3),)), Wait)
        script.give(True)

        script.give(lead(3))
        released = script.give((Grant(index=3),))

        assert isinstance(released, Release)
        assert released.token == "t3"
        with pytest.raises(NotRecordedError, match="asks for 1 sample"):
            script.give(None)
        again = draw(asked.drawn._node, asked.question.fingerprint, 1)
        assert again.ids == asked.drawn.ids

    def test_a_flight_that_leaves_nothing_is_a_miss(self) -> None:
        script = Script(ask(policy=Policy.READ))
        script.give((Grant(index=3),))
        script.give(True)
        script.give(hit(3, "another's"))

        with pytest.raises(NotRecordedError):
            script.give((Grant(index=-1),))

    def test_nothing_is_bought_where_a_flight_may_not_be_waited_for(self) -> None:
        script = Script(ask(policy=Policy.READ))
        script.give((Grant(index=3),))

        with pytest.raises(NotRecordedError, match="asks for 1 sample"):
            script.give(False)

    def test_a_miss_raises_and_sends_nothing(self) -> None:
        script = Script(ask(2, policy=Policy.READ))

        with pytest.raises(
            NotRecordedError, match=r"asks for 2 sample.*'ns'.*and 1 of its"
        ) as caught:
            script.give((hit(0, "a"), Grant(index=-1)))

        assert caught.value.fingerprint == ask().question.fingerprint
        assert "holds no question of this kind" in str(caught.value)

    def test_the_miss_shows_what_differs_from_the_nearest(self) -> None:
        asked = ask(policy=Policy.READ)
        near = asked.question.canonical.replace(b'"?"', b'"!"')

        def nearest(_: object) -> bytes:
            return near

        script = Script(replace(asked, nearest=nearest))

        with pytest.raises(NotRecordedError) as caught:
            script.give((Grant(index=-1),))

        assert '-  "q": "!"' in str(caught.value)
        assert '+  "q": "?"' in str(caught.value)


def test_an_ask_shows_neither_credentials_nor_prompt() -> None:
    request = Request(
        method="POST",
        url="https://user:secret-1@x.test/toy?key=secret-2",
        headers=(("authorization", "secret-3"),),
        body=b'{"q": "secret-4"}',
    )
    question = identify(request, Toy())
    shown = repr(replace(ask(), question=question, upstream=request))

    assert "secret" not in shown
    assert question.fingerprint in shown


class TestTogether:
    """What nothing is stored for is assigned and bought with what others miss."""

    @staticmethod
    def _seated(n: int = 1) -> tuple[Script, Enlist]:
        """A request for which nothing is stored, at its seat."""
        script = Script(replace(ask(n), together=True))
        assert script.effect.policy is Policy.STORED
        enlist = script.give((Grant(index=-1),) * n)
        assert isinstance(enlist, Enlist)
        return script, enlist

    def test_a_hit_sits_down_with_nobody(self) -> None:
        script = Script(replace(ask(), together=True))

        assert script.give((hit(0, "a"),)) is None
        assert texts(script.outcome) == ["a"]

    def test_only_what_is_missing_sits_down(self) -> None:
        asked = replace(ask(2), together=True)
        script = Script(asked)

        enlist = script.give((hit(0, "a"), Grant(index=-1)))

        assert enlist.seat.draws == asked.drawn.ids[1:]

    def test_where_everything_is_bought_anew_nothing_stored_is_looked_for(self) -> None:
        script = Script(replace(ask(policy=Policy.FRESH), together=True))

        assert isinstance(script.effect, Enlist)

    def test_who_leads_has_the_draws_of_all_assigned_by_run_and_deals(self) -> None:
        script, enlist = self._seated()
        mine, other = enlist.seat, Seat(run=RUN, draws=("x",))
        third = Seat(run=Run(id="r", namespace="b"), draws=("x",))

        first = script.give((mine, other, third))
        assert (first.run, list(first.draws)) == (RUN, [*mine.draws, "x"])
        second = script.give((lead(0), lead(1)))
        assert (second.run.namespace, list(second.draws)) == ("b", ["x"])
        dealing = script.give((Grant(index=0),))

        assert isinstance(dealing, Deal)
        assert [len(hand.leads) for hand in dealing.hands] == [2, 0, 0]
        mine.hand = dealing.hands[0]
        sent = script.give(())
        assert orjson.loads(sent.request.body)["n"] == 2
        script.give(live(whole("a", "b")))
        script.give(whole("a", "b"))
        filled = script.drain()
        assert [fill.index for fill in filled] == [0, 1]
        assert texts(script.outcome) == ["a"]

    def test_what_nobody_took_is_given_up(self) -> None:
        script, enlist = self._seated()
        gone = Seat(run=RUN, draws=("x",))
        script.give((gone, enlist.seat))
        dealing = script.give((lead(0), lead(1)))
        enlist.seat.hand = dealing.hands[1]

        script.give((dealing.hands[0],))
        released = script.drain()

        assert [(each.index, each.keeps) for each in released] == [(0, False), (1, True)]
        assert isinstance(script.effect, Wait), "for what the other would have bought"

    def test_when_nothing_can_be_assigned_all_are_told(self) -> None:
        script, enlist = self._seated()
        script.give((enlist.seat, Seat(run=Run(id="r", namespace="b"), draws=("x",))))
        script.give((lead(0),))
        error = ValueError("full")

        told = script.throw(error)

        assert isinstance(told, Deal)
        assert told.error is error
        assert isinstance(script.give(()), Release)
        with pytest.raises(ValueError, match="full"):
            script.give(None)

    def test_who_was_told_of_an_error_raises_it(self) -> None:
        script, enlist = self._seated()
        enlist.seat.error = ValueError("full")

        with pytest.raises(ValueError, match="full"):
            script.give(())

    def test_who_was_told_of_an_interrupt_goes_alone(self) -> None:
        """Given a dealer that is interrupted, then that is nobody's error but its own."""
        script, enlist = self._seated()
        enlist.seat.error = KeyboardInterrupt()

        acquire = script.give(())

        assert (acquire.draws, acquire.policy) == (enlist.seat.draws, Policy.RESERVE)
        assert isinstance(script.give((lead(0),)), Send)

    def test_who_gets_up_gives_up_what_it_was_dealt(self) -> None:
        script, enlist = self._seated()
        _, hand = deal([Seat(run=RUN, draws=("x",)), enlist.seat], [[lead(0)], [lead(1)]], 1)
        assert hand.leads[0].index == 1

        leaving = script.throw(TimeoutError())
        assert leaving == Leave(seat=enlist.seat)
        released = script.give(hand)

        assert (released.index, released.keeps) == (1, False)
        with pytest.raises(TimeoutError):
            script.give(None)

    def test_who_gets_up_before_leaves_nothing(self) -> None:
        script, _ = self._seated()
        script.throw(TimeoutError())

        with pytest.raises(TimeoutError):
            script.give(None)

    def test_a_refusal_of_another_ones_call_is_shown(self) -> None:
        asked = replace(ask(), together=True)
        script = Script(asked)
        enlist = script.give((Grant(index=-1),))
        errand = Errand[object](waiting={1})
        enlist.seat.hand = Hand(grants=(Grant(index=1),), errands={1: errand}, place=1)
        assert isinstance(script.give(()), Wait)
        assert errand.waiting == {1}

        errand.refusal = Through(reply=None, source=Source.ERROR, why="status 429", read=whole())
        script.give(True)

        assert script.outcome is errand.refusal
        assert errand.waiting == set()
        assert draw(asked.drawn._node, asked.question.fingerprint, 1).ids == asked.drawn.ids

    def test_what_another_bought_for_it_was_fetched(self) -> None:
        script, enlist = self._seated()
        lead_of_theirs = Lead(index=1, token="t", draw=enlist.seat.draws[0], run=RUN, own=False)
        errand = Errand[object](waiting={1})
        enlist.seat.hand = Hand(
            grants=(Grant(index=lead_of_theirs.index),), errands={1: errand}, place=1
        )
        script.give(())
        script.give(True)
        script.give(hit(1, "a"))
        script.give((hit(1, "a"),))

        assert script.outcome.sources == (Source.FETCHED,)
        assert errand.waiting == set()

    def test_what_was_bought_for_another_is_not_taken(self) -> None:
        """Given a flight that was given up since, when its index is dealt to another, it is theirs."""
        script = Script(replace(ask(2), together=True))
        enlist = script.give((Grant(index=5), Grant(index=-1)))
        other = Seat(run=RUN, draws=("x",))
        script.give((enlist.seat, other))
        dealing = script.give((lead(4), lead(5)))
        enlist.seat.hand = dealing.hands[0]
        script.give(())
        script.give(live(whole("a", "b")))
        script.give(whole("a", "b"))

        script.drain()

        assert isinstance(script.effect, Wait)
        script.give(True)
        script.give(hit(5, "another's"))
        script.give((hit(6, "c"),))
        assert texts(script.outcome) == ["c", "a"]
