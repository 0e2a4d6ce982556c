"""An ASGI application on an event loop of its own, asked from any thread and any event loop.

What httpx's `ASGITransport` does, with two things that it has not: a stream comes as it is made, and a
caller who leaves is seen by the application.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import unquote, urlsplit

from cachesaver.errors import ConfigurationError
from cachesaver.exchange import AsyncReply, Headers, Reply, Request
from cachesaver.sleeping import until_done

__all__ = ["Bridge"]

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Bridge:
    """A loop in a thread, for an application without a life of its own (`lifespan`)."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="cachesaver-local-app", daemon=True
        )
        self._thread.start()

    def send(self, request: Request) -> Reply:
        """Have *request* answered; see `ports.Send`.

        Raises:
            ConfigurationError: The bridge is closed, or of the process that this one was forked from.
        """
        exchange = self._begin(request)
        try:
            status, headers = exchange.head.result()
        except BaseException:
            exchange.leave()
            raise
        return Reply(status=status, headers=headers, chunks=exchange.chunks(), close=exchange.leave)

    async def asend(self, request: Request) -> AsyncReply:
        """Have *request* answered; see `ports.AsyncSend`. Raises what `send` raises."""
        exchange = self._begin(request)
        try:
            await until_done(exchange.head)
            status, headers = exchange.head.result()
        except BaseException:
            exchange.leave()
            raise
        return AsyncReply(
            status=status, headers=headers, chunks=exchange.achunks(), close=exchange.aleave
        )

    def close(self) -> None:
        """End what is under way, and the thread. Safe to call twice."""
        if self._loop.is_closed() or os.getpid() != self._process:
            return
        asyncio.run_coroutine_threadsafe(_end_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _begin(self, request: Request) -> _Exchange:
        if os.getpid() != self._process:
            raise ConfigurationError(
                "this process was forked from the one that has the model: serve the model by "
                "`cachesaver local serve`, or mount one here"
            )
        if self._loop.is_closed():
            raise ConfigurationError("what was mounted here is closed")
        exchange = _Exchange(request, self._loop)
        asyncio.run_coroutine_threadsafe(exchange.run(self._app), self._loop)
        return exchange


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Exchange:
    """One request and its answer, between the loop's thread and the caller.

    Attributes:
        head: Status and headers, or what the application raised before it said them.
    """

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.head: Future[tuple[int, Headers]] = Future()
        self._scope = _scope(request)
        self._incoming = deque([{"type": "http.request", "body": request.body}])
        self._loop = loop
        self._left = asyncio.Event()
        self._lock = threading.Lock()
        self._chunks: deque[bytes | BaseException | None] = deque()
        self._waiting: Future[None] | None = None

    # On the loop.

    async def run(self, app: Application) -> None:
        try:
            await app(self._scope, self._receive, self._send)
            self._finish(ConnectionError("the application ended without an answer"))
        except BaseException as error:  # to the caller, wherever it waits
            self._finish(error if isinstance(error, Exception) else ConnectionError(_ENDED))
            raise

    async def _receive(self) -> Any:
        if self._incoming:
            return self._incoming.popleft()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            pairs = ((k.decode("latin-1"), v.decode("latin-1")) for k, v in message["headers"])
            if not self.head.done():
                self.head.set_result((message["status"], tuple(pairs)))
            return
        if body := message.get("body", b""):
            self._put(body)
        if not message.get("more_body", False):
            self._put(None)

    def _finish(self, error: Exception) -> None:
        if not self.head.done():
            self.head.set_exception(error)
        self._put(error)  # behind the end, where there was one

    def _put(self, chunk: bytes | BaseException | None) -> None:
        with self._lock:
            self._chunks.append(chunk)
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.set_result(None)

    # The caller's.

    def leave(self) -> None:
        """Want no more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._left.set)

    async def aleave(self) -> None:
        """Want no more."""
        self.leave()

    def chunks(self) -> Iterator[bytes]:
        """Iterate the body as it comes."""
        while True:
            self._news().result()
            if (chunk := self._next()) is None:
                return
            yield chunk

    async def achunks(self) -> AsyncIterator[bytes]:
        """Iterate the body as it comes, on any event loop."""
        while True:
            await until_done(self._news())
            if (chunk := self._next()) is None:
                return
            yield chunk

    def _news(self) -> Future[None]:
        """Return what is done when there is a chunk."""
        news: Future[None] = Future()
        with self._lock:
            if self._chunks:
                news.set_result(None)
            else:
                self._waiting = news
        return news

    def _next(self) -> bytes | None:
        chunk = self._chunks.popleft()
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk


_ENDED = "what was mounted here was closed before the answer ended"


def _scope(request: Request) -> dict[str, Any]:
    url = urlsplit(request.url)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path) or "/",
        "raw_path": url.path.encode("ascii"),
        "query_string": url.query.encode("ascii"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers
        ],
        "client": None,
        "server": (url.hostname, url.port or 80),
    }
