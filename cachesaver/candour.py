"""Errors of ours that are to be seen through SDKs that wrap and retry what is not their own.

Two tables of such SDKs; none is imported here. A row may enter only with the code that makes it
necessary, and goes when no supported release has it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from cachesaver.errors import CachesaverError, ReplayError, rebuilt
from cachesaver.exchange import Response

__all__ = ["ROOTS", "SPOKEN_TO", "let_through", "spoken"]

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


SPOKEN_TO: Final = re.compile(
    # groq 1.7, together 3.1, cerebras-cloud-sdk 1.91, fireworks-ai 1.2, _base_client.py, request():
    # `except Exception` makes everything, errors of theirs too, an APIConnectionError that says
    # nothing, after retries with seconds of back-off.
    r"(?:Async)?(?:Groq|Together|Cerebras|Fireworks)/Python "
)
"""The user agents of SDKs that let no error through: they are told by a response."""

_TOLD_SO: Final = 412
"""Precondition Failed: what the gateway says as well. No SDK retries it."""


def spoken(error: ReplayError, user_agent: str | None) -> Response | None:
    """Return the response that tells *error* to the SDK of *user_agent*; None where it may be raised."""
    if user_agent is None or SPOKEN_TO.match(user_agent) is None:
        return None
    text = f"{type(error).__name__}: {error}".encode()
    headers = (
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(text))),
        ("x-should-retry", "false"),
    )
    return Response(status=_TOLD_SO, headers=headers, chunks=(text,))


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
