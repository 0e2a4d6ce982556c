"""Carries out what the pipeline wants: a blocking and an async half of the same few effects.

Store calls, sends, reading and waiting happen here, or in what this is made of, and nowhere above.
The halves differ in how they send, read and wait; the bookkeeping between is shared.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
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
from cachesaver.exchange import AsyncReply, Reply
from cachesaver.flights import Flights, leader
from cachesaver.guards import Guards
from cachesaver.leases import Leases
from cachesaver.locks import when_free
from cachesaver.options import Window
from cachesaver.ports import AsyncSend, Grant, Store
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
    _leases: Leases = field(init=False)
    _gathering: Gathering = field(init=False)
    _sender: Sender = field(init=False)
    _later: SimpleQueue[Steps[Any]] = field(default_factory=SimpleQueue["Steps[Any]"])
    _pid: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        """Open the desk."""
        self._leases = Leases(store=self.store, flights=self.flights, complain=self.complain)
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
                self._leases.release_later(line, time.perf_counter() - begun)
            raise
        self._leases.lasted(time.perf_counter() - begun)
        return going.result()

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
        self._leases.release_all()

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
                return self._leases.kept(effect, self._leases.fill(effect))
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
                for future in (filled := self._leases.fill(effect)):
                    await sleeping.until_done(future)
                return self._leases.kept(effect, filled)
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
                self._leases.release(effect)
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
        if self._leases.owed:
            self._leases.release_owed()

    def _looked(self, effect: Look, line: Line[Any], loop: object) -> tuple[Grant, ...]:
        grants = self.store.look(effect.fingerprints, owner=self.owner, leads=effect.leads)
        for fingerprint, grant in zip(effect.fingerprints, grants, strict=True):
            if grant.token:
                self._leases.lead(effect.run, fingerprint, grant, line, loop)
        return grants

    def _led(
        self, effect: Acquire | Poll, grants: tuple[Grant, ...], line: Line[Any], loop: object
    ) -> tuple[Grant, ...]:
        for grant in grants:
            if grant.token:
                self._leases.lead(effect.run, effect.fingerprint, grant, line, loop)
        return grants


def _sending(steps: Steps[Any], result: object) -> Resume:
    return functools.partial(steps.send, result)


def _throwing(steps: Steps[Any], error: BaseException) -> Resume:
    return functools.partial(steps.throw, error)
