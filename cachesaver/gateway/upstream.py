"""The way to the provider: the request as it is, the answer as it comes, raw and piece by piece.

httpx2, because it hands on undecoded bytes as they arrive, sends a target byte by byte, follows and
retries nothing unasked, closes the connection of a cancelled call, and heeds the proxies and
certificates of the environment; `openai` and `anthropic` bring it along.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import httpx2

from cachesaver.exchange import AsyncReply, Headers, Request
from cachesaver.gateway.headers import end_to_end
from cachesaver.gateway.refusals import Refusal

__all__ = ["Upstream"]

_CONNECTING = 15.0
"""Seconds to reach a provider. How long it may then take is its client's business."""


class Upstream:
    """All connections to providers, on one event loop."""

    def __init__(self) -> None:
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(None, connect=_CONNECTING),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
            # One caller's cookies are none of another's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            follow_redirects=False,
        )

    async def send(self, request: Request) -> AsyncReply:
        """Send *request*; return as soon as the head of the answer is there.

        Raises:
            Refusal: 502 or 504: the provider was not reached, or went away.
        """
        return await self.send_streamed(request, request.body)

    async def send_streamed(
        self, request: Request, body: bytes | AsyncIterator[bytes]
    ) -> AsyncReply:
        """Do the same with *body* in place of that of *request*, which may still be arriving."""
        try:
            response = await self._client.send(_theirs(request, body), stream=True)
        except httpx2.HTTPError as error:
            raise _refusal(error, request) from error
        return AsyncReply(
            status=response.status_code,
            headers=end_to_end(_read(response.headers)),
            chunks=_chunks(response, request),
            close=response.aclose,
            reason=response.reason_phrase,
            http_version=response.http_version,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def _theirs(request: Request, body: bytes | AsyncIterator[bytes]) -> httpx2.Request:
    scheme, _, rest = request.url.partition("://")
    address, slash, path = rest.partition("/")
    return httpx2.Request(
        request.method,
        f"{scheme}://{address}/",
        headers=[
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers
        ],
        content=body or None,
        # As it came: the client would normalise what is percent-encoded, and log a key in the query.
        extensions={"target": (slash + path).encode("ascii")},
    )


def _read(headers: httpx2.Headers) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


async def _chunks(response: httpx2.Response, request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx2.HTTPError as error:
        raise _refusal(error, request) from error
    finally:
        with anyio.CancelScope(shield=True):
            await response.aclose()


def _refusal(error: httpx2.HTTPError, request: Request) -> Refusal:
    where = request.summary.partition(" ")[2].partition("://")[2].partition("/")[0]
    if isinstance(error, httpx2.TimeoutException):
        return Refusal(504, "no_answer", f"{where} was not reached within {_CONNECTING:g} seconds")
    # What the error says may hold addresses and headers; its kind says enough.
    return Refusal(
        502, "unreachable", f"{where} cannot be reached, or went away: {type(error).__name__}"
    )
