"""The gateway as an ASGI application: who may come in, where it goes, and the way back.

Everything about caching is the session's business (`Session.aanswer`), all that a path says is
`routing`'s. One event loop; the server is anybody's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import anyio
import orjson

from cachesaver import scopes
from cachesaver.contexts import DRAWS
from cachesaver.dialects.hosts import host_of
from cachesaver.errors import CachesaverError, ConfigurationError
from cachesaver.exchange import AsyncReply, Headers, Request
from cachesaver.gateway.admission import Admission
from cachesaver.gateway.headers import end_to_end, for_upstream, with_status
from cachesaver.gateway.incoming import GoneError, Incoming
from cachesaver.gateway.refusals import Refusal, refusal_of, shape_of
from cachesaver.gateway.routing import Map, Route
from cachesaver.gateway.sessions import Sessions
from cachesaver.gateway.upstream import Upstream
from cachesaver.session import Session

__all__ = ["App"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEALTH = "/cachesaver/health"

_UNNAMED = "\0in the order of arrival"
"""What draws are called whose caller does not say: no caller can say this in a header or a path."""


@dataclass(slots=True, kw_only=True, eq=False)
class App:
    """One gateway.

    Attributes:
        sessions: That answer.
        upstream: The way to providers.
        admission: Who may come in.
        map: Which way leads where.
        largest: The most bytes of a body that is read before it is sent on.
    """

    sessions: Sessions
    upstream: Upstream
    admission: Admission
    map: Map
    largest: int

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise TypeError(f"a gateway speaks HTTP, not {scope['type']}")
        call = _Call(self, scope, Incoming(receive), send)
        await call.answer_while_there()

    async def close(self) -> None:
        """Close the connections to providers."""
        await self.upstream.close()


class _Call:
    """One request on its way."""

    def __init__(self, app: App, scope: Message, incoming: Incoming, send: Send) -> None:
        self._app = app
        self._incoming = incoming
        self._send = send
        self._method: str = scope["method"]
        raw: bytes = scope["raw_path"]
        self._path = raw.decode("latin-1")
        self._query: str = scope["query_string"].decode("latin-1")
        self._headers: Headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        self._shape = "openai"

    async def answer_while_there(self) -> None:
        """Answer it, and give up when the client has gone.

        By a scope of anyio's, which the client to the provider is closed by in good order; cancelled
        as a task, it would leave connections open.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            await self.answer()
            group.cancel_scope.cancel()

    async def _watch(self, scope: anyio.CancelScope) -> None:
        await self._incoming.gone()
        scope.cancel()

    async def answer(self) -> None:
        """Answer it, with a refusal if need be."""
        try:
            await self._answer()
        except Refusal as refusal:
            await self._refuse(refusal)
        except CachesaverError as error:
            await self._refuse(refusal_of(error))
        except GoneError:
            return

    async def _answer(self) -> None:
        self._app.admission.check_sender(self._headers)
        if self._path == HEALTH:
            await self._tell_health()
            return
        if self._method == "CONNECT":
            raise Refusal(405, "connect", _NO_TUNNEL)
        route = self._app.map.route(self._path, self._query, self._headers)
        if route.provider is not None:
            self._shape = route.provider.errors
        self._app.admission.check_key(route.key)
        if "websocket" in (_value(self._headers, "upgrade") or "").lower():
            raise Refusal(501, "websocket", _NO_WEBSOCKET)
        with self._app.sessions.of(route.run) as session, _scopes(route, session):
            await self._hand_on(session, route)

    async def _hand_on(self, session: Session, route: Route) -> None:
        if session.wants(self._method, host_of(route.origin), route.target):
            body = await self._incoming.read(self._app.largest)
            request = self._request(route, body)
            question = session.explain(request)
            if question is not None:
                self._shape = shape_of(question.dialect.name)
            reply = await session.aanswer(request, self._app.upstream.send)
        else:
            reply = await self._pass(route)
        await self._show(reply)

    def _request(self, route: Route, body: bytes, *, decodable: bool = True) -> Request:
        kept = for_upstream(self._headers, decodable=decodable)
        return Request(method=self._method, url=route.url, headers=kept, body=body)

    async def _pass(self, route: Route) -> AsyncReply:
        """Send on what is no provider call, while it arrives."""
        request = self._request(route, b"", decodable=False)
        chunked, length = (
            _value(self._headers, name) for name in ("transfer-encoding", "content-length")
        )
        if not (chunked or length):
            await self._incoming.read(0)
            return await self._app.upstream.send(request)
        if length and not chunked:
            request = replace(request, headers=(*request.headers, ("content-length", length)))
        return await self._app.upstream.send_streamed(request, self._incoming.chunks())

    async def _show(self, reply: AsyncReply) -> None:
        headers = with_status(end_to_end(reply.headers))
        try:
            await self._start(reply.status, headers)
            async for chunk in reply.chunks:
                if chunk:
                    await self._send(
                        {"type": "http.response.body", "body": chunk, "more_body": True}
                    )
        except Refusal:
            # The head has gone out: to break off is all that is left to say.
            return
        finally:
            with anyio.CancelScope(shield=True):
                await reply.close()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, status: int, headers: Headers) -> None:
        encoded = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def _refuse(self, refusal: Refusal) -> None:
        await self._say(refusal.status, refusal.headers(self._shape), refusal.body(self._shape))

    async def _tell_health(self) -> None:
        said = orjson.dumps({"status": "ok"})
        await self._say(200, (("content-type", "application/json"),), said)

    async def _say(self, status: int, headers: Headers, body: bytes) -> None:
        await self._start(status, (*headers, ("content-length", str(len(body)))))
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


@contextlib.contextmanager
def _scopes(route: Route, session: Session) -> Generator[None]:
    """Draw as *route* says."""
    namespace = route.namespace or session.settings.namespace
    drawing = scopes.namespace(namespace, replicate=_number(route.replicate))
    named = scopes.Scope({DRAWS: route.draws})
    with drawing, scopes.request_id(route.request_id or _UNNAMED), named:
        yield


def _number(said: str) -> int | None:
    if said and not (said.isascii() and said.isdecimal()):
        raise ConfigurationError("a replicate is a whole number from 0, as in /replicate/3/")
    return int(said) if said else None


def _value(headers: Headers, name: str) -> str | None:
    return next((value for found, value in headers if found == name), None)


_NO_TUNNEL = (
    "this is a gateway, not a forward proxy: give it as the base URL of a client, "
    "not as HTTPS_PROXY"
)
_NO_WEBSOCKET = (
    "this gateway carries no WebSockets: let the client call over HTTP, or call the provider"
)
