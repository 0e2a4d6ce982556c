"""Carries out what the pipeline wants: a blocking and an async half of the same few effects.

Store calls, sends, reading and waiting happen here and nowhere above. The halves differ in how they
send, read and wait; the bookkeeping between is shared.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from cachesaver import sleeping
from cachesaver.asks import Purchase
from cachesaver.batching import Hand, Seat
from cachesaver.contexts import current_context
from cachesaver.effects import (
    Acquire,
    Deal,
    Effect,
    Enlist,
    Fill,
    Keep,
    Leave,
    Look,
    Note,
    Poll,
    Read,
    Release,
    Send,
    Steps,
    Together,
    Wait,
)
from cachesaver.errors import StoreError
from cachesaver.exchange import AsyncReply, Reply, Sample
from cachesaver.flights import Flights, leader
from cachesaver.guards import Guards
from cachesaver.locks import when_free
from cachesaver.options import Window
from cachesaver.ports import AsyncSend, Grant, Run, Store
from cachesaver.ports import Send as BlockingSend
from cachesaver.sending import Abandoned, Line, Sender, read, read_async, settle, settled_if_lost
from cachesaver.windows import Gathering

__all__ = ["Abandoned", "Engine", "Line"]

T = TypeVar("T")
Resume = Callable[[], Effect[Any]]

_PATIENCE = 0.05
"""Seconds between two looks at a slot that another process leads."""

_GRACE = 1.0
"""Seconds after which one who waits for a flight of this process looks whether its leader has been
lost to the garbage collector, which cannot say so itself."""


_TOO_LONG = 600.0
"""Seconds after which one who waits for a flight goes alone: whoever leads it may have forgotten it."""


_USUAL = 0.5
"""Seconds that a call takes, while none has been seen to end."""

_TWICE = 2.0
"""A call whose caller was cancelled is waited for by others until it has lasted twice as long as calls
do: it may be about to answer, or its caller may have gone because it hangs."""


_FADING = 0.9
"""What is left, with each call, of how long an earlier one took."""


@dataclass(slots=True, kw_only=True, eq=False)
class Engine:
    """Performs effects against one store.

    Attributes:
        store: Where samples are.
        owner: This process, as `Store` wants it named.
        complain: Told of a store that failed to keep or to free what was bought; raises if it should.
        flights: Over the store.
        window: How long what is missing is gathered.
        guards: That a call must pass.
    """

    store: Store
    owner: str
    complain: Callable[[StoreError], None]
    flights: Flights = field(default_factory=Flights)
    window: Window = field(default_factory=Window)
    guards: Guards = field(default_factory=Guards)
    _gathering: Gathering = field(init=False)
    _sender: Sender = field(init=False)
    _later: SimpleQueue[Steps[Any]] = field(default_factory=SimpleQueue["Steps[Any]"])
    _held: dict[str, Release] = field(default_factory=dict[str, "Release"])
    """By its token, what would give up each lease that is ours."""
    _owed: list[Release] = field(default_factory=list[Release])
    """Leases that the store failed to give up."""
    _pid: int = field(default_factory=os.getpid)
    _longest: float = 0.0
    """Seconds that calls took of late; 0 while none has ended."""

    def __post_init__(self) -> None:
        """Open the desk."""
        self._gathering = Gathering(window=self.window, flights=self.flights)
        self._sender = Sender(guards=self.guards, tidy=self._clear)

    def run(self, steps: Steps[T], line: Line[BlockingSend]) -> T:
        """Carry *steps* out to their end in this thread, sending through *line*."""
        result: object = None
        error: BaseException | None = None
        while True:
            try:
                effect = steps.send(result) if error is None else steps.throw(error)
            except StopIteration as stop:
                given: T = stop.value
                return given
            try:
                result, error = self._perform(effect, line), None
            except BaseException as raised:  # noqa: BLE001  # the steps decide what it means
                error = line.noted(effect, raised)

    async def arun(self, steps: Steps[T], line: Line[AsyncSend]) -> T:
        """Carry *steps* out to their end on the running event loop, sending through *line*."""
        return await self._drive(_sending(steps, None), steps, line, here=line.outlives)

    async def _drive(
        self, resume: Resume, steps: Steps[T], line: Line[AsyncSend], *, here: bool
    ) -> T:
        """Go on with *steps*; *here*: in the task of the caller, who may be cancelled."""
        while True:
            try:
                effect = resume()
            except StopIteration as stop:
                return cast("T", stop.value)
            if here and isinstance(effect, Send | Together):
                return await self._outlive(effect, steps, line)
            try:
                result = await self._aperform(effect, line)
            except GeneratorExit:  # nobody awaits us any more, and nothing may be awaited
                self.abandon(steps)
                raise
            except BaseException as error:  # noqa: BLE001  # the steps decide what it means
                resume = _throwing(steps, line.noted(effect, error))
            else:
                resume = _sending(steps, result)

    async def _outlive(self, effect: Effect[Any], steps: Steps[T], line: Line[AsyncSend]) -> T:
        """Go on with *steps*, which want *effect*, in a task that is not cancelled with the caller's."""
        begun, line.caller = time.perf_counter(), current_context()
        going = sleeping.detach(self._by_itself(lambda: effect, steps, line))
        self.flights.hand_over(line.leases.values(), leader(sleeping.running_loop(), going.task))
        try:
            await going.wait()
        except BaseException:
            line.is_left = True
            line.left()
            going.leave()
            if going.is_done:  # at the same moment
                with contextlib.suppress(BaseException):  # its own, which nobody is there to see
                    sleeping.detach(line.discard(going.result())).leave()
            else:
                self._let_go_later(line, self._patience(begun))
            raise
        self._longest = max(time.perf_counter() - begun, self._longest * _FADING)
        return going.result()

    def _patience(self, begun: float) -> float:
        """Return for how much longer a call is worth waiting for that was *begun* for who has left."""
        usual = self._longest or _USUAL
        return max(0.0, usual * _TWICE - (time.perf_counter() - begun))

    def _let_go_later(self, line: Line[AsyncSend], patience: float) -> None:
        """Give the leases of *line* up in time, whose caller has gone; a late answer is kept.

        Whoever asks again waits *patience* for the call that is under way, and no longer: its
        caller may have gone because it hangs. Others whose draws are in it may wait for it.
        """

        def let_go() -> None:
            if any(errand.waiting for errand in line.errands):
                self._let_go_later(line, max(patience, _GRACE))
                return
            for token in tuple(line.leases):
                if token in self._held:
                    self._release(self._held[token])

        if sleeping.has_loop():
            sleeping.later(patience, let_go)
        else:  # the loop has ended, and the call with it
            when_free(let_go)

    async def _by_itself(self, resume: Resume, steps: Steps[T], line: Line[AsyncSend]) -> T:
        outcome = await self._drive(resume, steps, line, here=False)
        if line.is_left:
            await line.discard(outcome)
        return outcome

    def abandon(self, steps: Steps[Any]) -> None:
        """Let *steps*, under way, give up what they hold; nothing is sent or waited for any more."""
        self._settle(lambda: steps.throw(Abandoned()), steps)

    def settle(self, steps: Steps[Any]) -> None:
        """Carry out *steps* that only book, such as releases."""
        self._settle(_sending(steps, None), steps)

    def settle_later(self, steps: Steps[Any]) -> None:
        """Settle *steps* before the next call: for the garbage collector, who may hold any lock."""
        self._later.put(steps)

    def leave(self) -> None:
        """Give up every lease still held: what is under way goes on, and is not waited for.

        For the end of a session, whose process lives on and would hold them for ever.
        """
        for release in tuple(self._held.values()):
            self._release(release)

    def _settle(self, resume: Resume, steps: Steps[Any]) -> None:
        if os.getpid() != self._pid:
            return  # a child closes what its parent reads: that is none of its business

        def settled(resume: Resume = resume) -> None:
            line = Line[Any](None)
            with contextlib.suppress(Abandoned, StopIteration):
                while True:
                    resume = _sending(steps, self._book(resume(), line, None))

        when_free(settled)  # what is closed may be so by the garbage collector

    def _perform(self, effect: Effect[Any], line: Line[BlockingSend]) -> object:
        match effect:
            case Send():
                return self._sender.send(effect, line)
            case Read(reply=head):
                with settled_if_lost(head):
                    return read(cast("Reply", head))
            case Fill() | Keep() | Note():
                return self._kept(effect, self._filled(effect))
            case Wait():
                if not self._is_worth_it(effect, line, None, None):
                    return False
                landing = self.flights.landing((effect.fingerprint, effect.index))
                sleeping.block(landing, _PATIENCE if landing is None else _GRACE)
                return True
            case Enlist():
                return self._seated(effect, self._gathering.enlist(effect), line)
            case Together(parts=parts):
                return tuple([self.run(steps, line) for steps in parts])
            case _:
                return self._book(effect, line, None)

    async def _aperform(self, effect: Effect[Any], line: Line[AsyncSend]) -> object:
        if line.is_left and isinstance(effect, Send | Wait | Enlist):
            raise Abandoned  # what is under way is finished, and nothing else begun
        match effect:
            case Send():
                return await self._sender.asend(effect, line)
            case Read(reply=head):
                with settled_if_lost(head):
                    return await read_async(cast("AsyncReply", head))
            case Fill() | Keep() | Note():
                for future in (filled := self._filled(effect)):
                    await sleeping.until_done(future)
                return self._kept(effect, filled)
            case Wait():
                if not self._is_worth_it(effect, line, sleeping.running_loop(), current_context()):
                    return False
                landing = self.flights.landing((effect.fingerprint, effect.index))
                await sleeping.doze(landing, _PATIENCE if landing is None else _GRACE)
                return True
            case Enlist():
                return self._seated(effect, await self._gathering.aenlist(effect), line)
            case Together(parts=parts):
                return tuple(await sleeping.all_of([self._part(steps, line) for steps in parts]))
            case _:
                return self._book(effect, line, sleeping.running_loop())

    def live(self, effect: Send, line: Line[BlockingSend]) -> Reply:
        """Send what cannot be answered in any other way, past the store but not past the guards."""
        reply = self._sender.send(effect, line)
        settle(reply, Purchase(known=False))
        return reply

    async def alive(self, effect: Send, line: Line[AsyncSend]) -> AsyncReply:
        """Do the same as `live`."""
        reply = await self._sender.asend(effect, line)
        settle(reply, Purchase(known=False))
        return reply

    async def _part(self, steps: Steps[object], line: Line[AsyncSend]) -> object:
        return await self._drive(_sending(steps, None), steps, line, here=False)

    def _is_worth_it(self, effect: Wait, line: Line[Any], loop: object, task: object) -> bool:
        """Tell whether a slot in flight is worth waiting for here, and still is.

        Whoever leads it may be waiting for the permit of a stream that is read here.
        """
        if self.guards.holds(line.caller or current_context()):
            return False
        slot = (effect.fingerprint, effect.index)
        patience = _PATIENCE if self.flights.landing(slot) is None else _GRACE
        return effect.turn * patience < _TOO_LONG and self.flights.can_wait(slot, loop, task)

    def _seated(self, effect: Enlist, seats: tuple[Seat, ...], line: Line[Any]) -> tuple[Seat, ...]:
        if effect.seat.hand is not None:
            self._take_over(effect.fingerprint, effect.seat.hand, line)
        return seats

    def _take_over(self, fingerprint: str, hand: Hand, line: Line[Any]) -> None:
        line.leases = {lead.token: (fingerprint, lead.index) for lead in hand.leads}
        line.errands = tuple(lead.errand for lead in hand.leads if lead.errand is not None)

    def _book(self, effect: Effect[Any], line: Line[Any], loop: object) -> object:
        """The effects that take microseconds and never wait."""
        match effect:
            case Acquire():
                self._clear()
                grants = self.store.acquire(
                    effect.run,
                    effect.fingerprint,
                    effect.draws,
                    owner=self.owner,
                    policy=effect.policy,
                )
                return self._led(effect, grants, line, loop)
            case Look():
                self._clear()
                return self._looked(effect, line, loop)
            case Poll():
                self._clear()
                grant = self.store.poll(effect.fingerprint, effect.index, owner=self.owner)
                return self._led(effect, (grant,), line, loop)[0]
            case Release():
                self._release(effect)
                return None
            case Deal():
                unclaimed = self._gathering.deal(effect)
                me = leader(loop, None if loop is None else current_context())
                for seat, hand in zip(effect.seats, effect.hands, strict=False):
                    if seat.where in (me, None):  # None: alone, without a desk
                        self._take_over(effect.fingerprint, hand, line)
                return unclaimed
            case Leave():
                return self._gathering.leave(effect)
            case _:
                raise TypeError(f"no one knows how to perform {effect!r}")

    def _clear(self) -> None:
        if not self._later.empty():  # as it nearly always is, and every call comes past here
            with contextlib.suppress(Empty):
                while True:
                    self.settle(self._later.get_nowait())
        if self._owed:
            owed, self._owed = self._owed, []
            while owed and self._give_up(owed.pop()) is None:
                pass  # the next one will fail as this one did
            self._owed += owed

    def _give_up(self, effect: Release) -> StoreError | None:
        """Release for good: what fails now (a full disk) is tried again, for nobody else will."""
        slot = (effect.fingerprint, effect.index)
        try:
            self.store.release(effect.run, *slot, effect.token, keeps=effect.keeps)
        except StoreError as error:
            self._owed.append(effect)
            return error
        return None

    def _looked(self, effect: Look, line: Line[Any], loop: object) -> tuple[Grant, ...]:
        grants = self.store.look(effect.fingerprints, owner=self.owner, leads=effect.leads)
        for fingerprint, grant in zip(effect.fingerprints, grants, strict=True):
            if grant.token:
                self._lead(effect.run, fingerprint, grant, line, loop)
        return grants

    def _led(
        self, effect: Acquire | Poll, grants: tuple[Grant, ...], line: Line[Any], loop: object
    ) -> tuple[Grant, ...]:
        for grant in grants:
            if grant.token:
                self._lead(effect.run, effect.fingerprint, grant, line, loop)
        return grants

    def _lead(
        self, run: Run, fingerprint: str, grant: Grant, line: Line[Any], loop: object
    ) -> None:
        slot = (fingerprint, grant.index)
        self._held[grant.token] = Release(
            run=run, fingerprint=fingerprint, index=grant.index, token=grant.token
        )
        self.flights.start(slot, loop, None if loop is None else current_context())
        line.leases[grant.token] = slot

    def _release(self, effect: Release) -> None:
        """Give up a lease. A store that fails must not hide why: a client's error, a cancellation."""
        if self._held.pop(effect.token, None) is None:
            return  # it is filled, or given up already
        error = self._give_up(effect)
        self.flights.land((effect.fingerprint, effect.index))
        if error is not None:
            self.complain(error)

    def _filled(self, effect: Fill | Keep | Note) -> list[Future[Sample]]:
        if isinstance(effect, Note):
            return [self._note(effect)]
        return [self._fill(each) for each in _fills(effect)]

    def _kept(self, effect: Fill | Keep | Note, filled: list[Future[Sample]]) -> object:
        if isinstance(effect, Note):
            if (error := filled[0].exception()) is not None:
                self.complain(_of_store(error))
            return None
        held = zip(_fills(effect), filled, strict=True)
        kept = tuple([self._held_by(fill, future.result) for fill, future in held])
        return kept[0] if isinstance(effect, Fill) else kept

    def _held_by(self, effect: Fill, result: Callable[[], Sample]) -> Sample:
        """What the slot holds now; the bought sample itself where the store fails to tell."""
        try:
            return result()
        except Exception as error:  # noqa: BLE001  # a store of anyone's: the call is paid for
            self.complain(_of_store(error))
            return effect.sample

    def _note(self, effect: Note) -> Future[Sample]:
        try:
            return effect.notes.note(effect.fingerprint, effect.sample, question=effect.question)
        except Exception as error:  # noqa: BLE001  # told like one that comes later
            future = Future[Sample]()
            future.set_exception(error)
            return future

    def _fill(self, effect: Fill) -> Future[Sample]:
        """Hand a sample to the store: from now on its slot is given up only where that fails.

        Whoever leaves while it is being written must not: another would buy what is paid for.
        """
        slot = (effect.fingerprint, effect.index)
        self._held.pop(effect.token, None)
        try:
            future = self.store.fill(*slot, effect.token, effect.sample, question=effect.question)
        except Exception as error:  # noqa: BLE001  # told like one that comes later
            future = Future[Sample]()
            future.set_exception(error)

        def land(filled: Future[Sample]) -> None:
            if filled.cancelled() or filled.exception() is not None:
                # It must not stay ours: whoever waits for it would wait for ever.
                when_free(let_go)
            self.flights.land(slot)

        def let_go() -> None:
            self._give_up(
                Release(
                    run=effect.run,
                    fingerprint=effect.fingerprint,
                    index=effect.index,
                    token=effect.token,
                )
            )

        future.add_done_callback(land)
        return future


def _fills(effect: Fill | Keep) -> tuple[Fill, ...]:
    return (effect,) if isinstance(effect, Fill) else effect.fills


def _of_store(error: BaseException) -> StoreError:
    if isinstance(error, StoreError):
        return error
    return StoreError(f"{type(error).__name__}: {error}", location="")


def _sending(steps: Steps[Any], result: object) -> Resume:
    return functools.partial(steps.send, result)


def _throwing(steps: Steps[Any], error: BaseException) -> Resume:
    return functools.partial(steps.throw, error)
