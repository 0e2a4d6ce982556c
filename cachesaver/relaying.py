"""Calls to a gateway of ours from a process that has a session of its own: named here, answered there.

Only the process that makes a call knows what led to it; only the gateway knows whom it is for. So the
call goes to the gateway, and takes along what it is to be called and where it is to draw.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from cachesaver.buying import SUCCESS
from cachesaver.contexts import inside
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.lineage import Drawn
from cachesaver.ports import AsyncSend, Run, Send
from cachesaver.tee import Recording

__all__ = ["DRAWS", "MOST", "PARTS", "Named", "Relay", "told"]

DRAWS = "x-cachesaver-draws"
"""The header that says the draw ids of a call, one after the other, 64 hex digits each: the gateway
takes them as they are. Only a process of the same run knows them; nobody says them by accident."""

MOST = 1024
"""Ids that one header says at the most; a call for more samples is named by its first."""

PARTS = frozenset({"ns", "replicate", "run", "id", "key"})
"""What may stand in front of the provider in a gateway's path, with its value behind it."""


def _never(tail: bytes) -> bool:  # noqa: ARG001  # as a dialect's
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A call to the gateway, and what is known of it here.

    Attributes:
        request: With what the gateway is to be told.
        drawn: Its draws; none where it has no names.
        streams: Whether it asks for a stream.
        finished: See `ports.Dialect.finished`.
    """

    request: Request
    drawn: Drawn = field(default_factory=Drawn)
    streams: bool = False
    finished: Callable[[bytes], bool] = _never


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The way to the gateway that stands beside this program.

    Attributes:
        url: Of the gateway, without a slash at the end; empty: there is none.
        name: Tells what to call a request.
        upstreams: By the name of a provider in the gateway's paths, where it sends its calls.
    """

    url: str
    name: Callable[[Request], Named]
    upstreams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def covers(self, request: Request) -> bool:
        """Tell whether *request* is for the gateway."""
        return bool(self.url) and request.url.startswith(f"{self.url}/")

    def answer(self, request: Request, send: Send) -> Reply:
        """Have *request* answered by the gateway; blocking."""
        named = self._named(request)
        try:
            with inside():
                reply = send(replace(named.request, url=request.url))
        except BaseException:
            named.drawn.give_back()
            raise
        if not self._is_read_on(reply, named):
            return reply
        return replace(reply, chunks=_Relayed(reply, named))

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """Have *request* answered by the gateway."""
        named = self._named(request)
        try:
            with inside():
                reply = await send(replace(named.request, url=request.url))
        except BaseException:
            named.drawn.give_back()
            raise
        if not self._is_read_on(reply, named):
            return reply
        return replace(reply, chunks=_AsyncRelayed(reply, named))

    def _named(self, request: Request) -> Named:
        """Return what *request* is called at the address it is for: what a direct call is called."""
        there = self._upstream(request.url.removeprefix(self.url))
        return self.name(replace(request, url=there))

    @staticmethod
    def _is_read_on(reply: Reply | AsyncReply, named: Named) -> bool:
        """Tell whether *reply* may yet break off; give its draws back if it is an error.

        What brings no sample gives them back, so that a retry is the same draw. A stream that the
        program leaves does not: the gateway reads ahead, and may have stored what was seen of it.
        """
        if reply.status not in SUCCESS:
            named.drawn.give_back()
            return False
        return named.streams and bool(named.drawn.ids)

    def behind(self, host: str, path: str) -> tuple[str, str]:
        """Return the host and path that a call to *path* at *host*, perhaps the gateway's, is for."""
        ours = urlsplit(self.url)
        if host != ours.hostname or not path.startswith(f"{ours.path}/"):
            return host, path
        try:
            there = urlsplit(self._upstream(path.removeprefix(ours.path)))
        except ValueError:  # no address: `/http/[x/y`
            return host, path
        return there.hostname or "", there.path

    def _upstream(self, path: str) -> str:
        """Return the URL that *path* of the gateway leads to.

        Where that is not known, it is an address that is the same in every run.
        """
        name, slash, rest = path[1:].partition("/")
        while name in PARTS:
            name, slash, rest = rest.partition("/")[2].partition("/")
        if name in ("http", "https"):
            return f"{name}://{rest}"
        return self.upstreams.get(name, f"http://gateway/{name}").rstrip("/") + slash + rest


def told(request: Request, run: Run, drawn: Drawn) -> Request:
    """Return *request* with what a gateway is to know of where and as what it draws."""
    replicate = () if run.replicate is None else (("x-cachesaver-replicate", str(run.replicate)),)
    said = (
        ("x-cachesaver-run", quote(run.id)),
        ("x-cachesaver-namespace", quote(run.namespace)),
        *replicate,
        *(("x-cachesaver-request-id", each) for each in drawn.ids[:1]),
        *((DRAWS, "".join(drawn.ids)) for _ in drawn.ids[:1] if len(drawn.ids) <= MOST),
    )
    names = {DRAWS, *(name for name, _ in said)}
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in names)
    return replace(request, headers=(*kept, *said))


class _Relayed(Iterator[bytes]):
    """The chunks of a stream, which gives its draws back where it breaks off."""

    def __init__(self, reply: Reply, named: Named) -> None:
        self._chunks = reply.chunks
        self._end = _End(reply, named)

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            raise
        except Exception:
            self._end.missed()
            raise
        self._end.heard(chunk)
        return chunk


class _AsyncRelayed(AsyncIterator[bytes]):
    """The same, asynchronously."""

    def __init__(self, reply: AsyncReply, named: Named) -> None:
        self._chunks = reply.chunks
        self._end = _End(reply, named)

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except Exception:  # no cancellation: that is leaving
            self._end.missed()
            raise
        self._end.heard(chunk)
        return chunk


class _End:
    """Whether a stream has said its last word: then the gateway has it."""

    def __init__(self, reply: Reply | AsyncReply, named: Named) -> None:
        self._recording = Recording(reply, named.finished, _never)
        self._drawn = named.drawn
        self._is_over = False

    def heard(self, chunk: bytes) -> None:
        self._is_over = self._is_over or self._recording.add(chunk)

    def missed(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._drawn.give_back()
