"""aiohttp: hooked where a session takes a connection; the answer comes back on one without a socket.

Below cookies, redirects, middlewares, retries and tracing, above pools, proxies and TLS: all of
them stay aiohttp's own work, on a hit as on a miss. A connector that overrides `connect` without
calling its base is not seen, and neither is a session that a mock answers for.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Final

from cachesaver.exchange import Request
from cachesaver.ports import Gate
from cachesaver.transports.patches import as_coroutine_function, is_mock, network_is_mocked, patch
from cachesaver.transports.sights import is_let_through, is_unseen

if TYPE_CHECKING:
    from aiohttp import BaseConnector, ClientRequest, ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from cachesaver.transports.aiohttp_calls import Call

__all__ = ["MODULES", "NAME", "hook"]

NAME: str = "aiohttp"
MODULES: tuple[str, ...] = ("aiohttp",)

_OWN: Final = frozenset({"aiohttp"})


def hook(module: ModuleType, gate: Gate) -> Callable[[], None]:
    """Hook *gate* into all connectors; see `cachesaver.ports.Transport.hook`."""
    return patch(module.BaseConnector, "connect", functools.partial(_connecting, gate))


_Connect = Callable[..., Awaitable["Connection"]]


def _connecting(gate: Gate, original: _Connect, active: Callable[[], bool]) -> _Connect:
    from aiohttp import ClientRequest

    from cachesaver.transports.aiohttp_calls import Call

    @functools.wraps(original)
    def connect(
        self: BaseConnector,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,
    ) -> Awaitable[Connection]:
        # The fields of one that is mocked can raise. Every call of the process comes past here.
        if (
            not issubclass(type(req), ClientRequest)  # pyright: ignore[reportUnnecessaryIsInstance]  # it is
            or gate.ignores(req.url.raw_path_qs)
            or not active()
            or not _wants(gate, req, original)
        ):
            return original(self, req, traces, timeout)
        call = Call(connect=original, connector=self, request=req, traces=traces, timeout=timeout)
        return _answered(call, gate)

    return as_coroutine_function(connect)


def _wants(gate: Gate, request: ClientRequest, original: _Connect) -> bool:
    """Tell whether *gate* is to answer *request*; report one that it wants and cannot have."""
    method, url = request.method, request.url
    if method != "POST" and is_unseen(method, gate):  # in full, for the sake of speed
        return False
    if not gate.wants(method, url.raw_host or "", url.raw_path_qs):
        return False
    from cachesaver.transports.aiohttp_calls import obstacle

    if "upgrade" in request.headers or is_let_through(request.method, str, url):
        return False
    if not gate.through_mocks and _is_mocked(original):
        return False
    if reason := obstacle(request):
        gate.passed(Request(method=request.method, url=str(url)).summary, reason)
    return not reason


def _is_mocked(connect: _Connect) -> bool:
    """Tell whether a mock answers in the place of the network."""
    from aiohttp import TCPConnector

    steps = (connect, TCPConnector._resolve_host, TCPConnector._create_connection)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # where mocks put theirs
    return network_is_mocked() or any(is_mock(step, _OWN) for step in steps)


async def _answered(call: Call, gate: Gate) -> Connection:
    """Return a connection that brings what *gate* answers.

    What the provider's connection failed with is met where it is met live: with no connection
    here, and otherwise when the caller, his request written, reads the response.
    """
    from aiohttp import ClientError

    from cachesaver.transports.aiohttp_playback import break_off, play

    try:
        reply = await gate.aanswer(await call.read(), call.send)
    except (ClientError, TimeoutError) as error:
        if error is call.unconnected:
            raise
        return break_off(call.connector, call.request, error)
    reply.bodiless = call.request.method == "HEAD"
    return await play(call.connector, call.request, reply)
