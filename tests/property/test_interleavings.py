"""Every interleaving of a few requests: no sample twice, none bought twice, and no one stuck.

The test is the scheduler. Each request is the pipeline's own steps over a `MemoryStore`, in one
process or in several; at every point any request that can go on may be the next one, a window may
end, a caller may leave, a process may be killed. What was reached before by another order of the
same steps is not gone through again.

At the end stand the mutants: faults planted in the code, which these tests are seen to find.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

import orjson
import pytest

from cachesaver import batching, buying, pipeline
from cachesaver.asks import Ask, Through
from cachesaver.batching import Desk, Hand, Lead, Seat
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.effects import (
    Acquire,
    Deal,
    Effect,
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
from cachesaver.engine import Abandoned
from cachesaver.errors import StoreError
from cachesaver.exchange import Headers, Reply, Request, Response, Sample
from cachesaver.identity import Question, identify
from cachesaver.lineage import Drawn, Node, draw, root
from cachesaver.outcomes import Passing, Served
from cachesaver.ports import Grant, Policy, Run
from cachesaver.stores import leases
from cachesaver.stores.memory import MemoryStore

JSON: Headers = (("content-type", "application/json"),)
SSE: Headers = (("content-type", "text/event-stream"),)


DEAD = set[str]()
"""The processes of the world that is gone through right now that have been killed."""


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes live and die as the test says."""

    def is_alive(owner: str) -> bool:
        return owner not in DEAD

    monkeypatch.setattr(leases, "is_alive", is_alive)
    monkeypatch.setattr(leases, "can_see", bool)


class Toy(BaseDialect):
    """`{"n": 2}` asks for two; `{"texts": [...]}` answers; a stream is one text."""

    name = "toy"
    volatile: Mapping[str, str] = {"n": "count", "stream": "form"}
    converts = True

    def __init__(self, most: int | None = 2) -> None:
        self.max_count = most

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
    together: bool = False
    """What it misses may be bought together with what others miss."""
    most: int | None = 2
    """The most samples that one call may ask for."""
    gives: int | None = None
    """The most samples that the provider gives, whatever it was asked for."""
    process: str = "me"
    killed: bool = False
    """Its process may be killed at any step."""


@cache
def _question(asked: str, n: int, streams: bool, most: int | None) -> Question:  # noqa: FBT001
    body = orjson.dumps({"q": asked, "n": n, "stream": streams})
    request = Request(method="POST", url="https://x.test/toy", body=body)
    return identify(request, Toy(most))


class Going:
    """A request on its way. *seen*: every result it got, for the scheduler to tell states apart."""

    def __init__(self, plan: Plan, place: int, node: Node) -> None:
        self.plan = plan
        self.place = place
        question = _question(plan.question, plan.n, plan.streams, plan.most)
        request = question.request
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
            together=plan.together,
        )
        self.steps: Steps[Any] = pipeline.answer(self.ask)
        self.outer: list[Together] = []
        self.results: list[list[Any]] = []
        self.above: list[Steps[Any]] = []
        self.is_seated = False
        self.under_way = 0
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

    def throw(self, error: BaseException, said: str) -> None:
        self.seen.append(said)
        self._go(lambda: self.steps.throw(error))

    def leave(self) -> None:
        self.seen.append("left")
        self.plan = replace(self.plan, fails=False, leaves=False, killed=False)
        self._go(lambda: self.steps.throw(Abandoned()))

    def vanish(self) -> None:
        """Its process is killed: nothing is released, nobody is told."""
        self.seen.append("killed")
        self._end(None)

    def _go(self, resume: Any) -> None:
        self.is_seated = False
        try:
            self.effect = resume()
        except StopIteration as stop:
            self._ended(stop.value)
        except Abandoned as error:
            if self.above:
                self._raised(error)
            else:
                self._end(None)
        if isinstance(self.effect, Together):
            self._begin(self.effect)

    def _begin(self, effect: Together) -> None:
        """One part after the other, as a blocking engine does it."""
        self.above.append(self.steps)
        self.outer.append(effect)
        self.results.append([])
        self._next_part()

    def _next_part(self) -> None:
        effect, results = self.outer[-1], self.results[-1]
        if len(results) < len(effect.parts):
            self.steps = effect.parts[len(results)]
            self._go(lambda: next(self.steps))
            return
        self._up()
        self._go(lambda: self.steps.send(tuple(results)))

    def _up(self) -> None:
        self.steps = self.above.pop()
        self.outer.pop()
        self.results.pop()

    def _ended(self, value: object) -> None:
        if self.above:
            self.results[-1].append(value)
            self._next_part()
        else:
            self._came_to(value)

    def _raised(self, error: BaseException) -> None:
        self._up()
        self._go(lambda: self.steps.throw(error))

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
    desks: dict[str, Desk] = field(default_factory=dict[str, Desk])
    bought: Counter[str] = field(default_factory=Counter[str])
    dead: set[str] = field(default_factory=set[str])
    lost: Counter[str] = field(default_factory=Counter[str])
    """Of what was bought: what was under way to somebody who left or was killed."""
    changes: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """How often a slot was filled or given up."""

    def moves(self) -> Iterator[tuple[int, str]]:
        """Which request may go on, and how."""
        for place, each in enumerate(self.going):
            if isinstance(each.effect, Send | Read) and not self._may_end(each):
                # Nobody else sees this step: when it is made is all the same.
                yield place, "go"
                return
        begun = [bool(each.seen) for each in self.going]
        for place, each in enumerate(self.going):
            if each.over or self._is_like_one_before(place, begun):
                continue
            if self._can_go(each):
                yield place, "go"
            if each.plan.leaves and not isinstance(each.effect, Acquire | Release | Deal | Leave):
                yield place, "leave"
            if each.plan.killed:
                yield place, "kill"

    def _is_like_one_before(self, place: int, begun: Sequence[bool]) -> bool:
        """Whether another of the same plan could be the first to begin just as well."""
        plans = [each.plan for each in self.going[:place]]
        return not begun[place] and any(
            plan == self.going[place].plan and not begun[other] for other, plan in enumerate(plans)
        )

    def _may_end(self, each: Going) -> bool:
        """Whether it may leave or be killed at any step."""
        killed = any(
            other.plan.killed and other.plan.process == each.plan.process for other in self.going
        )
        return killed or each.plan.leaves

    def _can_go(self, each: Going) -> bool:
        match each.effect:
            case Wait(fingerprint=key, index=index):
                return self.changes[key, index] != each.waits_since
            case Enlist(seat=seat):
                dealt = seat.hand is not None or seat.error is not None
                return not each.is_seated or seat.leads or dealt
            case _:
                return True

    def make(self, place: int, how: str) -> None:
        each = self.going[place]
        if how == "leave":
            self.lost[each.fingerprint] += each.under_way
            each.under_way = 0
            each.leave()
        elif how == "kill":
            self._kill(each.plan.process)
        elif isinstance(each.effect, Enlist) and not each.is_seated:
            each.is_seated = True
            each.seen.append("sat")
            self._desk(each).sit(each.effect.key, each.effect.seat)
        else:
            each.give(*self._done(each))
        if isinstance(each.effect, Wait):
            self._note_wait(each, each.effect)

    def _desk(self, each: Going) -> Desk:
        return self.desks.setdefault(each.plan.process, Desk())

    def _kill(self, process: str) -> None:
        DEAD.add(process)
        self.dead.add(process)
        for each in self.going:
            if each.plan.process == process and not each.over:
                self.lost[each.fingerprint] += each.under_way
                each.vanish()
        for key, pool in self.store._pools.items():
            for index, lease in pool.leases.items():
                if lease.owner == process:
                    self.changes[key, index] += 1

    def _note_wait(self, each: Going, effect: Wait) -> None:
        """A flight that landed before is no news only if another is up by now."""
        pool = self.store.pool(effect.fingerprint)
        up = effect.index in pool.leases
        each.waits_since = self.changes[effect.fingerprint, effect.index] if up else -1

    def _done(self, each: Going) -> tuple[object, str]:  # noqa: C901, PLR0911  # one row an effect
        match each.effect:
            case Acquire(run=run, fingerprint=key, draws=draws, policy=policy):
                grants = self.store.acquire(run, key, draws, owner=each.plan.process, policy=policy)
                return grants, str([(grant.index, bool(grant.token)) for grant in grants])
            case Enlist(seat=seat):
                return self._closed(each, seat)
            case Deal(seats=seats, hands=hands):
                return self._desk(each).hand_out(seats, hands), "dealt"
            case Leave(seat=seat):
                return self._desk(each).leave(seat)[0], "got up"
            case Wait():
                return True, "moved"
            case Poll(fingerprint=key, index=index):
                grant = self.store.poll(key, index, owner=each.plan.process)
                return grant, f"poll {bool(grant.token)} {grant.sample is not None}"
            case Send(request=request):
                return self._sent(each, request)
            case Read(reply=reply):
                assert isinstance(reply, Reply)
                return Response(
                    status=reply.status, headers=reply.headers, chunks=tuple(reply.chunks)
                ), "read"
            case Fill() as fill:
                kept = self._filled(each, fill)
                return kept, f"filled {kept is fill.sample}"
            case Release(run=run, fingerprint=key, index=index, token=token, keeps=keeps):
                self.store.release(run, key, index, token, keeps=keeps)
                self.changes[key, index] += 1
                return None, "released"
            case _:
                raise AssertionError(each.effect)

    def _closed(self, each: Going, seat: Seat) -> tuple[tuple[Seat, ...], str]:
        if seat.hand is not None or seat.error is not None:
            return (), f"dealt {_said(seat)}"
        seats = self._desk(each).close(seat)
        return seats, f"closed {[other.draws for other in seats]}"

    def _sent(self, each: Going, request: Request) -> tuple[Reply, str]:
        if each.plan.fails:
            return _reply(503, JSON, b"{}"), "refused"
        n = int(orjson.loads(request.body)["n"])
        n = n if each.plan.gives is None else min(n, each.plan.gives)
        self.bought[each.fingerprint] += n
        each.under_way += n
        # Named by the request, not by the order of calls: states that are alike compare as alike.
        said = [f"{each.place}.{len(each.seen)}.{k}" for k in range(n)]
        if each.plan.streams:
            return _reply(200, SSE, said[0].encode()), "streaming"
        return _reply(200, JSON, orjson.dumps({"texts": said})), "sent"

    def _filled(self, each: Going, fill: Fill) -> Sample:
        each.under_way -= 1
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
        seen = [(each.seen, each.drawn._ordinals) for each in self.going]
        open_batches = [
            [(seat.draws, seat.leads, seat.has_left) for seat in batch.seats]
            for _, desk in sorted(self.desks.items())
            for batch in desk._open.values()
        ]
        rest = (sorted(DEAD), open_batches, sorted(taken.items()), sorted(memory.items()))
        return repr((seen, pools, rest))


def _said(seat: Seat) -> object:
    """What a seat was dealt, without what differs from one trial to the next."""
    if seat.hand is None:
        return seat.error
    leads = [(lead.index, lead.draw, lead.own) for lead in seat.hand.leads]
    return [grant.index for grant in seat.hand.grants], leads, sorted(seat.hand.errands)


def _reply(status: int, headers: Headers, body: bytes) -> Reply:
    return Reply(status=status, headers=headers, chunks=iter((body,)), close=lambda: None)


def world(plans: Sequence[Plan]) -> World:
    nodes = {(plan.run, plan.process): root(plan.process) for plan in plans}
    made = World(
        [Going(plan, place, nodes[plan.run, plan.process]) for place, plan in enumerate(plans)]
    )
    DEAD.clear()
    for each in made.going:
        each.start()
    return made


def worlds(plans: Sequence[Plan]) -> Iterator[World]:
    """Go through every order of steps; yield every world that comes of some, once.

    The last move of a world is made in it, and so a world that was yielded lasts until the next one is.
    """
    known = set[str]()
    open_ends: list[tuple[tuple[int, str], ...]] = [()]
    now = None
    while open_ends:
        made = open_ends.pop()
        if now is None:
            now = replayed(plans, made)
        else:
            now.make(*made[-1])
        if now.state in known:
            now = None
            continue
        known.add(now.state)
        moves = list(now.moves())
        yield now
        if all(each.over for each in now.going):
            now = None
            continue
        assert any(how == "go" for _, how in moves), f"stuck after {made}"
        open_ends += [(*made, move) for move in moves]


def replayed(plans: Sequence[Plan], moves: Sequence[tuple[int, str]]) -> World:
    made = world(plans)
    for move in moves:
        made.make(*move)
    return made


MEASURED = 300
"""Worlds of each plan that coverage sees: the thousands after them run the same lines."""


def check_all(plans: Sequence[Plan], check_one: Callable[[World], None]) -> None:
    """Let *check_one* look at every world that has come to an end."""
    watching = sys.gettrace()
    try:
        for place, now in enumerate(worlds(plans)):
            if place == MEASURED:
                sys.settrace(None)
            if all(each.over for each in now.going):
                check_one(now)
    finally:
        sys.settrace(watching)


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


def check_assignment(now: World) -> None:
    """Everybody got what stands at the index that was assigned to it, before anything was bought."""
    for each in now.going:
        taken = now.store._taken[each.ask.run][each.fingerprint]
        stored = now.store.pool(each.fingerprint).samples
        indexes = [taken.by_draw[draw].index for draw in each.ids]
        assert each.got == [texts(stored[index].response)[0] for index in indexes]


def check_nothing_is_held(now: World) -> None:
    held = [lease for pool in now.store._pools.values() for lease in pool.leases.values()]
    assert not [lease for lease in held if lease.owner not in DEAD]
    assert not any(desk._open for process, desk in now.desks.items() if process not in DEAD)


def again(now: World) -> None:
    """Let those who got nothing ask once more: the same draws, and nothing in their way.

    A process that was killed is started again, and asks all that it asked before.
    """
    nodes = dict[tuple[str, str], Node]()
    for each in now.going:
        plan = Plan(
            run=each.plan.run, question=each.plan.question, n=each.plan.n, most=each.plan.most
        )
        if each.plan.process in DEAD:
            key = each.plan.run, each.plan.process
            _ask_again(now, each, plan, nodes.setdefault(key, root(each.plan.process)))
        elif each.got is None:
            _ask_again(now, each, plan, each.drawn._node)


def _ask_again(now: World, each: Going, plan: Plan, node: Node) -> None:
    retried = Going(plan, each.place + 10, node)
    assert set(retried.ids) <= {name for other in now.going for name in other.ids}
    retried.start()
    alone = World([retried], now.store, now.desks, now.bought, now.dead, now.lost, now.changes)
    while not retried.over:
        alone.make(0, "go")
    assert each.got in (None, retried.got), "who asks again gets what it got before"
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
    "together": [Plan(together=True)] * 3,
    "together, of two runs": [Plan(together=True), *[Plan(together=True, run="b")] * 2],
    "together, several at once": [Plan(together=True, n=2), Plan(together=True)],
    "together, more than one call holds": [Plan(together=True, n=3), Plan(together=True)],
    "together in two processes": [
        *[Plan(together=True)] * 2,
        Plan(together=True, run="b", process="other"),
    ],
    "together beside one alone": [*[Plan(together=True, most=None)] * 2, Plan(run="b")],
    "together beside a stream": [*[Plan(together=True)] * 2, Plan(run="b", streams=True)],
    "together, where one is given": [Plan(together=True, gives=1)] * 3,
    "four together, two by two": [Plan(together=True, n=2)] * 2,
    "four of one run": [Plan()] * 4,
    "four of two runs": [Plan(), Plan(), Plan(run="b"), Plan(run="b")],
}


if os.environ.get("CACHESAVER_LONG_TESTS"):  # minutes
    PLANS["four together"] = [Plan(together=True, most=None)] * 4
    PLANS["two together in each of two processes"] = [
        *[Plan(together=True)] * 2,
        *[Plan(together=True, run="b", process="other")] * 2,
    ]


@pytest.mark.parametrize("plans", PLANS.values(), ids=PLANS)
def test_each_sample_is_bought_once_and_nobody_gets_one_twice(plans: Sequence[Plan]) -> None:
    check_all(plans, check)


def check(now: World) -> None:
    """Everybody got what it wanted, no two of a run the same, and no more was bought than that."""
    assert all(each.got is not None and len(each.got) == each.plan.n for each in now.going)
    check_independence(now)
    check_assignment(now)
    check_nothing_is_held(now)
    assert now.bought == draws(now)


LEFT = {
    "one of a run is refused": [Plan(fails=True), Plan(), Plan(run="b")],
    "one of two runs is refused": [Plan(fails=True), Plan(run="b"), Plan(run="c")],
    "two of three runs are refused": [Plan(fails=True), Plan(run="b", fails=True), Plan(run="c")],
    "one of several at once": [Plan(n=2, fails=True), Plan(run="b", n=2)],
    "one who leads leaves": [Plan(leaves=True), Plan(run="b"), Plan(run="c")],
    "one of a run leaves": [Plan(leaves=True), Plan(), Plan(run="b")],
    "one who wants several leaves": [Plan(n=2, leaves=True), Plan(run="b", n=2)],
    "a stream is left": [Plan(streams=True, leaves=True), Plan(run="b"), Plan(run="b")],
    "two may leave": [Plan(leaves=True), Plan(run="b", leaves=True), Plan(run="c")],
    "one of three together leaves": [Plan(together=True, leaves=True), *[Plan(together=True)] * 2],
    "one of two runs leaves": [
        Plan(together=True, leaves=True),
        Plan(together=True),
        Plan(together=True, run="b"),
    ],
    "one of three together is refused": [
        Plan(together=True, fails=True),
        *[Plan(together=True)] * 2,
    ],
    "all together are refused": [Plan(together=True, fails=True)] * 3,
    "one together leaves, one is refused": [
        Plan(together=True, leaves=True),
        Plan(together=True, fails=True),
        Plan(together=True),
    ],
    "a process is killed": [
        *[Plan(process="other", killed=True)] * 2,
        Plan(run="b"),
    ],
    "a process is killed that buys for several": [
        *[Plan(together=True, process="other", killed=True)] * 2,
        Plan(together=True, run="b"),
    ],
    "a process of the run is killed": [
        Plan(process="other", killed=True),
        Plan(),
        Plan(run="b"),
    ],
    "a process is killed in the middle of a stream": [
        Plan(streams=True, process="other", killed=True),
        Plan(run="b"),
    ],
}


if os.environ.get("CACHESAVER_LONG_TESTS"):
    LEFT["two of three together leave"] = [
        *[Plan(together=True, leaves=True)] * 2,
        Plan(together=True),
    ]


@pytest.mark.parametrize("plans", LEFT.values(), ids=LEFT)
def test_who_fails_leaves_or_is_killed_holds_nobody_up(plans: Sequence[Plan]) -> None:
    """Given one that fails, when it asks again, then it is as if it had not failed."""
    failed = 0

    def check_one(now: World) -> None:
        nonlocal failed
        failed += any(each.got is None for each in now.going)
        check_with_a_failure(now)

    check_all(plans, check_one)

    assert failed


def check_with_a_failure(now: World) -> None:
    """Nothing is held, and in the end nothing was bought twice but what was under way to nobody."""
    check_independence(now)
    check_nothing_is_held(now)
    again(now)
    assert all(each.got is not None for each in now.going)
    check_independence(now)
    check_nothing_is_held(now)
    assert now.bought - now.lost == draws(now)


# --- the tests of the tests


def nothing_is_released(ask: Ask, leads: Sequence[Lead], **how: bool) -> Steps[None]:
    yield from ()


def draws_are_not_given_back(ask: Ask, leads: Sequence[Lead], **how: bool) -> Steps[None]:
    return release(ask, leads, **how | {"back": False})


def nobody_inherits(desk: Desk, seat: Seat) -> tuple[Hand | None, Seat | None]:
    hand, heir = leave(desk, seat)
    if heir is not None:
        heir.leads = False
    return hand, None


def who_left_is_dealt(desk: Desk, seats: Sequence[Seat], hands: Sequence[Hand]) -> tuple[Hand, ...]:
    hand_out(desk, seats, hands)
    return ()


def who_left_still_sits(desk: Desk, seat: Seat) -> tuple[Hand | None, Seat | None]:
    return seat.hand, None


def everybody_buys_for_all(
    seats: Sequence[Seat], grants: Sequence[Sequence[Grant]], most: int | None, **chosen: bool
) -> tuple[Hand, ...]:
    hands = deal(seats, grants, most, **chosen)
    leads = tuple(lead for hand in hands for lead in hand.leads)
    return tuple(replace(hand, leads=leads) for hand in hands)


def nobody_buys_for_others(
    seats: Sequence[Seat], grants: Sequence[Sequence[Grant]], most: int | None, **chosen: bool
) -> tuple[Hand, ...]:
    hands = deal(seats, grants, most, **chosen)
    return tuple(
        replace(hand, leads=tuple(lead for lead in hand.leads if lead.own)) for hand in hands
    )


def one_sample_for_all(
    seats: Sequence[Seat], grants: Sequence[Sequence[Grant]], most: int | None, **chosen: bool
) -> tuple[Hand, ...]:
    first, *others = deal(seats, grants, most, **chosen)
    (grant, *_) = first.grants
    waits = Grant(index=grant.index)
    return (first, *(replace(o, grants=(waits,) * len(o.grants), leads=()) for o in others))


def takeover_is_not_led(
    ask: Ask, draws: Sequence[str], grants: Sequence[Grant]
) -> tuple[Lead, ...]:
    leads = led(ask, draws, grants)
    return tuple(replace(lead, token="") for lead in leads) if len(draws) == 1 else leads


def first_come_first_index(
    store: MemoryStore, fingerprint: str, index: int, *rest: Any, **more: Any
) -> Any:
    pool = store.pool(fingerprint)
    if index not in pool.samples:
        index = next(i for i in range(index + 1) if i not in pool.samples)
    return fill(store, fingerprint, index, *rest, **more)


def claims_in_ram(
    store: MemoryStore, run: Run, fingerprint: str, draws: Sequence[str], **how: Any
) -> Any:
    """Each process counts for itself."""
    return acquire(store, replace(run, id=how["owner"]), fingerprint, draws, **how)


def the_dead_keep_their_leases(
    store: MemoryStore, run: Run, fingerprint: str, draws: Sequence[str], **how: Any
) -> Any:
    DEAD.clear()
    return acquire(store, run, fingerprint, draws, **how)


release, led = buying.release, pipeline._leads
deal, leave, hand_out = batching.deal, Desk.leave, Desk.hand_out
acquire, fill = MemoryStore.acquire, MemoryStore.fill

Fault = tuple[Sequence[tuple[object, str]], Callable[..., Any], Sequence[Plan]]

_RELEASE = [(buying, "release"), (pipeline, "release")]

MUTANTS: Mapping[str, Fault] = {
    "nothing is released": (_RELEASE, nothing_is_released, LEFT["one of two runs is refused"]),
    "draws are not given back": (_RELEASE, draws_are_not_given_back, LEFT["one of a run leaves"]),
    "nobody inherits a batch": (
        [(Desk, "leave")],
        nobody_inherits,
        LEFT["one of three together leaves"],
    ),
    "who left is dealt, and nobody notices": (
        [(Desk, "hand_out")],
        who_left_is_dealt,
        LEFT["one of three together leaves"],
    ),
    "who left still sits": (
        [(Desk, "leave")],
        who_left_still_sits,
        LEFT["one of three together leaves"],
    ),
    "everybody buys for all": ([(pipeline, "deal")], everybody_buys_for_all, PLANS["together"]),
    "nobody buys for others": ([(pipeline, "deal")], nobody_buys_for_others, PLANS["together"]),
    "one sample for all": ([(pipeline, "deal")], one_sample_for_all, PLANS["together"]),
    "what is taken over is not led": (
        [(pipeline, "_leads")],
        takeover_is_not_led,
        LEFT["one who leads leaves"],
    ),
    "samples are appended as they come": (
        [(MemoryStore, "fill")],
        first_come_first_index,
        PLANS["three of one run"],
    ),
    "claims are counted in RAM": (
        [(MemoryStore, "acquire")],
        claims_in_ram,
        LEFT["a process of the run is killed"],
    ),
    "the dead keep their leases": (
        [(MemoryStore, "acquire")],
        the_dead_keep_their_leases,
        LEFT["a process is killed"],
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places, fault, plans = MUTANTS[name]
    for owner, attribute in places:
        monkeypatch.setattr(owner, attribute, fault)
    check_one = check_with_a_failure if plans in LEFT.values() else check

    with pytest.raises((AssertionError, KeyError, StoreError)):
        check_all(plans, check_one)
