"""The way to the provider for one request: past the guards, out, and read to its end.

A blocking and an async half. What is sent, and what becomes of the answer, is the pipeline's business.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cachesaver import sleeping
from cachesaver.asks import Purchase
from cachesaver.batching import Errand
from cachesaver.contexts import current_context, inside
from cachesaver.effects import Effect, Read, Send
from cachesaver.exchange import AsyncReply, Reply, Response
from cachesaver.guards import Guards, Toll
from cachesaver.ports import AsyncSend
from cachesaver.ports import Send as BlockingSend

__all__ = [
    "Abandoned",
    "Line",
    "Sender",
    "Slot",
    "hold",
    "read",
    "read_async",
    "settle",
    "settled_if_lost",
]

S = TypeVar("S")
Slot = tuple[str, int]
"""Fingerprint and index."""

_GRACE = 1.0
"""Seconds after which one who waits for a permit looks for what the garbage collector left."""


class Abandoned(BaseException):
    """Thrown into steps whose caller has gone."""


def _nothing() -> None:
    """Nobody minds."""


async def _kept_nowhere(outcome: object) -> None:
    """There is nothing to give up."""


def _no_errors() -> list[BaseException]:
    return []  # a tenth of what calling the type takes


def _no_leases() -> dict[str, Slot]:
    return {}


@dataclass(slots=True, eq=False)
class Line(Generic[S]):
    """The way to the provider for one request.

    Attributes:
        send: The adapter's.
        outlives: Whether a call under way is finished and kept though its caller was cancelled.
        left: Called when that happens, at once.
        discard: Awaited with what the steps came to, when nobody is there to take it.
        errors: What the client raised while sending or reading: its own, not ours.
        leases: The slots that are led through this line, by token.
        errands: The calls among them that others wait for.
        is_left: Whether its caller has gone.
        caller: The task that makes the call, where another one goes on with it.
    """

    send: S
    outlives: bool = False
    left: Callable[[], None] = _nothing
    discard: Callable[[Any], Coroutine[Any, Any, None]] = _kept_nowhere
    errors: list[BaseException] = field(default_factory=_no_errors)
    leases: dict[str, Slot] = field(default_factory=_no_leases)
    errands: tuple[Errand[object], ...] = ()
    is_left: bool = False
    caller: object = None

    def noted(self, effect: Effect[Any], error: BaseException) -> BaseException:
        """Return *error*, remembered where it is the client's."""
        if isinstance(effect, Send | Read):
            self.errors.append(error)
        return error

    def raised(self, error: BaseException) -> bool:
        """Tell whether *error* is the client's own."""
        return any(error is each for each in self.errors)


@dataclass(slots=True, kw_only=True, eq=False)
class Sender:
    """Sends for one session.

    Attributes:
        guards: That a call must pass.
        tidy: Settles what nobody else will: all who could may be waiting for a permit.
    """

    guards: Guards
    tidy: Callable[[], None]

    def send(self, effect: Send, line: Line[BlockingSend]) -> Reply:
        """See `Send`; blocking."""
        toll = self._toll(line, may_wait=not sleeping.has_loop())
        with _given_back_unless_sent(toll):
            while toll is not None and toll.permit is not None and not toll.permit.done():
                sleeping.block(toll.permit, _GRACE)
                self._collect()
            if toll is not None:
                toll.reserve(effect)
            sent = time.perf_counter()
            with inside():
                reply = line.send(effect.request)
        reply.sent, reply.toll = sent, toll
        return reply

    async def asend(self, effect: Send, line: Line[AsyncSend]) -> AsyncReply:
        """See `Send`."""
        toll = self._toll(line, may_wait=True)
        with _given_back_unless_sent(toll):
            while toll is not None and toll.permit is not None and not toll.permit.done():
                await sleeping.doze(toll.permit, _GRACE)
                self._collect()
            if line.is_left:
                raise Abandoned
            if toll is not None:
                toll.reserve(effect)
            sent = time.perf_counter()
            with inside():
                reply = await line.send(effect.request)
        reply.sent, reply.toll = sent, toll
        return reply

    def _toll(self, line: Line[Any], *, may_wait: bool) -> Toll | None:
        if not self.guards.are_there:
            return None
        return self.guards.admit(line.caller or current_context(), may_wait=may_wait)

    def _collect(self) -> None:
        self.tidy()
        self.guards.collect()


@contextlib.contextmanager
def _given_back_unless_sent(toll: Toll | None) -> Generator[None]:
    try:
        yield
    except BaseException:
        if toll is not None:
            toll.cancel()
        raise


@contextlib.contextmanager
def settled_if_lost(reply: Reply | AsyncReply) -> Generator[None]:
    """Settle the call that brought *reply* where it is not read to its end."""
    try:
        yield
    except Exception:  # the connection broke: a call that failed
        settle(reply, Purchase())
        raise
    except BaseException:  # its caller has gone: it may cost what it was to cost
        settle(reply, Purchase(known=False))
        raise


def hold(reply: Reply | AsyncReply) -> None:
    """Note that the caller has *reply* to read before its call can be settled."""
    if isinstance(reply.toll, Toll):
        reply.toll.hold()


def settle(reply: Reply | AsyncReply, purchase: Purchase) -> None:
    """Book what the call that brought *reply* came to."""
    if isinstance(reply.toll, Toll):
        reply.toll.settle(purchase)


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
