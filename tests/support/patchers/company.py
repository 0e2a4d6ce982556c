"""Others who patch clients: who they are, what is installed for them, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from patchers import mocks
from patchers.mocks import Mock
from patchers.tracers import (
    Datadog,
    Logfire,
    OpenTelemetry,
    Proxies,
    Seams,
    Sentry,
)

__all__ = ["PATCHERS", "Other", "Patcher"]


class Other(Protocol):
    """One of them, in this process. It may come again after it has left."""

    def come(self) -> None:
        """Patch what it patches."""
        ...

    def leave(self) -> None:
        """Undo that, as its documentation says."""
        ...

    def watch(self) -> AbstractContextManager[list[str]]:
        """Return a block around one call; when it ends, its list has a line for each span."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patcher:
    """A way to have somebody there.

    Attributes:
        packages: As they are installed; the first is the one whose version is told. None: it is ours.
        make: Returns it, given the provider's address.
        known: By the name of an order, why it cannot hold.
    """

    packages: tuple[str, ...]
    make: Callable[[str], Other]
    known: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _otel(package: str, *names: str) -> Patcher:
    package = f"opentelemetry-instrumentation-{package}"
    return Patcher(packages=(package, "opentelemetry-sdk"), make=lambda _: OpenTelemetry(names))


def _mock(package: str, enter: mocks.Enter) -> Patcher:
    return Patcher(packages=(package,), make=lambda url: Mock(url, enter))


_ALL = {
    "httpx": ("httpx:HTTPXClientInstrumentor", "httpx:HTTPX2ClientInstrumentor"),
    "requests": ("requests:RequestsInstrumentor",),
    "urllib3": ("urllib3:URLLib3Instrumentor",),
    "urllib": ("urllib:URLLibInstrumentor",),
    "aiohttp-client": ("aiohttp_client:AioHttpClientInstrumentor",),
    "botocore": ("botocore:BotocoreInstrumentor",),
}

_PUT_BACK: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            "theirs first, they leave first",
            "they leave, come again, leave last",
        ),
        "they put back what they found, and what came after them is gone",
    )
)

_DATADOG = ("httpx", "httpx2", "requests", "urllib3", "aiohttp", "httplib", "botocore")

PATCHERS: Mapping[str, Patcher] = MappingProxyType(
    {
        **{f"OpenTelemetry, {name}": _otel(name, *names) for name, names in _ALL.items()},
        "Logfire": Patcher(
            packages=("logfire[httpx,requests,aiohttp-client]",), make=lambda _: Logfire()
        ),
        "Sentry": Patcher(packages=("sentry-sdk",), make=lambda _: Sentry()),
        "Datadog": Patcher(packages=("ddtrace",), make=lambda _: Datadog(_DATADOG)),
        "functions on our own methods": Patcher(
            packages=(),
            make=lambda _: Seams(),
            known=_PUT_BACK,
        ),
        "wrapt's proxies on our own methods": Patcher(
            packages=("wrapt",), make=lambda _: Proxies()
        ),
        "respx": _mock("respx", mocks.respx_enters),
        "responses": _mock("responses", mocks.responses_enters),
        "aioresponses": _mock("aioresponses", mocks.aioresponses_enters),
        "pook": _mock("pook", mocks.pook_enters),
    }
)
