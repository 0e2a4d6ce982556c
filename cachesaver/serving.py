"""What all servers of ours stand on: a socket that listens, and uvicorn that says when it accepts."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future

import uvicorn

from cachesaver.errors import ConfigurationError

__all__ = ["Server", "listening"]

_LAST = 2**16 - 1
"""The highest port there is: RFC 9293, section 3.1."""


class Server(uvicorn.Server):
    """Tells when it accepts connections, and on which loop.

    Attributes:
        ready: Has the loop, then. Whoever runs the server puts the error there if it cannot start.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready: Future[asyncio.AbstractEventLoop] = Future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.startup`."""
        await super().startup(sockets)
        self.ready.set_result(asyncio.get_running_loop())


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at *host* (an address) and *port* (0: any that is free).

    Raises:
        ConfigurationError: There is no such port.
        OSError: It cannot be had.
    """
    if not 0 <= port <= _LAST:
        raise ConfigurationError(f"there is no port {port}: give one up to {_LAST}, or 0 for any")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, asyncio sends small pieces at once (TCP_NODELAY): else each would wait 40 ms for the last.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # So that the same port can be had again at once after a stop.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock
