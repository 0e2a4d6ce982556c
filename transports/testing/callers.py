"""How a client is driven, and what it gave its caller."""

# ruff: noqa: D102 - the name says it

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Self

from cachesaver.exchange import Headers, get_header
from cachesaver.transports.loopback import PATIENCE

__all__ = ["Answer", "Body", "Caller"]

Body = bytes | Iterable[bytes] | BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gave its caller; *body* as the client decodes it."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes

    def header(self, name: str) -> str | None:
        return get_header(self.headers, name)


class Caller(ABC):
    """Drives one client the way its users do. Follows redirects. Blocking, also over async clients.

    An async client is driven step by step on a loop of the caller's own (`asyncio.Runner().run`).
    """

    @abstractmethod
    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        """Send and read to the end; a *body* that iterates is given the client as an upload."""

    @abstractmethod
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Send; inside the block iterate the body as it arrives; leaving it closes the response."""

    @abstractmethod
    def close(self) -> None:
        """Close the client."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
