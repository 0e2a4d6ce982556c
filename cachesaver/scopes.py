"""What a program says about a stretch of its own code: its namespace, a name for its draws."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cachesaver.contexts import NAMESPACE, REQUEST_ID, setting
from cachesaver.errors import ConfigurationError

__all__ = ["namespace", "request_id"]


@contextlib.contextmanager
def namespace(name: str) -> Iterator[None]:
    """Draw in the namespace *name* inside this block or function, and in tasks started from it.

    Used like::

        with cachesaver.namespace("ablation-2"):
            solve(puzzle)

        @cachesaver.namespace("ablation-2")
        def solve(puzzle): ...
    """
    with setting(NAMESPACE, _text(name, "a namespace")):
        yield


@contextlib.contextmanager
def request_id(name: str) -> Iterator[None]:
    """Name the draws made inside this block or function by *name* instead of by their causes.

    The second draw of one question under one name is the next ordinal of that name, so loops and
    retries stay distinct. The header `x-cachesaver-request-id` on a call does the same for it.

    Used like::

        with cachesaver.request_id("agent-3/step-2"):
            client.chat.completions.create(...)
    """
    with setting(REQUEST_ID, _text(name, "a request id")):
        yield


def _text(name: object, what: str) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{what} must be a non-empty text, not {name!r}")
    return name
