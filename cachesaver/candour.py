"""Errors of ours that are to be seen through SDKs that wrap and retry what is not their own.

Two tables of such SDKs; none is imported here. A row may enter only with the code that makes it
necessary, and goes when no supported release has it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from cachesaver.errors import BudgetError, CachesaverError, ReplayError, rebuilt
from cachesaver.exchange import Request, Response

__all__ = ["ROOTS", "SPOKEN_TO", "Root", "let_through", "spoken"]


class Root(NamedTuple):
    """The root of an SDK's own errors, and the releases that look at it.

    Attributes:
        name: Of the class, in the SDK's outermost module.
        since: The first release that lets through what is of this class; those before wrap it too.
        until: The first release that lets ours through whatever its class; None: there is none yet.
    """

    name: str
    since: tuple[int, ...] = ()
    until: tuple[int, ...] | None = None


ROOTS: Mapping[str, Root] = MappingProxyType(
    {
        # anthropic, _base_client.py, _attempt_request() in 2.12, request() in 0.98: `except Exception`
        # makes all that is no AnthropicError an APIConnectionError, which is retried with seconds of
        # back-off. 0.97 does that to everything.
        "anthropic": Root("AnthropicError", since=(0, 98)),
        # dspy 3.4, clients/errors.py, wrap_error(): what is no LMError of its own becomes one, an
        # LMUnexpectedError, in which ours is a cause that nobody catches.
        "dspy": Root("LMError"),
        # openai, _base_client.py, request(): 2.30 makes everything an APIConnectionError, after retries
        # with back-off; 2.31 all but its OpenAIError; 3.14.1 httpx's RequestError and its like only.
        "openai": Root("OpenAIError", since=(2, 31), until=(3, 14, 1)),
    }
)


SPOKEN_TO: Final = re.compile(
    # groq 1.7, together 3.1, cerebras-cloud-sdk 1.91, fireworks-ai 1.2, _base_client.py, request():
    # `except Exception` makes everything, errors of theirs too, an APIConnectionError that says
    # nothing, after retries with seconds of back-off.
    r"(?:Async)?(?:Groq|Together|Cerebras|Fireworks)/Python "
)
"""The user agents of SDKs that let no error through: they are told by a response.

So are releases of those in `ROOTS` that do not look at the root yet.
"""

_PRECONDITION_FAILED, _PAYMENT_REQUIRED = 412, 402
"""What the gateway says as well. No SDK retries them."""


def spoken(error: ReplayError | BudgetError, request: Request) -> Response | None:
    """Return the response that tells *error* to the SDK of *request*; None where it may be raised."""
    agent = request.header("user-agent")
    if (agent is None or SPOKEN_TO.match(agent) is None) and not _is_of_an_old_one(request):
        return None
    text = f"{type(error).__name__}: {error}".encode()
    headers = (
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(text))),
        ("x-should-retry", "false"),
    )
    status = _PRECONDITION_FAILED if isinstance(error, ReplayError) else _PAYMENT_REQUIRED
    return Response(status=status, headers=headers, chunks=(text,))


def _is_of_an_old_one(request: Request) -> bool:
    """Tell whether a release from before its `Root.since` sent *request*, under whatever user agent."""
    told = request.header("x-stainless-package-version")
    old = (sdk for sdk, root in ROOTS.items() if root.since and _version(sdk) < root.since)
    return told is not None and any(_version_text(sdk) == told for sdk in old)


def _version(sdk: str) -> tuple[int, ...]:
    """Return the release of *sdk* that this program has imported; that of none is above all."""
    found = _RELEASE.match(_version_text(sdk))
    return (sys.maxsize,) if found is None else tuple(map(int, found[0].split(".")))


def _version_text(sdk: str) -> str:
    text = getattr(sys.modules.get(sdk), "__version__", "")
    return text if isinstance(text, str) else ""


_RELEASE: Final = re.compile(r"\d+(?:[.]\d+)*")


def let_through(error: CachesaverError) -> CachesaverError:
    """Return *error*, made an error of those SDKs of `ROOTS` too that this program has imported.

    It is the same object, still of its own class, and pickles as what it was. Releases from `Root.until`
    on do not look at the class, and change nothing.
    """
    roots = (_imported(sdk, root) for sdk, root in ROOTS.items())
    known = tuple(root for root in roots if isinstance(root, type))
    if known and not isinstance(error, known):
        error.__class__ = _both(type(error), known)
    return error


def _imported(sdk: str, root: Root) -> object:
    is_over = root.until is not None and _version(sdk) >= root.until
    return None if is_over else getattr(sys.modules.get(sdk), root.name, None)


def _both(kind: type[CachesaverError], roots: tuple[type, ...]) -> type[CachesaverError]:
    def reduce(self: CachesaverError) -> tuple[Any, ...]:
        return rebuilt, (kind, self.args, self.__dict__)

    namespace = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": reduce}
    return type(kind.__name__, (kind, *roots), namespace)
