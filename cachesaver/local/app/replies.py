"""Answers that end when their client leaves: the connection is listened to while they are made.

ASGI: a server says that a client has left to whoever calls `receive`, and to nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, Protocol

import orjson

from cachesaver.local.app.jobs import Job, News
from cachesaver.local.app.refusals import Refusal

__all__ = ["Events", "Teller", "Whole", "dumps", "send_json", "unless_left"]

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Event = dict[str, Any]
Headers = Iterable[tuple[bytes, bytes]]


class Teller(Protocol):
    """Turns news of samples into what an endpoint answers. Told all of them, in either form."""

    def opening(self) -> Iterable[Event]:
        """Iterate the events before all news."""
        ...

    def tell(self, news: News) -> Iterable[Event]:
        """Take note of *news*, and iterate the events of it."""
        ...

    def closing(self) -> Iterable[Event]:
        """Iterate the events after all news."""
        ...

    def whole(self) -> Event:
        """Return the answer that is not streamed."""
        ...

    def frame(self, event: Event) -> bytes:
        """Return *event* as it is sent."""
        ...

    def failure(self, refusal: Refusal) -> bytes:
        """Return the event that says that no more comes because of *refusal*."""
        ...

    def end(self) -> bytes:
        """Return what follows the last event."""
        ...


class Whole:
    """An answer in one piece."""

    def __init__(self, job: Job, teller: Teller, headers: Headers = ()) -> None:
        self._job = job
        self._teller = teller
        self._headers = headers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer, as ASGI has it."""
        try:
            await unless_left(receive, self._answer(send))
        finally:
            self._job.close()

    async def _answer(self, send: Send) -> None:
        async with aclosing(self._job.news(piecemeal=False)) as all_news:
            async for batch in all_news:
                for news in batch:
                    for _ in self._teller.tell(news):
                        pass  # the events are the streamed form
        await send_json(send, 200, self._teller.whole(), self._headers)


class Events:
    """An answer as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    def __init__(self, job: Job, teller: Teller, headers: Headers = ()) -> None:
        self._job = job
        self._teller = teller
        self._headers = headers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer, as ASGI has it."""
        try:
            await unless_left(receive, self._answer(send))
        finally:
            self._job.close()

    async def _answer(self, send: Send) -> None:
        head = [*_HEADERS, *self._headers]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        try:
            await self._stream(send)
        except Refusal as refusal:
            await _send(send, self._teller.failure(refusal))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, send: Send) -> None:
        teller = self._teller
        await _send(send, b"".join(map(teller.frame, teller.opening())))
        async with aclosing(self._job.news()) as all_news:
            async for batch in all_news:
                events = [event for news in batch for event in teller.tell(news)]
                await _send(send, b"".join(map(teller.frame, events)))
        await _send(send, b"".join(map(teller.frame, teller.closing())) + teller.end())


_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would wait for more
]


async def _send(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def unless_left(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do *work* to its end, or until the client leaves: then it is cancelled, and waited for."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for each in (working, leaving):
            each.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_json(send: Send, status: int, body: Any, headers: Headers = ()) -> None:
    """Send a whole answer."""
    text = dumps(body)
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(text)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": text})


def dumps(value: Any) -> bytes:
    """Return *value* as JSON."""
    return orjson.dumps(value)
