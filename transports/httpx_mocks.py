"""Whether a mock answers in the place of the network, for httpx and httpx2.

Neither library is imported; *lib* is the one in question.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from types import ModuleType
from typing import Any, cast

from cachesaver.transports.patches import MOCKS, is_mock, network_is_mocked, plain_function

__all__ = ["is_mocked", "own_mocks"]


def is_mocked(lib: Any, inner: object, mocks: tuple[type, ...] = ()) -> bool:
    """Tell whether a mock has patched itself into *inner*, or what it sends through is one of *mocks*."""
    if network_is_mocked():
        return True
    for layer in _layers(lib, inner):
        if isinstance(layer, mocks) or _is_patched(lib, layer, "handle_request"):
            return True
        if _is_patched(lib, layer, "handle_async_request"):
            return True
    return False


def _is_patched(lib: Any, layer: object, name: str) -> bool:
    function: object = getattr(layer, name, None)
    if function is None:
        return False
    kind = type(layer)
    plain = plain_function(function)
    # Of other classes nothing is remembered: they come and go, and what they inherit may change.
    if plain is None or kind.__module__ not in _packages(lib):
        return _is_replaced(lib, kind, name, function)
    return _is_known_as_replaced(lib, cast("Hashable", kind), name, plain)


def _is_replaced(lib: Any, kind: type, name: str, function: object) -> bool:
    owner = next((c for c in kind.__mro__ if name in vars(c)), kind)
    package = owner.__module__.partition(".")[0]
    # Somebody's own transport may answer as it likes; only one that is a mock by name is a mock.
    own = _packages(lib) if package in _packages(lib) else None
    return package in MOCKS or is_mock(function, own)


_is_known_as_replaced = functools.lru_cache(maxsize=64)(_is_replaced)
"""The same of a plain function in a class of the library, which says so for ever."""


def _layers(lib: Any, inner: object, depth: int = 4) -> list[object]:
    """Return *inner*, the transports it holds, and the connection pool at the bottom."""
    layers = [inner]
    held: dict[str, object] = getattr(inner, "__dict__", {})
    for name, value in tuple(held.items()) if depth else ():
        if name == "_pool":
            layers.append(value)
        elif isinstance(value, (lib.BaseTransport, lib.AsyncBaseTransport)):
            layers += _layers(lib, value, depth - 1)
    return layers


@functools.cache
def own_mocks(lib: Any) -> tuple[type, ...]:
    """Return the transports of *lib* that answer by themselves."""
    return (lib.MockTransport, lib.ASGITransport, lib.WSGITransport)


@functools.cache
def _packages(lib: ModuleType) -> frozenset[str]:
    return frozenset({lib.__name__, lib.__name__.replace("httpx", "httpcore")})
