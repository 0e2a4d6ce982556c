"""Clients in Rust whose calls are no methods named as HTTP's: watched as a request is sent.

A request of pyreqwest is built first, and tells its URL, method and body as it goes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from cachesaver.transports.patches import patch
from cachesaver.tripwire.curl import ask_url, names_in
from cachesaver.tripwire.wire import Wire

__all__ = ["hook_pyreqwest"]

_Function = Callable[..., Any]
_Active = Callable[[], bool]

_SENDING: Final = (
    ("ConsumedRequest", "send"),
    ("SyncConsumedRequest", "send"),
    ("StreamRequest", "__aenter__"),
    ("SyncStreamRequest", "__enter__"),
)
"""Where a request that was built is sent."""


def hook_pyreqwest(module: Any, wire: Wire) -> Callable[[], None]:
    """Watch `pyreqwest._pyreqwest`; return what undoes it."""
    layers: list[tuple[str, str, _Function]] = [
        *((kind, name, _sending) for kind, name in _SENDING),
        ("OneOffRequestBuilder", "send", _sending_one),
        ("SyncOneOffRequestBuilder", "send", _sending_one_in_thread),
    ]
    undoings = [
        patch(getattr(module.request, kind), name, functools.partial(layer, wire))
        for kind, name, layer in layers
    ]

    def undo() -> None:
        for each in undoings:
            each()

    return undo


def _sending(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def send(request: Any) -> Any:
        if active():
            _ask(wire, request)
        return original(request)

    return send


def _sending_one(wire: Wire, original: _Function, active: _Active) -> _Function:
    """A builder that sends by itself tells nothing: what its last middleware is handed does."""

    async def look(request: Any, following: Any) -> Any:
        _ask(wire, request)
        return await following.run(request)

    @functools.wraps(original)
    def send(builder: Any) -> Any:
        return original(builder.with_middleware(look) if active() else builder)

    return send


def _sending_one_in_thread(wire: Wire, original: _Function, active: _Active) -> _Function:
    """The same, where nothing is awaited."""

    def look(request: Any, following: Any) -> Any:
        _ask(wire, request)
        return following.run(request)

    @functools.wraps(original)
    def send(builder: Any) -> Any:
        return original(builder.with_middleware(look) if active() else builder)

    return send


def _ask(wire: Wire, request: Any) -> None:
    ask_url(wire, "pyreqwest", str(request.method), str(request.url), _names(request.body))


def _names(body: Any) -> frozenset[str] | None:
    """Return the names of the members of *body*; None: it is a stream, which is not read."""
    if body is None:
        return names_in(b"")
    content = body.copy_bytes()
    return None if content is None else names_in(bytes(content))
