"""A provider that gives recorded answers, and what a client must make of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import cycle

from cachesaver.exchange import Reply, Request, Response

__all__ = ["Recorded", "nobody", "pieces", "plain"]

_SIZES = (1, 61, 509, 4093)
"""Of the pieces a body comes in: they cut through events, characters and compressed blocks."""


class Recorded:
    """Sends *response* back, in pieces; notes what it was asked."""

    def __init__(self, response: Response) -> None:
        self.asked: list[Request] = []
        self._response = response

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply(
            status=self._response.status,
            headers=self._response.headers,
            chunks=pieces(self._response.body),
            close=_nothing,
            reason=self._response.reason,
        )


def nobody(request: Request) -> Reply:
    """Fail: nothing may be sent."""
    raise AssertionError(f"{request.summary} was sent")


def plain(response: Response) -> bytes:
    """Return the body without its content coding, by other means than the code that is tested.

    Raises:
        LookupError: The coding is not gzip.
    """
    coding = response.header("content-encoding") or "identity"
    if coding == "gzip":
        return gzip.decompress(response.body)
    if coding != "identity":
        raise LookupError(coding)
    return response.body


def pieces(body: bytes) -> Iterator[bytes]:
    """Iterate *body* in the pieces that `Recorded` sends it in."""
    sizes = cycle(_SIZES)
    while body:
        size = next(sizes)
        yield body[:size]
        body = body[size:]


def _nothing() -> None:
    """There is no connection to give back."""
