"""Applications of this process that answer for a host, instead of a socket: values and a table only."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from cachesaver.exchange import Request
from cachesaver.ports import AsyncSend, Send

__all__ = ["MOUNTS", "Mount", "mount_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Who answers.

    Attributes:
        send: For blocking clients.
        asend: For clients on any event loop.
        numbers: Whether it draws samples by number (`numbering`).
    """

    send: Send
    asend: AsyncSend
    numbers: bool = False


MOUNTS: dict[str, Mount] = {}
"""By host, in lower case and without port; `wiring.mount` sets it."""


def mount_of(request: Request) -> Mount | None:
    """Return who answers *request*; `None`: whoever it is addressed to."""
    return MOUNTS.get(urlsplit(request.url).hostname or "") if MOUNTS else None
