"""What a server of ours does with the connections that it has."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from cachesaver.serving import Server

__all__ = ["sends_at_once"]


def sends_at_once(server: Server) -> Iterator[bool]:
    """Tell of each connection whether small pieces are sent on it at once (TCP_NODELAY)."""
    connections: Any = server.server_state.connections
    for each in tuple(connections):
        sock = each.transport.get_extra_info("socket")
        yield bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
