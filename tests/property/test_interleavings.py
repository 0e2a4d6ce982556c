"""Every interleaving of a few requests: no sample twice, none bought twice, and no one stuck.

The test is the scheduler. Each request is the pipeline's own steps over a `MemoryStore`; at every
point any request that can go on may be the next one. What was reached before by another order of
the same steps is not gone through again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest

from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.effects import Acquire, Effect, Fill, Poll, Read, Release, Send, Steps, Wait
from cachesaver.engine import Abandoned
from cachesaver.exchange import Headers, Reply, Request, Response, Sample
from cachesaver.identity import identify
from cachesaver.lineage import Drawn, Node, draw, root
from cachesaver.pipeline import Ask, Passing, Served, Through, answer
from cachesaver.ports import Policy, Run
from cachesaver.stores.memory import MemoryStore

ME = "me"
JSON: Headers = (("content-type", "application/json"),)
SSE: Headers = (("content-type", "text/event-stream"),)


class Toy(BaseDialect):
    """`{"n": 2}` asks for two; `{"texts": [...]}` answers; a stream is one text."""

    name = "toy"
    volatile: Mapping[str, str] = {"n": "count", "stream": "form"}
    converts = True

    def count(self, body: Mapping[str, object]) -> int:
        n = body.get("n", 1)
        return n if isinstance(n, int) else 1

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        return request.with_body(orjson.dumps({**body, "n": count}))

    def split(self, response: Response) -> tuple[Response, ...]:
        return tuple(json_response(response, {"texts": [each]}) for each in texts(response))

    def join(self, responses: Sequence[Response]) -> Response:
        return json_response(responses[0], {"texts": [texts(each)[0] for each in responses]})

    def whole(self, response: Response) -> Response:
        return json_response(response, {"texts": [response.body.decode()]})

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        (text,) = texts(response)
        return Response(status=200, headers=SSE, chunks=(text.encode(),))


def texts(response: Response) -> list[str]:
    if response.content_type == "text/event-stream":
        return [response.body.decode()]
    found = json_object(response, dialect="toy")["texts"]
    assert isinstance(found, list)
    return [str(each) for each in cast("list[object]", found)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One request: who asks what, and what becomes of its first try."""

    run: str = "a"
    question: str = "Q"
    n: int = 1
    streams: bool = False
    fails: bool = False
    """The provider refuses it."""
    leaves: bool = False
    """Its caller may go away at any step."""


class Going:
    """A request on its way. *seen*: every result it got, for the scheduler to tell states apart."""

    def __init__(self, plan: Plan, place: int, node: Node) -> None:
        self.plan = plan
        self.place = place
        body = orjson.dumps({"q": plan.question, "n": plan.n, "stream": plan.streams})
        request = Request(method="POST", url="https://x.test/toy", body=body)
        question = identify(request, Toy())
        self.fingerprint = question.fingerprint
        self.drawn: Drawn = draw(node, question.fingerprint, plan.n)
        self.ids = self.drawn.ids
        self.ask = Ask(
            question=question,
            upstream=request,
            run=Run(id="r", namespace=plan.run),
            drawn=self.drawn,
            policy=Policy.RESERVE,
            now=0.0,
            nearest=lambda _: None,
        )
        self.steps: Steps[Any] = answer(self.ask)
        self.effect: Effect[Any] | None = None
        self.waits_since = -1
        self.seen: list[str] = []
        self.got: list[str] | None = None
        self.over = False
        self.passing: Response | None = None

    def start(self) -> None:
        self._go(lambda: next(self.steps))

    def give(self, result: object, said: str) -> None:
        self.seen.append(said)
        self._go(lambda: self.steps.send(result))

    def leave(self) -> None:
        self.seen.append("left")
        self.plan = Plan(run=self.plan.run, question=self.plan.question, n=self.plan.n)
        try:
            self._go(lambda: self.steps.throw(Abandoned()))
        except Abandoned:
            self._end(None)

    def _go(self, resume: Any) -> None:
        try:
            self.effect = resume()
        except StopIteration as stop:
            self._came_to(stop.value)
        except Abandoned:
            self._end(None)

    def _came_to(self, outcome: object) -> None:
        match outcome:
            case Passing():
                # The stream has been read to its last chunk: now it is kept.
                self.passing = Response(
                    status=200,
                    headers=SSE,
                    chunks=tuple(outcome.reply.chunks),  # type: ignore[arg-type]  # a blocking reply
                )
                self.steps = outcome.keep(self.passing)
                self.start()
            case Served(response=response):
                self._end(texts(response))
            case Through():
                self._end(None)
            case _:
                assert self.passing is not None
                self._end(texts(self.passing))

    def _end(self, got: list[str] | None) -> None:
        self.effect, self.over, self.got = None, True, got


@dataclass(slots=True)
class World:
    """A store, a provider that never says the same twice, and the requests between them."""

    going: list[Going]
    store: MemoryStore = field(default_factory=MemoryStore)
    bought: Counter[str] = field(default_factory=Counter[str])
    changes: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """How often a slot was filled or given up."""

    def moves(self) -> Iterator[tuple[int, str]]:
        """Which request may go on, and how."""
        for place, each in enumerate(self.going):
            if each.over:
                continue
            if not (isinstance(each.effect, Wait) and self._is_up(each)):
                yield place, "go"
            if each.plan.leaves and not isinstance(each.effect, Acquire | Release):
                yield place, "leave"

    def _is_up(self, each: Going) -> bool:
        effect = each.effect
        assert isinstance(effect, Wait)
        return self.changes[effect.fingerprint, effect.index] == each.waits_since

    def make(self, place: int, how: str) -> None:
        each = self.going[place]
        if how == "leave":
            each.leave()
        else:
            each.give(*self._done(each))
        if isinstance(each.effect, Wait):
            self._note_wait(each, each.effect)

    def _note_wait(self, each: Going, effect: Wait) -> None:
        """A flight that landed before is no news only if another is up by now."""
        pool = self.store.pool(effect.fingerprint)
        up = effect.index in pool.leases
        each.waits_since = self.changes[effect.fingerprint, effect.index] if up else -1

    def _done(self, each: Going) -> tuple[object, str]:
        match each.effect:
            case Acquire(run=run, fingerprint=key, draws=draws, policy=policy):
                grants = self.store.acquire(run, key, draws, owner=ME, policy=policy)
                return grants, str([(grant.index, bool(grant.token)) for grant in grants])
            case Wait():
                return True, "moved"
            case Poll(fingerprint=key, index=index):
                grant = self.store.poll(key, index, owner=ME)
                return grant, f"poll {bool(grant.token)} {grant.sample is not None}"
            case Send(request=request):
                return self._sent(each, request)
            case Read(reply=reply):
                assert isinstance(reply, Reply)
                return Response(
                    status=reply.status, headers=reply.headers, chunks=tuple(reply.chunks)
                ), "read"
            case Fill() as fill:
                kept = self._filled(fill)
                return kept, f"filled {kept is fill.sample}"
            case Release(run=run, fingerprint=key, index=index, token=token):
                self.store.release(run, key, index, token)
                self.changes[key, index] += 1
                return None, "released"
            case _:
                raise AssertionError(each.effect)

    def _sent(self, each: Going, request: Request) -> tuple[Reply, str]:
        if each.plan.fails:
            return _reply(503, JSON, b"{}"), "refused"
        n = int(orjson.loads(request.body)["n"])
        self.bought[each.fingerprint] += n
        # Named by the request, not by the order of calls: states that are alike compare as alike.
        said = [f"{each.place}.{len(each.seen)}.{k}" for k in range(n)]
        if each.plan.streams:
            return _reply(200, SSE, said[0].encode()), "streaming"
        return _reply(200, JSON, orjson.dumps({"texts": said})), "sent"

    def _filled(self, fill: Fill) -> Sample:
        kept = self.store.fill(
            fill.fingerprint, fill.index, fill.token, fill.sample, question=fill.question
        ).result()
        self.changes[fill.fingerprint, fill.index] += 1
        return kept

    @property
    def state(self) -> str:
        """All that what happens next depends on: what each has seen, and what the store holds."""
        pools = {
            key: (sorted(pool.samples), sorted(pool.leases), sorted(pool.bought.items()), pool.top)
            for key, pool in sorted(self.store._pools.items())
        }
        taken = {
            (run.namespace, key): (
                sorted(each.by_index.items()),
                sorted(each.by_draw),
                each.given_up,
            )
            for run, keys in self.store._taken.items()
            for key, each in keys.items()
        }
        memory = {
            (name, key): sorted(each.indexes.items(), key=str)
            for name, keys in self.store._memories.items()
            for key, each in keys.items()
        }
        seen = [each.seen for each in self.going]
        return repr((seen, pools, sorted(taken.items()), sorted(memory.items())))


def _reply(status: int, headers: Headers, body: bytes) -> Reply:
    return Reply(status=status, headers=headers, chunks=iter((body,)), close=lambda: None)


def world(plans: Sequence[Plan]) -> World:
    nodes = {plan.run: root("0") for plan in plans}
    made = World([Going(plan, place, nodes[plan.run]) for place, plan in enumerate(plans)])
    for each in made.going:
        each.start()
    return made


def ends(plans: Sequence[Plan]) -> Iterator[World]:
    """Go through every order of steps; yield every world that has come to an end."""
    known = set[str]()
    open_ends: list[tuple[tuple[int, str], ...]] = [()]
    while open_ends:
        made = open_ends.pop()
        now = world(plans)
        for move in made:
            now.make(*move)
        if now.state in known:
            continue
        known.add(now.state)
        moves = list(now.moves())
        if all(each.over for each in now.going):
            yield now
            continue
        assert any(how == "go" for _, how in moves), f"stuck after {made}"
        open_ends += [(*made, move) for move in moves]


def draws(now: World) -> Mapping[str, int]:
    """The largest number of draws that any run made of a question, by fingerprint."""
    by_run = Counter[tuple[str, str]]()
    for each in now.going:
        by_run[each.fingerprint, each.plan.run] += each.plan.n
    return {
        key: max(count for (other, _), count in by_run.items() if other == key) for key, _ in by_run
    }


def check_independence(now: World) -> None:
    seen = Counter(
        (each.plan.run, each.fingerprint, text) for each in now.going for text in each.got or ()
    )
    assert all(times == 1 for times in seen.values()), seen


def check_nothing_is_held(now: World) -> None:
    assert not any(pool.leases for pool in now.store._pools.values())


def again(now: World) -> None:
    """Let those who got nothing ask once more: the same draws, and nothing in their way."""
    for each in now.going:
        if each.got is None:
            retried = Going(
                Plan(run=each.plan.run, question=each.plan.question, n=each.plan.n),
                each.place + 10,
                each.drawn._node,
            )
            assert set(retried.ids) <= {name for other in now.going for name in other.ids}
            retried.start()
            alone = World([retried], now.store, now.bought, now.changes)
            while not retried.over:
                alone.make(0, "go")
            each.got = retried.got


PLANS = {
    "three of one run": [Plan(), Plan(), Plan()],
    "three runs": [Plan(run="a"), Plan(run="b"), Plan(run="c")],
    "two of one run and one of another": [Plan(), Plan(), Plan(run="b")],
    "two questions": [Plan(), Plan(question="P"), Plan(run="b")],
    "several at once": [Plan(n=2), Plan(run="b"), Plan(run="b")],
    "several at once, twice": [Plan(n=2), Plan(run="b", n=3)],
    "several at once beside one": [Plan(n=2), Plan(), Plan(run="b", n=2)],
    "streams": [Plan(streams=True), Plan(run="b"), Plan(run="b", streams=True)],
}


@pytest.mark.parametrize("plans", PLANS.values(), ids=PLANS)
def test_each_sample_is_bought_once_and_nobody_gets_one_twice(plans: Sequence[Plan]) -> None:
    worlds = list(ends(plans))

    assert worlds
    for now in worlds:
        assert all(each.got is not None and len(each.got) == each.plan.n for each in now.going)
        check_independence(now)
        check_nothing_is_held(now)
        assert now.bought == draws(now)


FAULTS = {
    "one of a run is refused": [Plan(fails=True), Plan(), Plan(run="b")],
    "one of two runs is refused": [Plan(fails=True), Plan(run="b"), Plan(run="c")],
    "two of three runs are refused": [Plan(fails=True), Plan(run="b", fails=True), Plan(run="c")],
    "one of several at once": [Plan(n=2, fails=True), Plan(run="b", n=2)],
    "one who leads leaves": [Plan(leaves=True), Plan(run="b"), Plan(run="c")],
    "one of a run leaves": [Plan(leaves=True), Plan(), Plan(run="b")],
    "one who wants several leaves": [Plan(n=2, leaves=True), Plan(run="b", n=2)],
    "a stream is left": [Plan(streams=True, leaves=True), Plan(run="b"), Plan(run="b")],
    "two may leave": [Plan(leaves=True), Plan(run="b", leaves=True), Plan(run="c")],
}


@pytest.mark.parametrize("plans", FAULTS.values(), ids=FAULTS)
def test_who_fails_or_leaves_holds_nobody_up(plans: Sequence[Plan]) -> None:
    """Given one that fails, when it asks again, then it is as if it had not failed."""
    worlds = list(ends(plans))

    assert any(each.got is None for now in worlds for each in now.going)
    for now in worlds:
        check_independence(now)
        check_nothing_is_held(now)
        assert all(each.got is not None for each in now.going if not _faulty(plans[each.place]))
        again(now)
        assert all(each.got is not None for each in now.going)
        check_independence(now)
        check_nothing_is_held(now)
        if not any(plan.leaves for plan in plans):  # who leaves may have paid for what it left
            assert now.bought == draws(now)


def _faulty(plan: Plan) -> bool:
    return plan.fails or plan.leaves
