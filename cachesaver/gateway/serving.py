"""An ASGI application on a socket, in a thread, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cachesaver.serving import Server

__all__ = ["Service"]

_IDLE = 600
"""Seconds that a connection may be idle: clients keep theirs, and must not find them closed when the
tool of an agent took a while."""

_LONGEST_HEAD = 128 * 1024
"""Bytes: a relay may name a thousand draws in it (`relaying.MOST`)."""


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether *record* is of a fault: a broken-off answer is none, a bad request its sender's."""
    kind = record.exc_info[0] if record.exc_info else None
    told = "without completing response" in str(record.msg) or kind is asyncio.CancelledError
    return record.levelno >= logging.ERROR and not told


# Nothing of uvicorn's own logging is touched in a process that may run other servers.
_LOGGER = logging.Logger("cachesaver.gateway")  # noqa: LOG001  # in no tree
_LOGGER.addFilter(_is_news)


class _Protocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        self.logger = _LOGGER
        self.access_log = False
        super().connection_made(transport)


class Service:
    """A running server; its loop lives in a daemon thread.

    Args:
        make: Makes the application, on that loop, and what closes it.
        sock: That it listens at.
        grace: Seconds that a request under way may go on for when the server is told to stop.
    """

    def __init__(self, make: Callable[[], Any], sock: socket.socket, *, grace: float) -> None:
        self._make = make
        self._sock = sock
        self._grace = grace
        self._server: Server | None = None
        ready: Future[object] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="cachesaver-gateway", daemon=True
        )
        self._thread.start()
        ready.result()

    def _run(self, ready: Future[object]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for the start
            self._sock.close()
            ready.set_exception(error)  # which itself raises where the start is long past

    async def _serve(self, ready: Future[object]) -> None:
        app = self._make()
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            # What the provider says of itself is passed on; we are not the origin.
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            timeout_graceful_shutdown=max(1, round(self._grace)),
        )
        config.load()
        # Where the level of logging is low enough, uvicorn puts a layer around it that logs paths and
        # queries, and so keys.
        config.loaded_app = app
        self._server = Server(config)
        self._server.ready.add_done_callback(lambda done: ready.set_result(done.result()))
        try:
            await self._server.serve(sockets=[self._sock])
        finally:
            await app.close()

    def stop(self, *, at_once: bool = False) -> None:
        """Stop listening; return when what is under way has ended, its time is up, or *at_once*."""
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = self._server.force_exit or at_once
        self._thread.join()
