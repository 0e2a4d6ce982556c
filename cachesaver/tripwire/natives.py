"""Clients that bring their own sockets, in C or Rust: watched where they are told the URL.

A table of what can be told of each; none is imported here. What was made or imported by name before
the watch began may be missed where a row says so.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Final

from cachesaver.dialects.jsontext import is_object
from cachesaver.transports.patches import patch, patch_all
from cachesaver.tripwire.curl import ask_url, hook_curl_cffi, hook_pycurl, names_in
from cachesaver.tripwire.rust import hook_litellm, hook_pyreqwest
from cachesaver.tripwire.wire import Wire

__all__ = ["NATIVES", "hook_native"]

_VERBS: Final = ("get", "head", "options", "delete", "post", "put", "patch", "trace", "websocket")
_ANY_VERB: Final = ("request", "stream", "_stream")
"""Those that are told the method first."""

_BODIES: Final = ("json", "content", "data", "body", "form", "files", "multipart")
"""Arguments that carry a body; of files, and what is no bytes, no names are known."""

_Function = Callable[..., Any]
_Active = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """One client library and where it is told the URL.

    Attributes:
        hook: Puts the watch in place.
        seen: What is seen, and what is missed.
        source: Where it was read.
    """

    hook: Callable[[ModuleType, Wire], Callable[[], None]]
    seen: str
    source: str


def hook_native(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch *module*, whose name is one of `NATIVES`; return what undoes it."""
    return NATIVES[module.__name__].hook(module, wire)


# --- Rust


def _by_verbs(
    *classes: str, behind: tuple[str, ...] = ()
) -> Callable[[ModuleType, Wire], Callable[[], None]]:
    """Return what watches methods called as HTTP's, of *classes*, and functions of the module.

    *behind*: the arguments that may follow the URL without their names.
    """

    def hook(module: ModuleType, wire: Wire) -> Callable[[], None]:
        owners = [getattr(module, name) for name in classes if hasattr(module, name)]
        undoings = [
            patch(
                owner,
                name,
                functools.partial(
                    _calling, wire, module.__name__, name, (*_front(name, owner), *behind)
                ),
            )
            for owner in (module, *owners)
            for name in (*_ANY_VERB, *_VERBS)
            if callable(vars(owner).get(name))
        ]

        def undo() -> None:
            for each in undoings:
                each()

        return undo

    return hook


def _front(verb: str, owner: object) -> tuple[str, ...]:
    """Return how the arguments of *owner*'s *verb* are called, as far as its URL."""
    own = () if isinstance(owner, ModuleType) else ("self",)
    return (*own, *(("method", "url") if verb in _ANY_VERB else ("url",)))


def _calling(  # what is called, and on whose behalf
    wire: Wire,
    client: str,
    verb: str,
    names: tuple[str, ...],
    original: _Function,
    active: _Active,
) -> _Function:
    """*names*: how the arguments are called that may be given without one."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if active():
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            method = str(given.get("method", "get" if verb == "websocket" else verb))
            method = method.rpartition(".")[2].upper()
            ask_url(wire, client, method, given.get("url"), _names(given))
        return original(*args, **kwargs)

    return call


def _names(given: dict[str, Any]) -> frozenset[str] | None:
    """Return the names of the members of a body, as these clients are given it."""
    body: Any = next((given[name] for name in _BODIES if given.get(name) is not None), b"")
    return frozenset(body) if is_object(body) else names_in(body)


# --- gRPC

_CALLABLES: Final = (
    "_UnaryUnaryMultiCallable",
    "_SingleThreadedUnaryStreamMultiCallable",
    "_UnaryStreamMultiCallable",
    "_StreamUnaryMultiCallable",
    "_StreamStreamMultiCallable",
)


def _grpc(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """*module* is `grpc._channel`, or `grpc.aio._channel`."""
    layer = functools.partial(_opening_channel, wire)
    rows = [("Channel", "__init__", layer)]
    for kind in _CALLABLES:
        for name in ("__call__", "with_call", "future"):
            if name in vars(getattr(module, kind, object)):
                rows.append((kind, name, functools.partial(_calling_channel, wire)))  # noqa: PERF401
    return patch_all(module, rows)


def _opening_channel(wire: Wire, original: _Function, active: _Active) -> _Function:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # the method's name
        if active():
            target = signature.bind(self, *args, **kwargs).arguments.get("target", "")
            _ask_target(wire, target)
        original(self, *args, **kwargs)

    return __init__


def _calling_channel(wire: Wire, original: _Function, active: _Active) -> _Function:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if active():
            _ask_target(wire, self._target)
        return original(self, *args, **kwargs)

    return call


def _ask_target(wire: Wire, target: object) -> None:
    """Ask about a target as gRPC names one (github.com/grpc/grpc, doc/naming.md)."""
    name = target.decode() if isinstance(target, bytes) else str(target)
    if name.partition(":")[0] in {"unix", "unix-abstract", "vsock"}:
        return
    bare = name.rpartition("/")[2].removeprefix("dns:").removeprefix("ipv4:").removeprefix("ipv6:")
    host, colon, port = bare.rpartition(":")
    wire.destination(
        None, (host if colon else bare).strip("[]"), int(port) if port.isdigit() else 443
    )


NATIVES: Final = MappingProxyType(
    {
        # the module whose import puts the watch in place
        "curl_cffi": Native(
            hook=hook_curl_cffi,
            seen="every handle as it performs, its sessions' too; not what one was told before",
            source="curl_cffi 0.17, curl.py and aio.py",
        ),
        "pycurl": Native(
            hook=hook_pycurl,
            seen="every `pycurl.Curl` that is made afterwards, as it performs, tornado's too; not "
            "where the class was imported by name before",
            source="pycurl 7.49: its classes cannot be changed, so others take their places",
        ),
        "primp": Native(
            hook=_by_verbs("Client", "AsyncClient"),
            seen="the methods of its clients, and its functions where they are taken from the module",
            source="primp 2.0, primp.pyi",
        ),
        "rnet": Native(
            hook=_by_verbs("Client", "BlockingClient"),
            seen="as primp's",
            source="rnet 2.4, __init__.pyi",
        ),
        "impit": Native(
            hook=_by_verbs("Client", "AsyncClient", behind=("content", "data")),
            seen="as primp's",
            source="impit 0.15, impit.pyi",
        ),
        "httpr": Native(
            hook=_by_verbs("RClient", "Client", "AsyncClient"),
            seen="the methods of its clients, which its functions call too",
            source="httpr 0.7, __init__.py and httpr.pyi",
        ),
        "pyreqwest._pyreqwest": Native(
            hook=hook_pyreqwest,
            seen="every request as it is sent, with what a middleware made of it only where it was made "
            "by a function of `pyreqwest.simple`",
            source="pyreqwest 0.15, request/__init__.pyi and middleware/types.py",
        ),
        "litellm.rust_bridge._native": Native(
            hook=hook_litellm,
            seen="every call that LiteLLM hands to its Rust core",
            source="litellm 1.110, rust_bridge/bindings.py, catalog.py and public_call.py",
        ),
        "grpc._channel": Native(
            hook=_grpc,
            seen="every channel that is made, and every call on one made before",
            source="grpcio 1.85, _channel.py",
        ),
        "grpc.aio._channel": Native(
            hook=_grpc,
            seen="every channel that is made; not a call on one made before",
            source="grpcio 1.85, aio/_channel.py",
        ),
    }
)
