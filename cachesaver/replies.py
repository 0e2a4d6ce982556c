"""Outcomes of the pipeline as replies for a client: framing, `Cache-Status`, tees."""

from __future__ import annotations

import time
from typing import Final

from cachesaver.asks import Source, Through
from cachesaver.effects import Steps
from cachesaver.engine import Engine, Line
from cachesaver.exchange import AsyncReply, Headers, Reply, Response, without_headers
from cachesaver.flights import Pulse
from cachesaver.outcomes import Outcome, Passing, Served
from cachesaver.pace import at_once, at_once_async, is_timed, paced, paced_async
from cachesaver.ports import AsyncSend, Send
from cachesaver.sending import hold
from cachesaver.statistics import Tally
from cachesaver.tee import AsyncTee, Recording, Tee

__all__ = ["async_reply", "async_told", "cache_status", "discard", "reply", "told"]


def reply(
    outcome: Outcome,
    engine: Engine,
    line: Line[Send],
    tally: Tally,
    *,
    pace: float | None = None,
) -> Reply:
    """Return what a blocking client is to see; what is stored at *pace*, None: at once."""
    match outcome:
        case Served():
            return _whole(outcome.response, _shown(outcome), pace=_pace(outcome, pace))
        case Through(reply=live, read=Response() as read):
            native = None if live is None else live.native
            return _whole(read, _marked(read, outcome), native=native)
        case Through(reply=Reply() as live):
            live.headers = (*live.headers, cache_status(outcome))
            return live
        case Passing(reply=Reply() as live):

            def keep(response: Response) -> None:
                tally.passed(engine.run(outcome.keep(response), line))

            def drop() -> None:
                engine.settle(_lost(outcome, tally))

            def lose() -> None:
                engine.settle_later(_lost(outcome, tally))

            heard = Recording(live, outcome.finished, outcome.all_but_finished)
            tee = Tee(live, heard, keep, drop, lose, _pulse(outcome, engine))
            return Reply(
                status=live.status,
                headers=(*live.headers, cache_status(outcome)),
                chunks=tee,
                close=tee.close,
                reason=live.reason,
                http_version=live.http_version,
                native=live.native,
            )
        case _:
            raise TypeError(f"an async reply for a blocking client: {outcome!r}")


def async_reply(
    outcome: Outcome,
    engine: Engine,
    line: Line[AsyncSend],
    tally: Tally,
    *,
    pace: float | None = None,
) -> AsyncReply:
    """Return what an async client is to see; see `reply`."""
    match outcome:
        case Served():
            return _async_whole(outcome.response, _shown(outcome), pace=_pace(outcome, pace))
        case Through(reply=live, read=Response() as read):
            native = None if live is None else live.native
            return _async_whole(read, _marked(read, outcome), native=native)
        case Through(reply=AsyncReply() as live):
            live.headers = (*live.headers, cache_status(outcome))
            return live
        case Passing(reply=AsyncReply() as live):

            async def keep(response: Response) -> None:
                tally.passed(await engine.arun(outcome.keep(response), line))

            def drop() -> None:
                engine.settle(_lost(outcome, tally))

            def lose() -> None:
                engine.settle_later(_lost(outcome, tally))

            heard = Recording(live, outcome.finished, outcome.all_but_finished)
            tee = AsyncTee(live, heard, keep, drop, lose, _pulse(outcome, engine))
            return AsyncReply(
                status=live.status,
                headers=(*live.headers, cache_status(outcome)),
                chunks=tee,
                close=tee.close,
                reason=live.reason,
                http_version=live.http_version,
                native=live.native,
            )
        case _:
            raise TypeError(f"a blocking reply for an async client: {outcome!r}")


def _lost(outcome: Passing, tally: Tally) -> Steps[None]:
    """Count and drop a stream that nobody holds any more: later, for a finaliser may take no lock."""
    tally.passed(())
    yield from outcome.drop()


def _pulse(outcome: Passing, engine: Engine) -> Pulse:
    """Let those who wait for this stream see whether it is being read; its reader holds its permit."""
    if outcome.reply.toll is not None:
        hold(outcome.reply)
    pulse = Pulse(idle_since=time.perf_counter())
    engine.flights.streams([(outcome.fingerprint, index) for index in outcome.indexes], pulse)
    return pulse


async def discard(outcome: Outcome, engine: Engine) -> None:
    """Give up *outcome*, which nobody is there to take."""
    if isinstance(outcome, Passing):
        engine.settle(outcome.drop())
    if isinstance(outcome, Passing | Through) and isinstance(outcome.reply, AsyncReply):
        await outcome.reply.close()


def cache_status(outcome: Outcome) -> tuple[str, str]:
    """Return the `Cache-Status` field (RFC 9211) that says where the answer came from."""
    match outcome:
        case Served(sources=sources):
            hits = sources.count(Source.HIT)
            if hits == len(sources):
                said = "hit"
            elif hits:
                said = "fwd=partial; stored"
            elif sources.count(Source.COLLAPSED) == len(sources):
                said = "fwd=miss; collapsed"
            else:
                said = "fwd=miss; stored"
            index = ",".join(map(str, dict.fromkeys(outcome.indexes)))
            said += f'; detail="index {index}"'
        case Passing(indexes=indexes):
            said = f'fwd=miss; detail="index {",".join(map(str, indexes))}"'
        case Through(source=Source.HIT, why=why):
            said = f'hit; detail="{why}"'
        case Through(source=Source.ERROR, reply=live, read=read):
            status = read.status if read is not None else live.status if live is not None else ""
            said = f"fwd=miss; fwd-status={status}"
        case _:
            said = "fwd=bypass"
    return "cache-status", f"cachesaver; {said}"


_OLD: Final = frozenset({"content-length", "cache-status"})
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


def _shown(outcome: Served) -> Headers:
    """The headers with framing that fits the body: a length, unless it is a recorded stream."""
    response = outcome.response
    kept = without_headers(response.headers, _OLD)
    if len(response.chunks) <= 1 and response.content_type != "text/event-stream":
        length = ("content-length", str(len(response.body)))
        return (*kept, length, cache_status(outcome))
    return (*kept, cache_status(outcome))


def _marked(read: Response, outcome: Through) -> Headers:
    """Those of a live response that was read to see whether it could be kept, and could not."""
    kept = without_headers(read.headers, _FRAMING)
    return (*kept, ("content-length", str(len(read.body))), cache_status(outcome))


def _pace(outcome: Served, pace: float | None) -> float | None:
    """*pace* where the answer is one from the store: what has just arrived has waited already."""
    if pace is None:
        return None
    is_stored = outcome.sources.count(Source.HIT) == len(outcome.sources)
    return pace if is_stored and is_timed(outcome.response, pace) else None


def told(response: Response) -> Reply:
    """Return *response*, which is ours, for a blocking client."""
    return _whole(response, response.headers)


def async_told(response: Response) -> AsyncReply:
    """Return *response*, which is ours, for an async client."""
    return _async_whole(response, response.headers)


def _whole(
    response: Response, headers: Headers, native: object = None, pace: float | None = None
) -> Reply:
    return Reply(
        status=response.status,
        headers=headers,
        chunks=at_once(response) if pace is None else paced(response, pace),
        close=_nothing,
        reason=response.reason,
        whole=response if pace is None else None,
        native=native,
    )


def _async_whole(
    response: Response, headers: Headers, native: object = None, pace: float | None = None
) -> AsyncReply:
    return AsyncReply(
        status=response.status,
        headers=headers,
        chunks=at_once_async(response) if pace is None else paced_async(response, pace),
        close=_anothing,
        reason=response.reason,
        whole=response if pace is None else None,
        native=native,
    )


def _nothing() -> None:
    """There is no connection to give back."""


async def _anothing() -> None:
    """There is no connection to give back."""
