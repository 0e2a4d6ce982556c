"""Models on a socket, served by uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import uvicorn

from cachesaver import serving
from cachesaver.local.app.application import application
from cachesaver.local.app.door import Door
from cachesaver.local.app.served import Served, Shop
from cachesaver.serving import listening

__all__ = ["Server"]

_GRACE = 3
"""Seconds that a request under way may go on for when the server is told to stop."""


class Server:
    """An OpenAI-compatible endpoint of local models.

    Used like::

        with Server([load("Qwen/Qwen3-0.6B")]) as server:
            client = OpenAI(base_url=server.openai_url, api_key="none")

    It begins once: what was stopped stays stopped, and its engines are closed.

    Args:
        models: At least one, by different names.
        host: An address to listen at. Another one than of loopback needs a *key*.
        port: 0 for any that is free.
        key: That requests must bring; `None`: none.

    Raises:
        ConfigurationError: Others than this machine could use it without a key; there is no such port.
        OSError: The address or the port cannot be had.
    """

    def __init__(
        self,
        models: Iterable[Served],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
    ) -> None:
        listen = "127.0.0.1" if host == "localhost" else host.strip("[]")
        app = application(Shop(models), Door(key, listen))
        self._socket = listening(listen, port)
        self._address = f"[{listen}]" if ":" in listen else listen
        self._port = int(self._socket.getsockname()[1])
        self._server = serving.Server(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                timeout_keep_alive=600,  # agents think between two calls
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._thread = threading.Thread(target=self._run, name="cachesaver-local-http", daemon=True)

    def __repr__(self) -> str:
        return f"<Server at {self.url}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:8126`."""
        return f"http://{self._address}:{self._port}"

    @property
    def openai_url(self) -> str:
        """Base URL for the `openai` SDK."""
        return f"{self.url}/v1"

    def start(self) -> Self:
        """Answer; returns when requests are accepted."""
        if self._thread.ident is None:
            self._thread.start()
            self._server.ready.result()
        return self

    def stop(self) -> None:
        """Stop listening, let what is under way end (three seconds at the most). Safe to call twice."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for the start
            if not self._server.ready.done():
                self._server.ready.set_exception(error)
