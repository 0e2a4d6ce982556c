"""Carries out what the pipeline wants: a blocking and an async half of the same few effects.

Store calls, sends, reading and waiting happen here and nowhere above. The halves differ in how they
send, read and wait; the bookkeeping between is shared.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

from cachesaver import sleeping
from cachesaver.contexts import current_context, inside
from cachesaver.effects import Acquire, Effect, Fill, Poll, Read, Release, Send, Steps, Wait
from cachesaver.errors import StoreError
from cachesaver.exchange import AsyncReply, Reply, Response, Sample
from cachesaver.flights import Flights
from cachesaver.ports import AsyncSend, Grant, Store
from cachesaver.ports import Send as BlockingSend

__all__ = ["Abandoned", "Engine", "Line"]

T = TypeVar("T")
S = TypeVar("S")
Resume = Callable[[], Effect[Any]]

_PATIENCE = 0.05
"""Seconds between two looks at a slot that another process leads."""

_GRACE = 1.0
"""Seconds after which one who waits for a flight of this process looks whether its leader has been
lost to the garbage collector, which cannot say so itself."""


class Abandoned(BaseException):
    """Thrown into steps whose caller has gone."""


@dataclass(slots=True, eq=False)
class Line(Generic[S]):
    """The way to the provider for one request.

    Attributes:
        send: The adapter's.
        error: What the client raised while sending or reading: its own, not ours.
    """

    send: S
    error: BaseException | None = None

    def noted(self, effect: Effect[Any], error: BaseException) -> BaseException:
        """Return *error*, remembered where it is the client's."""
        if isinstance(effect, Send | Read):
            self.error = error
        return error


@dataclass(slots=True, kw_only=True, eq=False)
class Engine:
    """Performs effects against one store.

    Attributes:
        store: Where samples are.
        owner: This process, as `Store` wants it named.
        complain: Told of a store that failed to keep or to free what was bought; raises if it should.
    """

    store: Store
    owner: str
    complain: Callable[[StoreError], None]
    flights: Flights = field(default_factory=Flights)
    _later: SimpleQueue[Steps[Any]] = field(default_factory=SimpleQueue["Steps[Any]"])
    _held: dict[str, Release] = field(default_factory=dict[str, "Release"])
    """By its token, what would give up each lease that is ours."""
    _left: bool = False

    def run(self, steps: Steps[T], line: Line[BlockingSend]) -> T:
        """Carry *steps* out to their end in this thread, sending through *line*."""
        resume: Resume = lambda: next(steps)  # noqa: E731  # the first of many
        while True:
            try:
                effect = resume()
            except StopIteration as stop:
                return cast("T", stop.value)
            try:
                result = self._perform(effect, line.send)
            except BaseException as error:  # noqa: BLE001  # the steps decide what it means
                resume = _throwing(steps, line.noted(effect, error))
            else:
                resume = _sending(steps, result)

    async def arun(self, steps: Steps[T], line: Line[AsyncSend]) -> T:
        """Carry *steps* out to their end on the running event loop, sending through *line*."""
        resume: Resume = lambda: next(steps)  # noqa: E731  # the first of many
        while True:
            try:
                effect = resume()
            except StopIteration as stop:
                return cast("T", stop.value)
            try:
                result = await self._aperform(effect, line.send)
            except GeneratorExit:  # nobody awaits us any more, and nothing may be awaited
                self.abandon(steps)
                raise
            except BaseException as error:  # noqa: BLE001  # the steps decide what it means
                resume = _throwing(steps, line.noted(effect, error))
            else:
                resume = _sending(steps, result)

    def abandon(self, steps: Steps[Any]) -> None:
        """Let *steps*, under way, give up what they hold; nothing is sent or waited for any more."""
        self._settle(lambda: steps.throw(Abandoned()), steps)

    def settle(self, steps: Steps[Any]) -> None:
        """Carry out *steps* that only book, such as releases."""
        self._settle(lambda: next(steps), steps)

    def settle_later(self, steps: Steps[Any]) -> None:
        """Settle *steps* before the next call: for the garbage collector, who may hold any lock."""
        self._later.put(steps)

    def leave(self) -> None:
        """Give up every lease still held: what is under way goes on, and is not waited for.

        For the end of a session, whose process lives on and would hold them for ever.
        """
        self._left = True
        for release in tuple(self._held.values()):
            self._release(release)

    def _settle(self, resume: Resume, steps: Steps[Any]) -> None:
        with contextlib.suppress(Abandoned, StopIteration):
            while True:
                resume = _sending(steps, self._book(resume(), None))

    def _perform(self, effect: Effect[Any], send: BlockingSend) -> object:
        match effect:
            case Send(request=request):
                sent = time.perf_counter()
                with inside():
                    reply = send(request)
                return _timed(reply, sent)
            case Read(reply=head):
                return read(cast("Reply", head))
            case Fill():
                return self._kept(effect, self._filled(effect).result)
            case Wait(fingerprint=fingerprint, index=index):
                if not self.flights.can_wait((fingerprint, index)):
                    return False
                landing = self.flights.landing((fingerprint, index))
                sleeping.block(landing, _PATIENCE if landing is None else _GRACE)
                return True
            case _:
                return self._book(effect, None)

    async def _aperform(self, effect: Effect[Any], send: AsyncSend) -> object:
        match effect:
            case Send(request=request):
                sent = time.perf_counter()
                with inside():
                    reply = await send(request)
                return _timed(reply, sent)
            case Read(reply=head):
                return await read_async(cast("AsyncReply", head))
            case Fill():
                future = self._filled(effect)
                await sleeping.until_done(future)
                return self._kept(effect, future.result)
            case Wait(fingerprint=fingerprint, index=index):
                slot = (fingerprint, index)
                if not self.flights.can_wait(slot, sleeping.running_loop(), current_context()):
                    return False
                landing = self.flights.landing(slot)
                await sleeping.doze(landing, _PATIENCE if landing is None else _GRACE)
                return True
            case _:
                return self._book(effect, sleeping.running_loop())

    def _book(self, effect: Effect[Any], loop: object) -> object:
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
                return self._led(effect, grants, loop)
            case Poll():
                self._clear()
                grant = self.store.poll(effect.fingerprint, effect.index, owner=self.owner)
                return self._led(effect, (grant,), loop)[0]
            case Release():
                self._release(effect)
                return None
            case _:
                raise TypeError(f"no one knows how to perform {effect!r}")

    def _clear(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self.settle(self._later.get_nowait())

    def _led(
        self, effect: Acquire | Poll, grants: tuple[Grant, ...], loop: object
    ) -> tuple[Grant, ...]:
        task = None if loop is None else current_context()
        for grant in grants:
            if grant.token:
                self._held[grant.token] = Release(
                    run=effect.run,
                    fingerprint=effect.fingerprint,
                    index=grant.index,
                    token=grant.token,
                )
                self.flights.start((effect.fingerprint, grant.index), loop, task)
        return grants

    def _release(self, effect: Release) -> None:
        """Give up a lease. A store that fails must not hide why: a client's error, a cancellation."""
        if self._held.pop(effect.token, None) is None and self._left:
            return  # given up when the session ended
        try:
            self.store.release(effect.run, effect.fingerprint, effect.index, effect.token)
        except StoreError as error:
            self.complain(error)
        finally:
            self.flights.land((effect.fingerprint, effect.index))

    def _kept(self, effect: Fill, result: Callable[[], Sample]) -> Sample:
        """What the slot holds now; the bought sample itself where the store fails to tell."""
        try:
            return result()
        except Exception as error:  # noqa: BLE001  # a store of anyone's: the call is paid for
            # A slot that stays empty must not stay ours: whoever waits for it would wait for ever.
            with contextlib.suppress(StoreError):
                self.store.release(effect.run, effect.fingerprint, effect.index, effect.token)
            self.complain(_of_store(error))
            return effect.sample

    def _filled(self, effect: Fill) -> Future[Sample]:
        slot = (effect.fingerprint, effect.index)
        try:
            future = self.store.fill(*slot, effect.token, effect.sample, question=effect.question)
        except Exception as error:  # noqa: BLE001  # told like one that comes later
            future = Future[Sample]()
            future.set_exception(error)

        def land(_: Future[Sample]) -> None:
            self._held.pop(effect.token, None)
            self.flights.land(slot)

        future.add_done_callback(land)
        return future


def _of_store(error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    return StoreError(f"{type(error).__name__}: {error}", location="")


def _sending(steps: Steps[Any], result: object) -> Resume:
    return lambda: steps.send(result)


def _throwing(steps: Steps[Any], error: BaseException) -> Resume:
    return lambda: steps.throw(error)


R = TypeVar("R", Reply, AsyncReply)


def _timed(reply: R, sent: float) -> R:
    """Note when *reply* was asked for, so that its chunks get their offsets."""
    reply.sent = sent
    return reply


def read(reply: Reply) -> Response:
    """Read *reply* to its end and close it."""
    chunks, offsets = list[bytes](), list[float]()
    try:
        for chunk in reply.chunks:
            chunks.append(chunk)
            offsets.append(time.perf_counter() - reply.sent)
    finally:
        reply.close()
    return _response(reply, chunks, offsets)


async def read_async(reply: AsyncReply) -> Response:
    """Read *reply* to its end and close it."""
    chunks, offsets = list[bytes](), list[float]()
    try:
        async for chunk in reply.chunks:
            chunks.append(chunk)
            offsets.append(time.perf_counter() - reply.sent)
    finally:
        await reply.close()
    return _response(reply, chunks, offsets)


def _response(reply: Reply | AsyncReply, chunks: list[bytes], offsets: list[float]) -> Response:
    return Response(
        status=reply.status,
        headers=reply.headers,
        chunks=tuple(chunks),
        offsets=tuple(offsets),
        reason=reply.reason,
    )
