"""The rehearsal as a program reaches it, by a bare socket: no client that anybody hooks or watches."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Gone", "Provider"]


@dataclass(frozen=True)
class Provider:
    """The rehearsal at *url*."""

    url: str

    def calls(self) -> int:
        """Return how many requests it has got since it was reset."""
        total: int = self._said("GET", "/rehearsal/calls")["total"]["calls"]
        return total

    def reset(self) -> None:
        """Let it begin anew: sample 0 of every question, no faults."""
        self._said("POST", "/rehearsal/reset")

    def fault(self, spelling: str) -> None:
        """Let something go wrong in the requests to come."""
        self._said("POST", "/rehearsal/faults", {"fault": spelling})

    def _said(self, method: str, path: str, body: object = None) -> Any:
        parts, told = urlsplit(self.url), json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.0\r\nhost: rehearsal\r\ncontent-length: {len(told)}\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port or 80)) as line:
            line.sendall(head.encode() + told)
            with line.makefile("rb") as answer:
                _, _, content = answer.read().partition(b"\r\n\r\n")
        return json.loads(content)


class Gone(Provider):
    """A provider that has been shut down: only its address is left."""

    def calls(self) -> int:
        return 0

    def reset(self) -> None:
        """It begins with nothing anew."""
