"""Calls to a gateway of ours from a process that has a session of its own: named here, answered there.

Only the process that makes a call knows what led to it; only the gateway knows whom it is for. So the
call goes to the gateway, and takes along what it is to be called and where it is to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote, urlsplit

from cachesaver.buying import SUCCESS
from cachesaver.contexts import inside
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.lineage import Drawn
from cachesaver.ports import AsyncSend, Run, Send

__all__ = ["DRAWS", "MOST", "PARTS", "Relay", "told"]

DRAWS = "x-cachesaver-draws"
"""The header that says the draw ids of a call, one after the other, 64 hex digits each: the gateway
takes them as they are. Only a process of the same run knows them; nobody says them by accident."""

MOST = 1024
"""Ids that one header says at the most; a call for more samples is named by its first."""

PARTS = frozenset({"ns", "replicate", "run", "id", "key"})
"""What may stand in front of the provider in a gateway's path, with its value behind it."""

R = TypeVar("R", Reply, AsyncReply)
Name = Callable[[Request], tuple[Request, Drawn]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The way to the gateway that stands beside this program.

    Attributes:
        url: Of the gateway, without a slash at the end; empty: there is none.
        name: Returns a request with what the gateway is to be told, and its draws.
        upstreams: By the name of a provider in the gateway's paths, where it sends its calls.
    """

    url: str
    name: Name
    upstreams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def covers(self, request: Request) -> bool:
        """Tell whether *request* is for the gateway."""
        return bool(self.url) and request.url.startswith(f"{self.url}/")

    def answer(self, request: Request, send: Send) -> Reply:
        """Have *request* answered by the gateway; blocking."""
        named, drawn = self.name(self._direct(request))
        try:
            with inside():
                reply = send(replace(named, url=request.url))
        except BaseException:
            drawn.give_back()
            raise
        return _counted(reply, drawn)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """Have *request* answered by the gateway."""
        named, drawn = self.name(self._direct(request))
        try:
            with inside():
                reply = await send(replace(named, url=request.url))
        except BaseException:
            drawn.give_back()
            raise
        return _counted(reply, drawn)

    def behind(self, host: str, path: str) -> tuple[str, str]:
        """Return the host and path that a call to *path* at *host*, perhaps the gateway's, is for."""
        ours = urlsplit(self.url)
        if host != ours.hostname or not path.startswith(f"{ours.path}/"):
            return host, path
        there = urlsplit(self._upstream(path.removeprefix(ours.path)))
        return there.hostname or "", there.path

    def _direct(self, request: Request) -> Request:
        """*request* at the address it is for: it is called what a direct call is called."""
        return replace(request, url=self._upstream(request.url.removeprefix(self.url)))

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


def _counted(reply: R, drawn: Drawn) -> R:
    """Return *reply*; one that brings no sample gives its draws back, so that a retry is the same."""
    if reply.status not in SUCCESS:
        drawn.give_back()
    return reply
