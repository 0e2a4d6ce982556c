"""Errors of ours that SDKs let through, where an SDK wraps and retries every error but its own.

A table of such SDKs; none is imported here. A row may enter only with the code that makes it
necessary, and goes when no supported release has it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.errors import CachesaverError, rebuilt

__all__ = ["ROOTS", "let_through"]

ROOTS: Mapping[str, str] = MappingProxyType(
    {
        # SDK: the root of its own errors, which it does not wrap
        # anthropic 2.12, _base_client.py, _attempt_request(): `except Exception` makes everything
        # else an APIConnectionError, which is retried with seconds of back-off.
        "anthropic": "AnthropicError",
        # dspy 3.4, clients/errors.py, wrap_error(): what is no LMError of its own becomes one, an
        # LMUnexpectedError, in which ours is a cause that nobody catches.
        "dspy": "LMError",
    }
)


def let_through(error: CachesaverError) -> CachesaverError:
    """Return *error*, made an error of those SDKs of `ROOTS` too that this program has imported.

    It is the same object, still of its own class, and pickles as what it was.
    """
    roots = (getattr(sys.modules.get(sdk), root, None) for sdk, root in ROOTS.items())
    known = tuple(root for root in roots if isinstance(root, type))
    if known and not isinstance(error, known):
        error.__class__ = _both(type(error), known)
    return error


def _both(kind: type[CachesaverError], roots: tuple[type, ...]) -> type[CachesaverError]:
    def reduce(self: CachesaverError) -> tuple[Any, ...]:
        return rebuilt, (kind, self.args, self.__dict__)

    namespace = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": reduce}
    return type(kind.__name__, (kind, *roots), namespace)
