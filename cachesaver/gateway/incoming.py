"""The request as it arrives: its body, read once, and whether the client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from cachesaver.gateway.refusals import Refusal

__all__ = ["GoneError", "Incoming"]


class GoneError(Exception):
    """The client has gone before its request was read."""


class Incoming:
    """One request, by what an ASGI server says of it. For one task that reads and one that watches."""

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
        self._receive = receive
        self._read = asyncio.Event()

    async def read(self, most: int) -> bytes:
        """Return the whole body.

        Raises:
            Refusal: 413, it has more than *most* bytes.
            GoneError: The client has gone.
        """
        pieces, size = list[bytes](), 0
        async for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise Refusal(
                    413, "too_large", f"a body of more than {most} bytes is not read here"
                )
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives; the client may send no faster than this is read.

        Raises:
            GoneError: The client has gone.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            more = bool(message.get("more_body"))
            if message.get("body"):
                yield message["body"]
        self._read.set()

    async def gone(self) -> None:
        """Return when the client has gone, or has its whole answer."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
