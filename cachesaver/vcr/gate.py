"""The gate that stands before a cassette: every HTTP request of its block is asked of it.

A request that the cassette's filters leave out goes on live, as does one that may be recorded; it is
recorded as it passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cachesaver import dialects
from cachesaver.candour import let_through
from cachesaver.canonical import parse_body
from cachesaver.contexts import inside, is_inside
from cachesaver.exchange import AsyncReply, Reply, Request, Response
from cachesaver.ports import AsyncSend, Gate, Send
from cachesaver.replies import async_told, told
from cachesaver.tee import AsyncTee, Recording, Tee
from cachesaver.vcr import request as vcrs
from cachesaver.vcr.cassette import Cassette
from cachesaver.vcr.errors import UnrecordedRequestError, unrecorded
from cachesaver.vcr.responses import from_recorded, to_recorded

__all__ = ["CassetteGate"]


class CassetteGate(Gate):
    """Answers from *cassette*, or records into it."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette

    @property
    def through_mocks(self) -> bool:
        """Mocks are the project's own, and answer first."""
        return False

    @property
    def heads(self) -> bool:
        """Every HTTP request counts."""
        return True

    def wants(self, method: str, host: str, path: str) -> bool:
        """See `Gate.wants`: everything."""
        return not is_inside()

    def passed(self, summary: str, reason: str) -> None:
        """See `Gate.passed`: what cannot be compared may go out only where anything may."""
        method, _, url = summary.partition(" ")
        request = vcrs.Request(method, url, b"", {})
        if self._cassette.write_protected and self._cassette.filter_request(request) is not None:
            raise self._missed(request)

    def answer(self, request: Request, send: Send) -> Reply:
        """See `Gate.answer`."""
        made = vcrs.Request.of(request)
        if (answer := self._played(made)) is not None:
            return told(answer)
        with inside():
            reply = send(request)
        if self._cassette.filter_request(made) is None:
            return reply
        tee = Tee(reply, _recording(reply, request), self._keep(made), _nothing, _nothing)
        return replace(reply, chunks=tee, close=tee.close)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """See `Gate.aanswer`."""
        made = vcrs.Request.of(request)
        if (answer := self._played(made)) is not None:
            return async_told(answer)
        with inside():
            reply = await send(request)
        if self._cassette.filter_request(made) is None:
            return reply
        keep = self._keep(made)

        async def kept(response: Response) -> None:
            keep(response)

        tee = AsyncTee(reply, _recording(reply, request), kept, _nothing, _nothing)
        return replace(reply, chunks=tee, close=tee.close)

    def _played(self, made: vcrs.Request) -> Response | None:
        """Return the recorded answer to *made*; None if it is to go out.

        Raises:
            UnrecordedRequestError: There is none, and it may not go out.
        """
        if (pair := self._cassette.play(made)) is not None:
            return from_recorded(pair[1], bodiless=made.method == "HEAD")
        if self._cassette.write_protected and self._cassette.filter_request(made) is not None:
            raise self._missed(made)
        return None

    def _missed(self, made: vcrs.Request) -> UnrecordedRequestError:
        error = unrecorded(self._cassette, made)
        self._cassette.misses.append(error)
        let_through(error)
        return error

    def _keep(self, made: vcrs.Request) -> Callable[[Response], None]:
        return lambda response: self._cassette.append(made, to_recorded(response))


def _nothing() -> None:
    """Nobody minds: a stream that was left is not recorded."""


def _recording(reply: Reply | AsyncReply, request: Request) -> Recording:
    """Return what notes *reply*, and knows the last word of a provider's stream."""
    dialect = dialects.recognise(request, parse_body(request).members)
    if dialect is None:
        return Recording(reply, lambda _: False, lambda _: False)
    return Recording(reply, dialect.finished, dialect.all_but_finished)
