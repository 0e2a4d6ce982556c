"""httpcore and httpcore2, one code for both: where a pool handles a request, we may answer.

Below `request` and `stream`, above connections, proxies, HTTP/2 and TLS. What httpx sends, or lets
through, comes past here as well, and is left alone: it has been seen. Connections that are used
without a pool are not seen. Neither library is imported here.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.ports import Gate
from cachesaver.transports.httpcore_messages import (
    aread,
    async_reply,
    ours,
    read,
    reply,
    theirs,
    twin,
    with_content,
)
from cachesaver.transports.patches import (
    MOCKS,
    author,
    bound,
    is_patched,
    method_of,
    network_is_mocked,
    patch_all,
)
from cachesaver.transports.sights import is_let_through, is_unseen, let_through
from cachesaver.transports.streams import AsyncBody, Body

if TYPE_CHECKING:
    import httpcore

__all__ = ["MODULES", "NAME", "hook"]

NAME: str = "httpcore"
MODULES: tuple[str, ...] = ("httpcore", "httpcore2")


_Handle = Callable[..., "httpcore.Response"]
_HandleLater = Callable[..., Awaitable["httpcore.Response"]]


def hook(module: ModuleType, gate: Gate) -> Callable[[], None]:
    """Hook *gate* into all pools of *module*; see `cachesaver.ports.Transport.hook`."""
    return patch_all(
        module,
        [
            ("ConnectionPool", _HANDLE, functools.partial(_blocking, module, gate)),
            ("AsyncConnectionPool", _AHANDLE, functools.partial(_async, module, gate)),
        ],
    )


_HANDLE: Final = "handle_request"
_AHANDLE: Final = "handle_async_request"
_MOCKING: Final = frozenset({"MockBackend", "AsyncMockBackend"})


def _blocking(lib: Any, gate: Gate, original: _Handle, active: Callable[[], bool]) -> _Handle:
    untouched = method_of(original)

    @functools.wraps(original)
    def handle_request(self: Any, request: httpcore.Request) -> httpcore.Response:
        if (
            gate.ignores(request.url.target.decode("latin-1"))  # every call comes past here
            or not active()
            or not _wants(gate, request)
            or not isinstance(request.stream, Iterable)
        ):
            return untouched(self, request)
        live = bound(original, self)
        going = request
        if not _is_mocked(lib, gate, self, _HANDLE):
            body = read(request)
            if body.content is not None:
                return _answer(lib, gate, request, body.content, live)
            gate.passed(ours(request, b"").summary, body.reason)
            going = with_content(lib, request, body.source)
        with let_through(request.method.decode("latin-1"), _url(request)):
            return cast("httpcore.Response", live(going))

    return handle_request


def _async(
    lib: Any, gate: Gate, original: _HandleLater, active: Callable[[], bool]
) -> _HandleLater:
    untouched = method_of(original)

    @functools.wraps(original)
    async def handle_async_request(self: Any, request: httpcore.Request) -> httpcore.Response:
        if (
            gate.ignores(request.url.target.decode("latin-1"))
            or not active()
            or not _wants(gate, request)
            or not isinstance(request.stream, AsyncIterable)
        ):
            return await untouched(self, request)
        live = bound(original, self)
        going = request
        if not _is_mocked(lib, gate, self, _AHANDLE):
            body = await aread(request)
            if body.content is not None:
                return await _aanswer(lib, gate, request, body.content, live)
            gate.passed(ours(request, b"").summary, body.reason)
            going = with_content(lib, request, body.source)
        with let_through(request.method.decode("latin-1"), _url(request)):
            return cast("httpcore.Response", await live(going))

    return handle_async_request


# --- whose call it is


def _wants(gate: Gate, request: httpcore.Request) -> bool:
    method, url = request.method.decode("latin-1"), request.url
    if method != "POST" and is_unseen(method, gate):  # in full, for the sake of speed
        return False
    path = url.target.decode("latin-1")
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    if not gate.wants(method, url.host.decode("latin-1").lower(), path):
        return False
    # A switch of protocols is no exchange of messages.
    if any(name.lower() == b"upgrade" for name, _ in request.headers):
        return False
    return not is_let_through(method, _url, request)


def _url(request: httpcore.Request) -> str:
    return ours(request, b"").url


def _is_mocked(lib: Any, gate: Gate, pool: Any, name: str) -> bool:
    """Tell whether a mock has the network, or has put itself into *pool*, and counts."""
    if gate.through_mocks:
        return False
    backend: object = getattr(pool, "_network_backend", None)
    return (
        network_is_mocked()
        or _is_mock_backend(lib, backend)
        or any(author(part) in MOCKS for part in (pool, backend))
        or any(
            is_patched(pool, each, frozenset({lib.__name__}))
            for each in (name, "create_connection")
        )
    )


def _is_mock_backend(lib: Any, backend: object) -> bool:
    """Tell whether *backend* is one of httpcore's own mocks, which it did not export before 1.0."""
    return any(
        kind.__name__ in _MOCKING and kind.__module__.partition(".")[0] == lib.__name__
        for kind in type(backend).__mro__
    )


# --- answering


def _answer(
    lib: Any, gate: Gate, request: httpcore.Request, body: bytes, handle: _Handle
) -> httpcore.Response:
    asked = ours(request, body)

    def send(wanted: Request) -> Reply:
        return reply(handle(twin(lib, request, asked, wanted)))

    shown = gate.answer(asked, send)
    shown.bodiless = asked.method == "HEAD"
    return theirs(lib, shown, Body(shown))


async def _aanswer(
    lib: Any, gate: Gate, request: httpcore.Request, body: bytes, handle: _HandleLater
) -> httpcore.Response:
    asked = ours(request, body)

    async def send(wanted: Request) -> AsyncReply:
        return async_reply(await handle(twin(lib, request, asked, wanted)))

    shown = await gate.aanswer(asked, send)
    shown.bodiless = asked.method == "HEAD"
    return theirs(lib, shown, AsyncBody(shown))
