"""Gates that do one thing, for proving transports right: fakes of `cachesaver.ports.Gate`.

For tests only; nothing here may come to know a store or a dialect.
"""

# ruff: noqa: D102 - fakes take what the port gives, and the port says what it means

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cachesaver.exchange import AsyncReply, Reply, Request, Response
from cachesaver.ports import AsyncSend, Gate, Send

__all__ = [
    "FakeGate",
    "HitGate",
    "RaisingGate",
    "RecordingGate",
    "RefusingGate",
    "RepeatingGate",
    "TeeGate",
]

_R = TypeVar("_R", Reply, AsyncReply)


class FakeGate(Gate):
    """Wants everything but what runs under a send of its own; passes all on as it is.

    Attributes:
        looked: Method, host and path of every question to `wants`.
        asked: Every request that came in by `answer` or `aanswer`.
        passes: Summary and reason of everything reported to `passed`.
    """

    def __init__(self, *, through_mocks: bool = False) -> None:
        self.looked: list[tuple[str, str, str]] = []
        self.asked: list[Request] = []
        self.passes: list[tuple[str, str]] = []
        self._through_mocks = through_mocks
        self._sending = ContextVar("sending", default=False)

    @property
    def through_mocks(self) -> bool:
        return self._through_mocks

    def wants(self, method: str, host: str, path: str) -> bool:
        self.looked.append((method, host, path))
        return not self._sending.get()

    def answer(self, request: Request, send: Send) -> Reply:
        self.asked.append(request)
        with self._under_way():
            return send(request)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        self.asked.append(request)
        with self._under_way():
            return await send(request)

    def passed(self, summary: str, reason: str) -> None:
        self.passes.append((summary, reason))

    @contextmanager
    def _under_way(self) -> Generator[None, None, None]:
        token = self._sending.set(True)
        try:
            yield
        finally:
            self._sending.reset(token)


class RefusingGate(FakeGate):
    """Wants nothing, and says so loudly when it is asked all the same."""

    def wants(self, method: str, host: str, path: str) -> bool:
        self.looked.append((method, host, path))
        return False

    def answer(self, request: Request, send: Send) -> Reply:
        raise AssertionError(f"{request.summary} was not wanted")

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        raise AssertionError(f"{request.summary} was not wanted")


class RaisingGate(FakeGate):
    """Raises *error* for every request, as a replay miss does."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def answer(self, request: Request, send: Send) -> Reply:
        raise self._error

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        raise self._error


class HitGate(FakeGate):
    """Answers everything with *response*, and never sends."""

    def __init__(self, response: Response, *, through_mocks: bool = False) -> None:
        super().__init__(through_mocks=through_mocks)
        self._response = response

    def answer(self, request: Request, send: Send) -> Reply:
        self.asked.append(request)
        return _hit(self._response)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        self.asked.append(request)
        return _async_hit(self._response)


class RecordingGate(FakeGate):
    """Sends, reads the reply to its end, keeps it, and answers with what it kept.

    The upstream reply is closed before the answer is given, so the answer is `whole`.

    Attributes:
        recorded: One response per request that was sent.
    """

    def __init__(self, change: Callable[[Request], Request] = lambda request: request) -> None:
        """Send *change* of each request instead of the request itself."""
        super().__init__()
        self.recorded: list[Response] = []
        self._change = change

    def answer(self, request: Request, send: Send) -> Reply:
        reply = super().answer(self._change(request), send)
        try:
            self.recorded.append(_response(reply, tuple(reply.chunks)))
        finally:
            reply.close()
        return _hit(self.recorded[-1])

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        reply = await super().aanswer(self._change(request), send)
        try:
            chunks = tuple([chunk async for chunk in reply.chunks])
            self.recorded.append(_response(reply, chunks))
        finally:
            await reply.close()
        return _async_hit(self.recorded[-1])


class RepeatingGate(RecordingGate):
    """Sends every request *times* times, one after the other, and answers with the last."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def answer(self, request: Request, send: Send) -> Reply:
        return [super(RepeatingGate, self).answer(request, send) for _ in range(self._times)][-1]

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        ask = super().aanswer
        return [await ask(request, send) for _ in range(self._times)][-1]


@dataclass(slots=True, eq=False)
class Tee:
    """What a `TeeGate` saw of one reply.

    Attributes:
        chunks: Those handed on so far.
        finished: Whether the body was read to its end.
        closed: Whether the transport closed the reply.
        error: What reading raised, if anything.
    """

    chunks: list[bytes] = field(default_factory=list[bytes])
    finished: bool = False
    closed: bool = False
    error: BaseException | None = None


class TeeGate(FakeGate):
    """Sends, and hands each chunk on as it arrives, keeping a copy.

    Attributes:
        tees: One per request, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tees: list[Tee] = []

    def answer(self, request: Request, send: Send) -> Reply:
        reply = super().answer(request, send)
        self.tees.append(tee := Tee())

        def close() -> None:
            tee.closed = True
            reply.close()

        return replace(reply, chunks=_Teed(reply.chunks, tee), close=close)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        reply = await super().aanswer(request, send)
        self.tees.append(tee := Tee())

        async def close() -> None:
            tee.closed = True
            await reply.close()

        return replace(reply, chunks=_AsyncTeed(reply.chunks, tee), close=close)


class _Teed(Iterator[bytes]):
    def __init__(self, chunks: Iterator[bytes], tee: Tee) -> None:
        self._chunks = chunks
        self._tee = tee

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._tee.finished = True
            raise
        except BaseException as error:
            self._tee.error = error
            raise
        self._tee.chunks.append(chunk)
        return chunk


class _AsyncTeed(AsyncIterator[bytes]):
    def __init__(self, chunks: AsyncIterator[bytes], tee: Tee) -> None:
        self._chunks = chunks
        self._tee = tee

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._tee.finished = True
            raise
        except BaseException as error:
            self._tee.error = error
            raise
        self._tee.chunks.append(chunk)
        return chunk


def _response(reply: _R, chunks: tuple[bytes, ...]) -> Response:
    return Response(status=reply.status, headers=reply.headers, chunks=chunks, reason=reply.reason)


def _hit(response: Response) -> Reply:
    return Reply(
        status=response.status,
        headers=response.headers,
        chunks=iter(response.chunks),
        close=lambda: None,
        reason=response.reason,
        whole=response,
    )


def _async_hit(response: Response) -> AsyncReply:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in response.chunks:
            yield chunk

    async def close() -> None:
        pass

    return AsyncReply(
        status=response.status,
        headers=response.headers,
        chunks=chunks(),
        close=close,
        reason=response.reason,
        whole=response,
    )
