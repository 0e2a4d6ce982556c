"""Questions with one answer, the test being provider, store and scheduler."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.asks import Ask, Purchase, Source, Through
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.effects import Keep, Look, Poll, Read, Release, Send, Steps, Wait
from cachesaver.errors import DialectError, NotRecordedError, NotReplayableError
from cachesaver.exchange import AsyncReply, Headers, Reply, Request, Response
from cachesaver.identity import identify, inputs_of
from cachesaver.lineage import Drawn
from cachesaver.outcomes import Outcome, Served
from cachesaver.pipeline import answer
from cachesaver.ports import Policy, Run
from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.processes import here

JSON: Headers = (("content-type", "application/json"),)


class Shout(BaseDialect):
    """`{"in": ["a", "b"]}` is answered `{"out": ["A", "B"], "cost": 2}`."""

    name = "shout"
    deterministic = True

    def sound(self, response: Response) -> bool:
        return "out" in json_object(response, dialect=self.name)

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        return tuple({**body, "in": [each]} for each in texts(body))

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        kept = [texts(body)[place] for place in places]
        return request.with_body(orjson.dumps({**body, "in": kept}))

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        out = cast("list[str]", json_object(response, dialect=self.name)["out"])
        if len(out) != len(bodies):
            raise DialectError("not one answer for each", dialect=self.name)
        return tuple(json_response(response, {"out": [each], "cost": 1}) for each in out)

    def join(self, responses: Sequence[Response]) -> Response:
        bodies: list[Any] = [json_object(each, dialect=self.name) for each in responses]
        out = [each for body in bodies for each in body["out"]]
        return json_response(responses[0], {"out": out, "cost": sum(b["cost"] for b in bodies)})

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        return "m", {"cost": json_object(response, dialect=self.name)["cost"]}


def texts(body: Mapping[str, object]) -> list[str]:
    return cast("list[str]", body["in"])


def requested(*inputs: str) -> Request:
    body = orjson.dumps({"in": inputs})
    return Request(method="POST", url="https://x.test/shout", headers=JSON, body=body)


@dataclass
class World:
    """A provider that counts what it is asked, and a store."""

    store: MemoryStore = field(default_factory=MemoryStore)
    asked: list[list[str]] = field(default_factory=list[list[str]])
    refusals: list[int] = field(default_factory=list[int])
    """Statuses of the next answers; 0 for one that is cut short."""
    settled: list[Purchase] = field(default_factory=list[Purchase])
    landed: int = 0
    """How often something changed for those who wait."""

    def ask(self, *inputs: str, policy: Policy = Policy.RESERVE) -> Ask:
        question = identify(requested(*inputs), Shout())
        return Ask(
            question=question,
            upstream=question.request,
            run=Run(id="r", namespace="n"),
            drawn=Drawn(),
            inputs=inputs_of(question),
            policy=policy,
            now=0.0,
            nearest=lambda _: None,
            settle=self.settle,
        )

    def settle(self, reply: Reply | AsyncReply, purchase: Purchase) -> None:
        self.settled.append(purchase)

    def perform(self, effect: Any) -> object:
        match effect:
            case Look():
                return self.store.look(effect.fingerprints, owner=here(), leads=effect.leads)
            case Poll():
                return self.store.poll(effect.fingerprint, effect.index, owner=here())
            case Send():
                return self.live(texts(orjson.loads(effect.request.body)))
            case Read():
                body = b"".join(cast("Reply", effect.reply).chunks)
                return Response(status=effect.reply.status, headers=JSON, chunks=(body,))
            case Keep():
                self.landed += 1
                return tuple(
                    self.store.fill(
                        each.fingerprint, each.index, each.token, each.sample, question=b"q"
                    ).result()
                    for each in effect.fills
                )
            case Release():
                self.landed += 1
                self.store.release(
                    effect.run, effect.fingerprint, 0, effect.token, keeps=effect.keeps
                )
                return None
            case _:
                raise AssertionError(effect)

    def live(self, inputs: list[str]) -> Reply:
        self.asked.append(inputs)
        status = self.refusals.pop(0) if self.refusals else 200
        out = [each.upper() for each in inputs]
        said: dict[str, Any] = {"out": out, "cost": len(out)} if status == 200 else {"error": "no"}
        return Reply(
            status=status or 200,
            headers=JSON,
            chunks=iter([orjson.dumps(said)]),
            close=lambda: None,
        )

    def run(self, ask: Ask) -> Outcome:
        steps = answer(ask)
        result: object = None
        while True:
            try:
                effect = steps.send(result)
            except StopIteration as stop:
                return cast("Outcome", stop.value)
            result = self.perform(effect)

    def say(self, *inputs: str, policy: Policy = Policy.RESERVE) -> list[str]:
        outcome = self.run(self.ask(*inputs, policy=policy))
        assert isinstance(outcome, Served)
        told = orjson.loads(outcome.response.body)
        assert told["cost"] == len(inputs)
        return cast("list[str]", told["out"])


def test_only_what_was_never_seen_goes_upstream() -> None:
    world = World()

    assert world.say("a", "b") == ["A", "B"]
    assert world.say("c", "b", "d", "a") == ["C", "B", "D", "A"]
    assert world.say("d") == ["D"]
    assert world.asked == [["a", "b"], ["c", "d"]]


def test_an_input_that_comes_twice_is_bought_once_and_given_twice() -> None:
    world = World()

    assert world.say("a", "b", "a") == ["A", "B", "A"]
    assert world.asked == [["a", "b"]]


def test_it_is_told_what_came_from_where() -> None:
    world = World()
    world.say("a")

    outcome = world.run(world.ask("b", "a", "b"))

    assert isinstance(outcome, Served)
    assert outcome.sources == (Source.FETCHED, Source.HIT, Source.FETCHED)
    assert outcome.indexes == (0, 0, 0)
    assert [(each.samples, each.usage) for each in world.settled] == [
        (1, {"cost": 1}),
        (1, {"cost": 1}),
    ]


def test_replay_names_the_input_that_is_missing_and_buys_nothing() -> None:
    world = World()
    world.say("a")

    assert world.say("a", "a", policy=Policy.READ) == ["A", "A"]
    with pytest.raises(NotRecordedError) as missed:
        world.run(world.ask("a", "b", policy=Policy.READ))
    assert "asks for 2 sample(s)" in str(missed.value)
    assert missed.value.fingerprint == world.ask("b").inputs[0].fingerprint
    assert world.asked == [["a"]]


def test_refresh_buys_all_of_it_and_keeps_what_was_there() -> None:
    world = World()
    world.say("a")
    (first,) = [sample for _, sample in world.store.samples(world.ask("a").inputs[0].fingerprint)]

    assert world.say("a", "b", policy=Policy.FRESH) == ["A", "B"]
    (kept,) = [sample for _, sample in world.store.samples(world.ask("a").inputs[0].fingerprint)]
    assert kept is first
    assert world.asked == [["a"], ["a", "b"]]
    assert world.say("b") == ["B"]


@pytest.mark.parametrize("status", [429, 500, 503, 400, 0])
def test_what_fails_is_shown_and_stored_nowhere(status: int) -> None:
    world = World(refusals=[status])

    outcome = world.run(world.ask("a", "b"))

    assert isinstance(outcome, Through)
    assert outcome.source is (Source.ERROR if status else Source.BYPASSED)
    assert (outcome.read is not None) is (status == 0)
    assert world.say("a", "b") == ["A", "B"]
    assert world.asked == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("status", [400, 0])
def test_a_refusal_of_what_we_left_of_a_request_is_not_shown_for_it(status: int) -> None:
    """Given one input known, when the rest is refused, then the caller's own request is asked."""
    world = World()
    world.say("a")
    world.refusals = [status, status or 200]

    outcome = world.run(world.ask("a", "b"))

    assert isinstance(outcome, Through)
    assert outcome.read is None
    assert outcome.reply is not None
    assert outcome.reply.status == (status or 200)
    assert world.asked == [["a"], ["b"], ["a", "b"]]
    assert world.say("b") == ["B"]


def test_what_we_left_of_a_request_is_not_asked_with_it_where_nothing_else_may_leave() -> None:
    """Given one input known, when the rest is refused, then the known one is not sent either."""
    world = World()
    world.say("a")
    world.refusals = [400]

    with pytest.raises(NotReplayableError, match="some of its inputs"):
        world.run(replace(world.ask("a", "b"), sealed=True))

    assert world.asked == [["a"], ["b"]]
    assert world.say("b") == ["B"]


def test_answers_that_cannot_be_joined_are_an_error_where_nothing_may_leave() -> None:
    class Apart(Shout):
        def join(self, responses: Sequence[Response]) -> Response:
            raise DialectError("no way", dialect=self.name)

    world = World()
    world.say("a", "b")
    asked = world.ask("a", "b")

    with pytest.raises(DialectError, match="no way"):
        world.run(replace(asked, question=identify(requested("a", "b"), Apart()), sealed=True))

    assert world.asked == [["a", "b"]]


def test_a_rate_limit_of_the_rest_is_shown_as_it_is() -> None:
    world = World()
    world.say("a")
    world.refusals = [429]

    outcome = world.run(world.ask("a", "b"))

    assert isinstance(outcome, Through)
    assert outcome.reply is not None
    assert outcome.reply.status == 429
    assert world.asked == [["a"], ["b"]]


def test_a_client_that_fails_leaves_no_lease() -> None:
    world = World()
    steps = answer(world.ask("a", "b"))
    effect = next(steps)
    while not isinstance(effect, Send):
        effect = steps.send(world.perform(effect))

    effect = steps.throw(ConnectionError("reset"))
    for _ in range(2):  # a lease for each input
        assert isinstance(effect, Release)
        with contextlib.suppress(ConnectionError):
            effect = steps.send(world.perform(effect))

    assert world.say("a", "b") == ["A", "B"]


@dataclass
class Player:
    """One request under way, performed effect by effect."""

    world: World
    steps: Steps[Outcome]
    effect: Any = None
    outcome: Outcome | None = None
    waits_since: int = -1

    @property
    def can_go_on(self) -> bool:
        if self.outcome is not None:
            return False
        return not isinstance(self.effect, Wait) or self.world.landed > self.waits_since

    def go_on(self, *, patience: bool) -> None:
        result: object = patience
        if not isinstance(self.effect, Wait):
            result = None if self.effect is None else self.world.perform(self.effect)
        try:
            self.effect = self.steps.send(result)
            self.waits_since = self.world.landed
            if isinstance(self.effect, Wait):  # what it waits for may have landed before it looked
                self.waits_since -= 1
        except StopIteration as stop:
            self.outcome = stop.value


@given(
    batches=st.lists(
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), min_size=2, max_size=4
    ),
    refusals=st.lists(st.sampled_from([200, 200, 200, 429, 400, 0]), max_size=4),
    schedule=st.data(),
)
def test_whatever_the_order_nothing_is_bought_twice_and_every_answer_is_right(
    batches: list[list[str]], refusals: list[int], schedule: st.DataObject
) -> None:
    """Given overlapping batches at the same time, in any interleaving, some calls failing."""
    world = World(refusals=list(refusals))
    players = [Player(world, answer(world.ask(*batch))) for batch in batches]

    for _ in range(400):
        ready = [player for player in players if player.can_go_on]
        if not ready:
            break
        schedule.draw(st.sampled_from(ready)).go_on(patience=True)
    for _ in range(2000):  # one who waits and looks may have kept the others from their turn
        for player in players:
            if player.can_go_on:
                player.go_on(patience=True)

    assert all(player.outcome is not None for player in players), "somebody waits for ever"
    for player, batch in zip(players, batches, strict=True):
        if isinstance(player.outcome, Served):
            told = orjson.loads(player.outcome.response.body)
            assert told["out"] == [each.upper() for each in batch]
    world.refusals = []
    if all(status == 200 for status in refusals):
        bought = Counter(each for call in world.asked for each in call)
        assert set(bought.values()) <= {1}
    known = {each for call in world.asked for each in call}
    assert world.say(*sorted(known)) == [each.upper() for each in sorted(known)]


def test_two_who_take_over_from_one_do_not_wait_for_each_other() -> None:
    """Given two that wait for the same inputs in opposite order, when their call is refused."""
    world = World(refusals=[429])
    players = [Player(world, answer(world.ask(*batch))) for batch in ("ab", "ab", "ba")]
    first, *others = players
    while not isinstance(first.effect, Send):
        first.go_on(patience=True)
    for other in others:
        while not isinstance(other.effect, Wait):
            other.go_on(patience=True)
    while first.outcome is None:
        first.go_on(patience=True)

    for _ in range(100):  # in turns
        for other in others:
            if other.can_go_on:
                other.go_on(patience=True)

    assert all(isinstance(other.outcome, Served) for other in others)
    assert world.asked == [["a", "b"], ["a"], ["b"]]


def test_who_may_not_wait_buys_for_itself_and_loses_nothing() -> None:
    world = World()
    first = Player(world, answer(world.ask("a")))
    while not isinstance(first.effect, Send):
        first.go_on(patience=True)
    second = Player(world, answer(world.ask("a", "b")))
    while second.outcome is None:
        second.go_on(patience=False)
    while first.outcome is None:
        first.go_on(patience=True)

    assert isinstance(second.outcome, Served)
    assert orjson.loads(second.outcome.response.body)["out"] == ["A", "B"]
    assert world.asked == [["b"], ["a"], ["a"]]
    assert isinstance(first.outcome, Served)
    assert first.outcome.samples[0] is second.outcome.samples[0]  # what is kept, not what came last
    assert world.say("a", "b") == ["A", "B"]
    assert len(world.asked) == 3


def test_an_ask_of_one_that_cannot_be_taken_apart_is_one_question() -> None:
    class Whole(Shout):
        def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
            return (body,)

    question = identify(requested("a", "b"), Whole())

    assert inputs_of(question) == (question,)


def test_an_input_has_one_fingerprint_whatever_it_came_with() -> None:
    world = World()

    alone, (first, second) = world.ask("b").inputs[0], world.ask("a", "b").inputs

    assert alone.fingerprint == second.fingerprint != first.fingerprint
