"""How a session answers: a request meets the dialects, the rules of the user, the pipeline, the engine.

Apart from `session`, which a program pays for when it installs us: this comes with the first client that
is hooked, before its first request.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from cachesaver import dialects, replies
from cachesaver.asks import Ask, Purchase, Through
from cachesaver.candour import let_through, spoken
from cachesaver.canonical import parse_body
from cachesaver.contexts import NAMESPACE, REPLICATE, Family, current_context, inside
from cachesaver.contexts import here as place
from cachesaver.effects import Send as SendEffect
from cachesaver.engine import Engine
from cachesaver.errors import (
    BudgetError,
    CachesaverError,
    NotRecordedError,
    NotReplayableError,
    ReplayError,
    StoreError,
)
from cachesaver.exchange import AsyncReply, Reply, Request, Response
from cachesaver.flights import flights_over
from cachesaver.guards import guards
from cachesaver.identity import Question, identify, inputs_of
from cachesaver.limits import Limits
from cachesaver.lineage import Drawn
from cachesaver.locks import when_free
from cachesaver.mounts import mount_of
from cachesaver.nearest import nearest
from cachesaver.numbering import Numbering, without_ours
from cachesaver.outcomes import Outcome
from cachesaver.pipeline import answer
from cachesaver.ports import AsyncSend, KeepsErrors, Policy, Run, Send, Store
from cachesaver.relaying import Named, Relay, told
from cachesaver.replies import async_reply, discard, reply
from cachesaver.runs import Runs
from cachesaver.sending import Line, settle
from cachesaver.settings import Mode, Settings
from cachesaver.statistics import Statistics, Tally

__all__ = ["Answering"]

_POLICIES: Mapping[Mode, Policy] = {
    Mode.CACHE: Policy.RESERVE,
    Mode.REPLAY: Policy.READ,
    Mode.REFRESH: Policy.FRESH,
    Mode.LIVE: Policy.READ,
}


class Answering:
    """Answers for a session. Any thread and any task may ask.

    Args:
        chosen: The options in force.
        store: Where samples are kept.
        owner: This process, as `Store` wants it named.
        runs: That its draws belong to.
        replays: Whether no provider call may leave but what is bought for the store.
        relays: Whether it goes to the gateway that stands beside this program, if there is one.
        speaks: Whether SDKs that let no error through are told by a response: see `candour`.
        misses: Gets what was asked for in vain.
        passed: See `Gate.passed`.
        warn: Says something once.
        complain: Told of a store that failed; raises if it should.
    """

    def __init__(  # noqa: PLR0913  # what a session is made of
        self,
        chosen: Settings,
        store: Store,
        owner: str,
        runs: Runs,
        *,
        replays: bool,
        relays: bool,
        speaks: bool,
        misses: list[ReplayError],
        passed: Callable[[str, str], None],
        warn: Callable[[str], None],
        complain: Callable[[StoreError], None],
    ) -> None:
        self.settings = chosen
        self.store = store
        self._runs = runs
        self._replays = replays
        self._speaks = speaks
        self._policy = _POLICIES[chosen.mode]
        self._misses = misses
        self._passed = passed
        self._warn = warn
        self._complain = complain
        self._engine = self._started(owner)
        self._tally = Tally()
        self._limits = Limits()
        self._numbering = Numbering(_by_a_mount)
        gathers = chosen.mode in (Mode.CACHE, Mode.REFRESH) and chosen.window.gathers
        self._gathers = {
            blocking: gathers and gathers(blocking=blocking) for blocking in (True, False)
        }
        self._glance = Policy.RECALL if chosen.window.is_turn else Policy.STORED
        self._notes = store if isinstance(store, KeepsErrors) else None
        self._nearest = functools.partial(nearest, store)
        self._advice: Callable[[], str] = getattr(store, "advice", str)
        self._hosts = chosen.hosts
        self._relay = Relay(
            url=chosen.gateway if relays else "", name=self._named, upstreams=chosen.upstreams
        )

    def _started(self, owner: str) -> Engine:
        flights = flights_over(self.store)
        return Engine(
            store=self.store,
            owner=owner,
            complain=self._complain,
            flights=flights,
            window=self.settings.window,
            guards=guards(self.settings.max_concurrency, self.settings.budget),
        )

    def stats(self) -> Statistics:
        """Return what was asked, served and bought so far in this process."""
        return self._tally.now()

    def behind(self, host: str, path: str) -> tuple[str, str]:
        """See `Relay.behind`."""
        return self._relay.behind(host, path)

    def forked(self, owner: str) -> None:
        """Start anew in a child process: its leases and counts are not its parent's."""
        self._engine = self._started(owner)
        self._tally = Tally()

    def leave(self) -> None:
        """See `Engine.leave`."""
        self._engine.leave()

    def answer(self, request: Request, send: Send) -> Reply:
        """See `Gate.answer`."""
        if self._relay.covers(request):
            return self._relay.answer(request, send)
        ask = self._ask(request, blocking=True)
        if isinstance(ask, Response):
            return replies.told(ask)
        if isinstance(ask, _Left):
            with ask.going():
                return send(without_ours(request, numbers=True))
        line = Line(send)
        try:
            outcome = self._engine.run(answer(ask), line)
        except Exception as error:  # noqa: BLE001  # sorted out by whose it is
            if (said := self._spoken(error, request)) is not None:
                return replies.told(said)
            self._judge(error, line)
            try:
                return self._engine.live(_whole(ask), Line(send))
            except BudgetError as over:
                return replies.told(self._told(over, request))
        self._count(ask, outcome)
        return reply(outcome, self._engine, line, self._tally, pace=self.settings.pace)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """See `Gate.aanswer`."""
        if self._relay.covers(request):
            return await self._relay.aanswer(request, send)
        ask = self._ask(request, blocking=False)
        if isinstance(ask, Response):
            return replies.async_told(ask)
        if isinstance(ask, _Left):
            with ask.going():
                return await send(without_ours(request, numbers=True))
        line = Line(
            send,
            # What is half read is of no use to anybody: a stream ends with its reader.
            outlives=not ask.question.wants_stream,
            left=ask.drawn.give_back,
            discard=lambda outcome: discard(outcome, self._engine),
        )
        try:
            outcome = await self._engine.arun(answer(ask), line)
        except Exception as error:  # noqa: BLE001  # sorted out by whose it is
            if (said := self._spoken(error, request)) is not None:
                return replies.async_told(said)
            self._judge(error, line)
            try:
                return await self._engine.alive(_whole(ask), Line(send))
            except BudgetError as over:
                return replies.async_told(self._told(over, request))
        self._count(ask, outcome)
        return async_reply(outcome, self._engine, line, self._tally, pace=self.settings.pace)

    def explain(self, request: Request) -> Question | None:
        """Return the question *request* asks; None if it is no provider call."""
        return (
            None if (verdict := self._verdict(request)) is False else self._read(request, verdict)
        )

    def _verdict(self, request: Request) -> bool | None:
        return self.settings.match(request) if self.settings.match is not None else None

    def _read(self, request: Request, verdict: bool | None) -> Question | None:  # noqa: FBT001
        body = parse_body(request)
        hosts = ("*",) if verdict else self.settings.hosts
        dialect = dialects.recognise(request, body.members, hosts=hosts)
        if dialect is None:
            return None
        return identify(request, dialect, body, rules=self.settings.rules)

    def _ask(self, request: Request, *, blocking: bool) -> Ask | _Left | Response:
        """Return what to ask the pipeline, why *request* is left to its client, or what it is told."""
        try:
            if (verdict := self._verdict(request)) is False:
                return _Left.OUT
            question = self._read(request, verdict)
            if question is not None and question.count > 1 and not question.exact:
                self._passed(request.summary, "its body says something twice, or beyond JSON")
                question = None
            if question is not None:
                return self._asking(request, question, blocking=blocking)
            if self._replays:
                self._refuse(request, is_ours=bool(verdict))
        except Exception as error:  # noqa: BLE001  # a fault of ours must not break a live program
            if (said := self._spoken(error, request)) is not None:
                return said
            self._judge(error, None)
        return _Left.ALONE

    def _refuse(self, request: Request, *, is_ours: bool) -> None:
        """Raise if *request*, which nothing here answers, looks like a provider call."""
        from cachesaver import suspicion

        body = parse_body(request)
        names = suspicion.names_of(request, body.members)
        if is_ours or suspicion.of_request(
            request.method, request.url, names=names, hosts=self._hosts
        ):
            why = suspicion.why_unanswered(request, body.members)
            named = not is_ours and dialects.recognise(request, body.members, hosts=("*",))
            raise NotReplayableError(request.summary, why, nameable=bool(named))

    def _named(self, request: Request) -> Named:
        """Return *request* with what a gateway is to be told, and its draws."""
        try:
            question = self.explain(request)
            if question is None:
                return Named(request=request)
            run, family = self._run()
            dialect = question.dialect
            drawn = Drawn() if dialect.deterministic else _drawn(family, request, question)
            return Named(
                request=told(request, run, drawn),
                drawn=drawn,
                streams=question.wants_stream,
                finished=dialect.finished,
            )
        except Exception as error:  # noqa: BLE001  # a fault of ours must not break a live program
            self._judge(error, None)
            return Named(request=request)

    def _asking(self, request: Request, question: Question, *, blocking: bool) -> Ask:
        run, family = self._run()
        fixed = question.dialect.deterministic
        return Ask(
            question=question,
            upstream=self._numbering.upstream(request),
            run=run,
            drawn=Drawn() if fixed else _drawn(family, request, question),
            inputs=inputs_of(question, rules=self.settings.rules) if fixed else (),
            policy=self._policy,
            now=time.time(),
            nearest=self._nearest,
            limits=self._limits,
            numbering=self._numbering,
            together=(
                together := self._gathers[blocking] and not fixed and self._can_be_shared(question)
            ),
            glance=self._glance,
            age=place().age if together else 0,
            settle=self._settle,
            notes=self._notes,
            sealed=self._replays,
            advice=self._advice,
        )

    def _can_be_shared(self, question: Question) -> bool:
        """Tell whether one call may ask for more samples of *question* than it does itself."""
        most = self._limits.most(question)
        if question.wants_stream or not (most is None or most > question.count):
            return False
        # Others might wait for the permit of a stream that is read here, and this for them.
        return not self._engine.guards.holds(current_context())

    def _settle(self, reply: Reply | AsyncReply, purchase: Purchase) -> None:
        when_free(lambda: self._tally.settled(purchase))
        settle(reply, purchase)

    def _run(self) -> tuple[Run, Family]:
        """Return the run that is drawn in here and now, and the family of its draws."""
        replicate = REPLICATE.get()
        return self._runs.of(
            NAMESPACE.get() or self.settings.namespace,
            self.settings.replicate if replicate is None else replicate,
        )

    def _spoken(self, error: Exception, request: Request) -> Response | None:
        """Return how a miss, or the end of a budget, is told to an SDK that lets no error through."""
        if not self._speaks or not isinstance(error, ReplayError | BudgetError):
            return None
        said = spoken(error, request)
        if said is not None and isinstance(error, ReplayError):
            self._misses.append(error)
        return said

    def _told(self, error: BudgetError, request: Request) -> Response:
        """Return how *error* is told, or raise it."""
        if (said := self._spoken(error, request)) is None:
            raise let_through(error) from None
        return said

    def _judge(self, error: Exception, line: Line[Any] | None) -> None:
        """Raise what the caller must see; let it go on live, warned, with what is our own failure."""
        if isinstance(error, BudgetError):
            raise let_through(error)
        if line is not None and line.raised(error):
            raise error
        if isinstance(error, ReplayError):
            self._misses.append(error)
        # By replay, nothing may leave the process, whatever has failed; nor what a store does not buy.
        is_missed = isinstance(error, NotRecordedError) or self._replays
        if self.settings.strict or is_missed:
            raise let_through(error) if isinstance(error, CachesaverError) else error
        self._warn(f"going on live, without the store: {error}")

    def _count(self, ask: Ask, outcome: Outcome) -> None:
        self._tally.count(ask, outcome)
        if isinstance(outcome, Through) and outcome.why.startswith("not a"):
            self._warn(f"{ask.upstream.summary} gave an answer that is not complete: not stored")


class _Left(enum.Enum):
    """A request that is left to its client."""

    ALONE = "it is none of our business"
    OUT = "the user keeps us out, and whatever sees it further down"

    def going(self) -> contextlib.AbstractContextManager[None]:
        return inside() if self is _Left.OUT else contextlib.nullcontext()


def _drawn(family: Family, request: Request, question: Question) -> Drawn:
    """Name the draws of *request*: by the id it was given, or by where it is made."""
    explicit = request.header("x-cachesaver-request-id")
    if explicit:
        return family.named(explicit, question.fingerprint, question.count)
    return family.draw(question.fingerprint, question.count)


def _by_a_mount(request: Request) -> bool | None:
    """Tell whether what is mounted in this process draws by number; None: nothing there is."""
    mounted = mount_of(request)
    return None if mounted is None else mounted.numbers


def _whole(ask: Ask) -> SendEffect:
    return SendEffect(request=ask.live, count=ask.question.count)
