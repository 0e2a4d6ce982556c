"""Clients in Rust whose calls are no methods named as HTTP's: watched as a request is sent.

A request of pyreqwest is built first, and tells its URL, method and body as it goes. LiteLLM's core is
told what to ask a model, and finds the URL by itself where nobody gives one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from cachesaver.transports.patches import patch
from cachesaver.tripwire.curl import ask_host, ask_url, names_in
from cachesaver.tripwire.wire import Wire

__all__ = ["hook_litellm", "hook_pyreqwest"]

_Function = Callable[..., Any]
_Active = Callable[[], bool]

_SENDING: Final = (
    ("ConsumedRequest", "send"),
    ("SyncConsumedRequest", "send"),
    ("StreamRequest", "__aenter__"),
    ("SyncStreamRequest", "__enter__"),
)
"""Where a request that was built is sent."""

_ROUTES: Final = ("completion", "embedding", "messages", "ocr", "responses", "transcription")
"""What LiteLLM's core is asked to do; the same with an `a` in front where it is awaited."""

_BASES: Final = MappingProxyType(
    {
        # provider: variables with its base URL, and its own (litellm 1.110, main.py and constants.py)
        "anthropic": (("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"), "https://api.anthropic.com"),
        "mistral": ((), "https://api.mistral.ai"),
    }
)


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


# --- LiteLLM


def hook_litellm(module: Any, wire: Wire) -> Callable[[], None]:
    """Watch `litellm.rust_bridge._native`; return what undoes it."""
    undoings = [
        patch(module, name, functools.partial(_asking, wire))
        for route in _ROUTES
        for name in (route, f"a{route}")
        if hasattr(module, name)
    ]

    def undo() -> None:
        for each in undoings:
            each()

    return undo


def _asking(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def ask(*args: Any) -> Any:
        if active():
            call = args[0] if args else None
            base = _base({**getattr(call, "base", {}), **getattr(call, "kwargs", {})})
            if ask_host(wire, "litellm.rust_bridge", base):
                wire.model(base, client="litellm.rust_bridge")
        return original(*args)

    return ask


def _base(given: dict[str, Any]) -> str:
    """Return the base URL of a call; of a provider that is not known, one that is no host's."""
    if given.get("api_base"):
        return str(given["api_base"]).rstrip("/")
    provider, slash, _ = str(given.get("model", "")).partition("/")
    provider = str(given.get("custom_llm_provider") or (provider if slash else "anthropic"))
    variables, own = _BASES.get(provider, ((), f"https://{provider}.invalid"))
    return next(filter(None, map(os.environ.get, variables)), own).rstrip("/")
