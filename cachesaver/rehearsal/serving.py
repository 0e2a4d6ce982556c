"""An ASGI application on a socket, in a thread, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from cachesaver.serving import Server

__all__ = ["Service"]


# Broken connections and cancelled handlers are what a rehearsal is for: no news, and nothing of
# uvicorn's own logging is touched in a process that may run other servers.
_SILENT = logging.Logger("cachesaver.rehearsal", logging.CRITICAL + 1)  # noqa: LOG001  # in no tree


class _Protocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        self.logger = _SILENT
        self.access_log = False
        super().connection_made(transport)


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Else uvicorn would answer what is under way with a 500 of its own.
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def _origin_form(app: ASGIApp) -> ASGIApp:
    """Return *app* for requests that tell the whole URL as well (RFC 9112, section 3.2.2)."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if "://" in path:
            raw_path: bytes = scope["raw_path"]
            scope = {**scope, "path": urlsplit(path).path, "raw_path": urlsplit(raw_path).path}
        await app(scope, receive, send)

    return served


class Service:
    """A running server; its loop lives in a daemon thread."""

    def __init__(self, app: Starlette, sock: socket.socket) -> None:
        config = uvicorn.Config(
            _origin_form(app),
            loop="asyncio",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._run, args=(sock,), name="cachesaver-rehearsal", daemon=True
        )
        self._thread.start()
        self._loop = self._server.ready.result()

    def _run(self, sock: socket.socket) -> None:
        try:
            self._server.run(sockets=[sock])
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for the start
            self._server.ready.set_exception(error)  # which itself raises where that is long past

    def perform(self, deed: Callable[[], None]) -> None:
        """Do *deed* on the server's loop; returns when it is done, raises what it raises."""

        async def on_loop() -> None:
            deed()

        asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result()

    def stop(self) -> None:
        """Stop listening, break what is under way, and wait for the thread to end."""
        self._server.force_exit = self._server.should_exit = True
        self._thread.join()
