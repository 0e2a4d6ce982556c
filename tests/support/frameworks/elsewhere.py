"""A proxy that leads nowhere and notes where one wanted to go: what a framework sends besides."""

from __future__ import annotations

import re
import socketserver
import threading
from types import TracebackType
from typing import Self

__all__ = ["Elsewhere"]

_LINE = re.compile(rb"^[A-Z]+ (?:https?://)?([^/:\s]+)")


class Elsewhere:
    """Listens at `url` while entered; every request is refused with 502."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        hosts = self._hosts

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if found := _LINE.match(self.rfile.readline(65536)):
                    hosts.add(found[1].decode("ascii", "replace"))
                self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """For `HTTP_PROXY` and its like."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def taken(self) -> set[str]:
        """Return the hosts that were asked for since this was last called."""
        taken = self._hosts.copy()
        self._hosts.clear()
        return taken

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
