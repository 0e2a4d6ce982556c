"""Calls to a gateway of ours from a process that has a session of its own: named here, answered there.

Only the process that makes a call knows what led to it; only the gateway knows whom it is for. So the
call goes to the gateway, and takes along what it is to be called and where it is to draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

from cachesaver.buying import SUCCESS
from cachesaver.contexts import inside
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.lineage import Drawn
from cachesaver.ports import AsyncSend, Run, Send

__all__ = ["Relay", "told"]

R = TypeVar("R", Reply, AsyncReply)
Name = Callable[[Request], tuple[Request, Drawn]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The way to the gateway that stands beside this program.

    Attributes:
        url: Of the gateway, without a slash at the end; empty: there is none.
        name: Returns a request with what the gateway is to be told, and its draws.
    """

    url: str
    name: Name

    def covers(self, request: Request) -> bool:
        """Tell whether *request* is for the gateway."""
        return bool(self.url) and request.url.startswith(f"{self.url}/")

    def answer(self, request: Request, send: Send) -> Reply:
        """Have *request* answered by the gateway; blocking."""
        named, drawn = self.name(self._anonymous(request))
        try:
            with inside():
                reply = send(replace(named, url=request.url))
        except BaseException:
            drawn.give_back()
            raise
        return _counted(reply, drawn)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """Have *request* answered by the gateway."""
        named, drawn = self.name(self._anonymous(request))
        try:
            with inside():
                reply = await send(replace(named, url=request.url))
        except BaseException:
            drawn.give_back()
            raise
        return _counted(reply, drawn)

    def _anonymous(self, request: Request) -> Request:
        """*request* at an address that is the same in every run, which the gateway's port is not."""
        return replace(request, url=f"http://gateway{request.url.removeprefix(self.url)}")


def told(request: Request, run: Run, drawn: Drawn) -> Request:
    """Return *request* with what a gateway is to know of where and as what it draws."""
    replicate = () if run.replicate is None else (("x-cachesaver-replicate", str(run.replicate)),)
    said = (
        ("x-cachesaver-run", quote(run.id)),
        ("x-cachesaver-namespace", quote(run.namespace)),
        *replicate,
        *(("x-cachesaver-request-id", each) for each in drawn.ids[:1]),
    )
    names = {name for name, _ in said}
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in names)
    return replace(request, headers=(*kept, *said))


def _counted(reply: R, drawn: Drawn) -> R:
    """Return *reply*; one that brings no sample gives its draws back, so that a retry is the same."""
    if reply.status not in SUCCESS:
        drawn.give_back()
    return reply
