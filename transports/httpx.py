"""httpx and httpx2, one code for both: where a client sends a single request, we may answer.

`Client._send_single_request` lies below auth, redirects and event hooks and above every transport.
It runs as it is, on a view of its client that offers our transport for this one call: cookies,
`elapsed`, logging and `default_encoding` stay the client's own work. Neither library is imported
here; whatever is needed of one is taken from the module that is handed in.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, cast

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.ports import Gate
from cachesaver.transports.bodies import LARGEST_BODY, TOO_LARGE
from cachesaver.transports.httpx_messages import (
    AsyncRest,
    Rest,
    async_reply,
    obstacle,
    of,
    ours,
    reply,
    theirs,
    twin,
    with_stream,
)
from cachesaver.transports.httpx_mocks import is_mocked, own_mocks
from cachesaver.transports.patches import as_coroutine_function, patch
from cachesaver.transports.sights import is_let_through, is_unseen, let_through
from cachesaver.transports.streams import AsyncBody, Body, finish

if TYPE_CHECKING:
    import httpx

__all__ = ["LARGEST_BODY", "MODULES", "NAME", "async_transport", "hook", "transport"]

NAME: str = "httpx"
MODULES: tuple[str, ...] = ("httpx", "httpx2")


def hook(module: ModuleType, gate: Gate) -> Callable[[], None]:
    """Hook *gate* into all clients of *module*; see `cachesaver.ports.Transport.hook`."""
    lib = cast("Any", module)
    undo = patch(lib.Client, "_send_single_request", functools.partial(_blocking, lib, gate))
    aundo = patch(lib.AsyncClient, "_send_single_request", functools.partial(_async, lib, gate))

    def unhook() -> None:
        undo()
        aundo()

    return unhook


def transport(
    module: ModuleType, gate: Gate, inner: httpx.BaseTransport | None = None
) -> httpx.BaseTransport:
    """Return a transport of *module* that asks *gate*, and sends through *inner*.

    For those who want one client seen and nothing patched. *inner* is closed with it (None: a new
    `HTTPTransport`). A client that has one is left to it where `hook` is in play as well.
    """
    lib = cast("Any", module)
    made = of(CachesaverTransport, lib.BaseTransport)(lib, gate, inner or lib.HTTPTransport())
    return cast("httpx.BaseTransport", made)


def async_transport(
    module: ModuleType, gate: Gate, inner: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncBaseTransport:
    """Return what `transport` returns, for an `AsyncClient`."""
    lib = cast("Any", module)
    make = of(AsyncCachesaverTransport, lib.AsyncBaseTransport)
    return cast("httpx.AsyncBaseTransport", make(lib, gate, inner or lib.AsyncHTTPTransport()))


# --- hooking


_SendOne = Callable[..., "httpx.Response"]


def _blocking(lib: Any, gate: Gate, original: _SendOne, active: Callable[[], bool]) -> _SendOne:
    has_parts = _has_parts(lib)

    @functools.wraps(original)
    def _send_single_request(self: Any, request: Any) -> httpx.Response:
        if (
            # Every call of the process comes past here: so nothing is called that need not be.
            not gate.ignores(request.url._uri_reference.path if has_parts else _path(request))  # noqa: SLF001
            and active()
            and _wants(gate, request)
            and not is_let_through(request.method, _url, request)
        ):
            inner = self._transport_for_url(request.url)
            if _is_left_to(lib, gate, inner):
                with let_through(request.method, _url(request)):
                    return original(self, request)
            self = _View(self, _Answering(lib, gate, inner))
        return original(self, request)

    return _send_single_request


_SendOneLater = Callable[..., Awaitable["httpx.Response"]]


def _async(
    lib: Any, gate: Gate, original: _SendOneLater, active: Callable[[], bool]
) -> _SendOneLater:
    has_parts = _has_parts(lib)

    @functools.wraps(original)
    def _send_single_request(self: Any, request: Any) -> Awaitable[httpx.Response]:
        if (
            not gate.ignores(request.url._uri_reference.path if has_parts else _path(request))  # noqa: SLF001
            and active()
            and _wants(gate, request)
            and not is_let_through(request.method, _url, request)
        ):
            return answered(self, request)
        return original(
            self, request
        )  # what is none of our business has no coroutine of ours about it

    async def answered(self: Any, request: httpx.Request) -> httpx.Response:
        inner = self._transport_for_url(request.url)
        if _is_left_to(lib, gate, inner):
            with let_through(request.method, _url(request)):
                return await original(self, request)
        view = _View(self, _AsyncAnswering(lib, gate, inner))
        return await original(view, request)

    return as_coroutine_function(_send_single_request)


def _has_parts(lib: Any) -> bool:
    """Tell whether a URL of *lib* keeps its parts, percent-encoded, where httpx has them since 0.24."""
    return hasattr(getattr(lib.URL(""), "_uri_reference", None), "netloc")


def _path(request: httpx.Request) -> str:
    return request.url.raw_path.decode()


def _wants(gate: Gate, request: httpx.Request) -> bool:
    method = request.method
    if method != "POST" and is_unseen(method, gate):  # in full, for the sake of speed
        return False
    url: Any = request.url
    try:
        # `raw_host` and `raw_path` are made of these anew each time, for as much as all the rest costs.
        parts = url._uri_reference  # noqa: SLF001
        host, path = parts.host, parts.path
    except AttributeError:
        host, path = url.raw_host.decode(), url.raw_path.decode()
    if not gate.wants(method, host, path or "/"):
        return False
    # A switch of protocols is no exchange of messages; "target" overrides what the URL says.
    return "upgrade" not in request.headers and "target" not in request.extensions


def _url(request: httpx.Request) -> str:
    return ours(request, b"").url


class _View:
    """A client as it is, but for the transport it offers."""

    __slots__ = ("_cachesaver_client", "_cachesaver_transport")

    _cachesaver_client: Any
    _cachesaver_transport: object

    def __init__(self, client: object, transport: object) -> None:
        _set_client(self, client)
        _set_transport(self, transport)

    def _transport_for_url(self, _url: object) -> object:
        return self._cachesaver_transport

    # What every call asks for, by the shortest way:
    cookies = property(operator.attrgetter("_cachesaver_client.cookies"))
    _default_encoding = property(operator.attrgetter("_cachesaver_client._default_encoding"))
    __class__ = property(operator.attrgetter("_cachesaver_client.__class__"))  # pyright: ignore[reportIncompatibleMethodOverride]  # only read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cachesaver_client, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._cachesaver_client, name, value)

    def __reduce_ex__(self, protocol: Any) -> Any:  # who copies it copies the client
        return self._cachesaver_client.__reduce_ex__(protocol)


_set_client = vars(_View)["_cachesaver_client"].__set__
_set_transport = vars(_View)["_cachesaver_transport"].__set__


# --- whose call it is


def _is_left_to(lib: Any, gate: Gate, inner: object) -> bool:
    """Tell whether the call is *inner*'s alone: it asks a gate by itself, or it is a mock."""
    if isinstance(inner, (CachesaverTransport, AsyncCachesaverTransport)):
        return True
    return not gate.through_mocks and is_mocked(lib, inner, own_mocks(lib))


# --- answering


class _Answering:
    """Asks the gate for every request, and sends through *inner*."""

    def __init__(self, lib: Any, gate: Gate, inner: Any) -> None:
        self._lib = lib
        self._gate = gate
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if reason := obstacle(request):
            return self._pass(request, request, reason)
        arriving = iter(cast("httpx.SyncByteStream", request.stream))
        body = bytearray()
        for chunk in arriving:
            body += chunk
            if len(body) > LARGEST_BODY:
                rest = of(Rest, self._lib.SyncByteStream)(bytes(body), arriving)
                return self._pass(request, with_stream(self._lib, request, rest), TOO_LARGE)
        return self._answer(request, ours(request, bytes(body)))

    def _answer(self, request: httpx.Request, asked: Request) -> httpx.Response:
        def send(wanted: Request) -> Reply:
            return reply(self._inner.handle_request(twin(self._lib, request, asked, wanted)))

        shown = self._gate.answer(asked, send)
        shown.bodiless = asked.method == "HEAD"
        return theirs(self._lib, shown, of(Body, self._lib.SyncByteStream))

    def _pass(self, request: httpx.Request, going: httpx.Request, reason: str) -> httpx.Response:
        asked = ours(request, b"")
        self._gate.passed(asked.summary, reason)
        with let_through(asked.method, asked.url):
            return cast("httpx.Response", self._inner.handle_request(going))


class _AsyncAnswering:
    """The same for async clients."""

    def __init__(self, lib: Any, gate: Gate, inner: Any) -> None:
        self._lib = lib
        self._gate = gate
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if reason := obstacle(request):
            return await self._pass(request, request, reason)
        arriving = aiter(cast("httpx.AsyncByteStream", request.stream))
        body = bytearray()
        async for chunk in arriving:
            body += chunk
            if len(body) > LARGEST_BODY:
                rest = of(AsyncRest, self._lib.AsyncByteStream)(bytes(body), arriving)
                going = with_stream(self._lib, request, rest)
                try:
                    return await self._pass(request, going, TOO_LARGE)
                except BaseException:
                    await finish(arriving)  # the rest of it may not have been begun
                    raise
        return await self._answer(request, ours(request, bytes(body)))

    async def _answer(self, request: httpx.Request, asked: Request) -> httpx.Response:
        async def send(wanted: Request) -> AsyncReply:
            going = twin(self._lib, request, asked, wanted)
            return async_reply(await self._inner.handle_async_request(going))

        shown = await self._gate.aanswer(asked, send)
        shown.bodiless = asked.method == "HEAD"
        return theirs(self._lib, shown, of(AsyncBody, self._lib.AsyncByteStream))

    async def _pass(
        self, request: httpx.Request, going: httpx.Request, reason: str
    ) -> httpx.Response:
        asked = ours(request, b"")
        self._gate.passed(asked.summary, reason)
        with let_through(asked.method, asked.url):
            return cast("httpx.Response", await self._inner.handle_async_request(going))


class CachesaverTransport(_Answering):
    """What `transport` returns: asks only for what the gate wants, and owns *inner*."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer *request*, or send it through *inner* as it is."""
        if not _wants(self._gate, request):
            return cast("httpx.Response", self._inner.handle_request(request))
        if not self._is_mocked():
            return super().handle_request(request)
        with let_through(request.method, _url(request)):
            return cast("httpx.Response", self._inner.handle_request(request))

    def _is_mocked(self) -> bool:
        return not self._gate.through_mocks and is_mocked(self._lib, self._inner)

    def close(self) -> None:
        """Close *inner*."""
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._inner.__exit__(*failure)


class AsyncCachesaverTransport(_AsyncAnswering):
    """What `async_transport` returns: asks only for what the gate wants, and owns *inner*."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer *request*, or send it through *inner* as it is."""
        if not _wants(self._gate, request):
            return cast("httpx.Response", await self._inner.handle_async_request(request))
        if not self._is_mocked():
            return await super().handle_async_request(request)
        with let_through(request.method, _url(request)):
            return cast("httpx.Response", await self._inner.handle_async_request(request))

    def _is_mocked(self) -> bool:
        return not self._gate.through_mocks and is_mocked(self._lib, self._inner)

    async def aclose(self) -> None:
        """Close *inner*."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._inner.__aexit__(*failure)
