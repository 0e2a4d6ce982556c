"""One call, one sight: what one hook has let through, the hooks beneath it leave alone.

Clients stand on clients (requests on urllib3 on `http.client`). What a hook sends is marked by whoever
sends it (`Gate.wants` says no); what a hook lets through as it is, is marked here. A call is told by
its method and URL, so that another one made on its behalf, such as by an application that is served
within a client's own transport, is still seen. Knows no client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Final, TypeVarTuple
from urllib.parse import unquote, urlsplit

from cachesaver.ports import Gate

__all__ = ["is_let_through", "is_unseen", "let_through"]

_Ts = TypeVarTuple("_Ts")

_Sight = tuple[str, str, int | None, str]

_PORTS: Final = {"http": 80, "https": 443}

_LET_THROUGH: ContextVar[tuple[_Sight, ...]] = ContextVar("cachesaver_let_through", default=())


def is_unseen(method: str, gate: Gate) -> bool:
    """Tell whether *gate* is not asked about *method* (in any case): no message is exchanged, or a head."""
    if method in _SEEN:
        return False
    named = method.upper()
    return named in {"CONNECT", "TRACE"} or (named == "HEAD" and not gate.heads)


_SEEN: Final = frozenset({"GET", "POST"})
"""As nearly every call spells them."""


@contextlib.contextmanager
def let_through(method: str, url: str) -> Generator[None]:
    """Mark the call of *method* (in any case) and *url* (absolute) as one that goes out as it is."""
    token = _LET_THROUGH.set((*_LET_THROUGH.get(), _sight(method, url)))
    try:
        yield
    finally:
        # Where a coroutine is closed from another context, there is nothing to undo in that one.
        with contextlib.suppress(ValueError):
            _LET_THROUGH.reset(token)


def is_let_through(method: str, url: Callable[[*_Ts], str], *of: *_Ts) -> bool:
    """Tell whether a hook further up has let the call of *method* and *url* (of *of*) through.

    *url* is asked only where anything was let through.
    """
    marked = _LET_THROUGH.get()
    return bool(marked) and _sight(method, url(*of)) in marked


def _sight(method: str, url: str) -> _Sight:
    """Return what clients that stand on each other agree upon: not all write a URL in one way."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return method.upper(), url, None, ""
    return method.upper(), (parts.hostname or "").rstrip("."), port, unquote(parts.path) or "/"
