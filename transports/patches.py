"""Attributes of other people's classes: ours put there and taken back, and who wrote what is there.

Shared by the adapters that have to patch. Knows no client; decides nothing about requests.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, Final, TypeVar, cast

__all__ = [
    "MOCKS",
    "TRACERS",
    "Row",
    "as_coroutine_function",
    "author",
    "bound",
    "is_mock",
    "is_patched",
    "method_of",
    "network_is_mocked",
    "patch",
    "patch_all",
    "plain_function",
]

_F = TypeVar("_F", bound=Callable[..., object])

MOCKS: Final = MappingProxyType(
    {
        # package: what it puts where
        "aioresponses": "a function on aiohttp.ClientSession",
        "betamax": "an adapter on requests.Session",
        "httpretty": "classes on the socket module",
        "mocket": "classes on the socket module",
        "pook": "a transport by httpx.Client._transport_for_url, and its like",
        "pytest_httpx": "a function on httpx.HTTPTransport",
        "requests_mock": "a function on requests.Session",
        "responses": "a function on requests.adapters.HTTPAdapter",
        "respx": "functions on httpcore's pools and connections",
        "starlette": "a transport of its TestClient",
        "unittest": "a Mock anywhere",
        "vcr": "functions on httpcore's pools, or on httpx.Client",
    }
)
"""Packages that answer instead of the network. Where one is at work, its answer counts."""

TRACERS: Final = frozenset(
    {"ddtrace", "elasticapm", "logfire", "newrelic", "opentelemetry", "sentry_sdk", "wrapt"}
)
"""Packages that watch and pass on, not all of them by a wrapper that names what it wraps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layer:
    """One layer of ours: what it lies on, and how many still want it (empty: none; see `_alike`)."""

    ours: weakref.ref[Any]
    original: object
    owner: type | ModuleType
    name: str
    sign: object
    holds: list[bool]
    made_by: object


_NOTHING: Final = object()
"""The original of what lies where *owner* has nothing itself, but inherits."""

_layers: dict[int, _Layer] = {}
"""Layers of ours by the id of the function; also those that others lie on, as long as they hold it."""

_lock = threading.RLock()


def patch(
    owner: type | ModuleType, name: str, layer: Callable[[_F, Callable[[], bool]], _F]
) -> Callable[[], None]:
    """Put *layer(original, active)* in place of *owner*'s own attribute *name*; return the undoing.

    Where proxies of wrapt are there, as tracers put them, it goes beneath them: they see what they
    saw, and find what they put when they leave. A layer that was left beneath somebody's function,
    and would do the same, is used again.

    Args:
        owner: A class that has *name* itself, not by inheritance; or a module.
        name: Of a function.
        layer: Makes what is put there. When *active()* is false, what it makes must be *original*
            in all but identity: somebody has patched on top, and we were asked to leave.

    The undoing puts *original* back if nothing but proxies lies on our layer. Otherwise that is done
    when our layer comes to light again, by the first call of it that asks *active*. It may be called
    again.
    """
    with _lock:
        _tidy(owner, name)
        made = _found(owner, name, _sign(layer)) or _put(owner, name, layer)
        made.holds.append(True)
    held = [True]

    def undo() -> None:
        with _lock:
            if held:
                held.clear()
                made.holds.pop()
            _tidy(owner, name)

    return undo


def _put(owner: type | ModuleType, name: str, layer: Callable[[Any, Any], Any]) -> _Layer:
    sign = _sign(layer)
    holds = _alike(owner, name, sign)
    top, original = _seat(owner, name)

    def active() -> bool:
        if holds:
            return True
        if _lock.acquire(blocking=False):  # the next call will do as well
            try:
                _tidy(owner, name)
            finally:
                _lock.release()
        return bool(holds)

    ours = layer(original, active)
    made = _noted(ours, original, owner, name, sign=sign, holds=holds, made_by=layer)
    _set(owner, name, top, ours)
    return made


def _noted(  # noqa: PLR0913  # what is known of a layer
    ours: object,
    original: object,
    owner: type | ModuleType,
    name: str,
    *,
    holds: list[bool],
    sign: object = None,
    made_by: object = None,
) -> _Layer:
    """Return *ours* as a layer that is known, until nobody can put it back any more.

    *made_by*: Whose parts *sign* tells by their ids.
    """
    key, layers = id(ours), _layers
    _layers[key] = made = _Layer(
        ours=weakref.ref(ours, lambda _: layers.pop(key, None)),
        original=original,
        owner=owner,
        name=name,
        sign=sign,
        holds=holds,
        made_by=made_by,
    )
    return made


def _known(layer: object) -> _Layer | None:
    made = _layers.get(id(layer))
    return made if made is not None and made.ours() is layer else None


def _alike(owner: type | ModuleType, name: str, sign: object) -> list[bool]:
    """Return who holds layers of *sign* at this place: all are in force, or none is.

    A mock that puts back what it found may bring an older one to light, and bury the newer.
    """
    for each in tuple(_layers.values()):  # the garbage collector may take some meanwhile
        if (each.owner, each.name, each.sign) == (owner, name, sign):
            return each.holds
    return []


def _found(owner: type | ModuleType, name: str, sign: object) -> _Layer | None:
    """Return a layer of *sign* that is there already, on top or beneath what names what it wraps."""
    layer: object = vars(owner)[name]
    while layer is not None:
        made = None if _is_proxy(layer) else _known(layer)
        if made is not None and made.sign == sign:
            return made
        layer = getattr(layer, "__wrapped__", None)
    return None


def _tidy(owner: type | ModuleType, name: str) -> None:
    """Take away layers that nobody holds, as far as they lie open or beneath proxies."""
    while name in vars(owner):
        top, layer = _seat(owner, name)
        made = _known(layer)
        if made is None or made.holds or (top is not None and made.original is _NOTHING):
            return  # a proxy needs something to lie on
        _set(owner, name, top, made.original)
        del _layers[id(layer)]


def _seat(owner: type | ModuleType, name: str) -> tuple[Any, Any]:
    """Return the lowest proxy that lies on *owner*'s *name* (None: there is none), and on what."""
    top, layer = None, vars(owner)[name]
    while _is_proxy(layer):
        top, layer = layer, layer.__wrapped__
    return top, layer


def _set(owner: type | ModuleType, name: str, top: Any, function: object) -> None:
    if top is None and function is _NOTHING:
        delattr(owner, name)
    elif top is None:
        setattr(owner, name, function)
    else:
        top.__wrapped__ = function  # https://wrapt.readthedocs.io: a proxy may be given another


def _is_proxy(function: object) -> bool:
    """Tell whether *function* is a proxy of wrapt, which is equal to what it wraps."""
    kind: Any = getattr(sys.modules.get("wrapt"), "FunctionWrapper", None)
    return kind is not None and isinstance(function, kind)


def _sign(layer: object) -> object:
    """Return what is equal for layers that do the same: of one function, with the same arguments."""
    if isinstance(layer, functools.partial):
        keywords = ((key, _sign(value)) for key, value in layer.keywords.items())
        return (_sign(layer.func), *map(_sign, layer.args), *keywords)
    return id(layer)


Row = tuple[str, str, Callable[[Any, Callable[[], bool]], Any]]
"""A class of a module, a method, and the layer for it (see `patch`)."""


def patch_all(module: ModuleType, rows: Iterable[Row]) -> Callable[[], None]:
    """Patch every method of *rows* in *module*, or none of them; return what undoes it.

    Raises:
        AttributeError: A class or a method is not there.
    """
    with ExitStack() as undoings:
        for kind, name, layer in rows:
            owner: type = getattr(module, kind)
            undoings.callback(_made_own(owner, name))
            undoings.callback(patch(owner, name, layer))
        return undoings.pop_all().close


def _made_own(owner: type, name: str) -> Callable[[], None]:
    """See that *owner* has *name* itself (uvloop's is inherited); return what undoes that."""
    if name in vars(owner):
        return lambda: None
    inherited: Callable[..., Any] = getattr(owner, name)  # of its base, compiled

    @functools.wraps(inherited)
    def plain(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return inherited(self, *args, **kwargs)

    holds = [True]
    with _lock:
        setattr(owner, name, plain)
        _noted(plain, _NOTHING, owner, name, holds=holds)

    def undo() -> None:
        with _lock:
            holds.clear()
            _tidy(owner, name)

    return undo


def as_coroutine_function(function: _F) -> _F:
    """Return *function*, which returns an awaitable, marked as what it takes the place of.

    So that `unittest.mock` makes a mock of it that can be awaited.
    """
    mark: Any = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:  # from Python 3.12 on
        return cast("_F", mark(function))
    coroutines: Any = sys.modules.get("asyncio.coroutines")
    if coroutines is not None:  # else nobody asks
        sign = "_is_coroutine"  # what `asyncio.iscoroutinefunction` looks for
        setattr(function, sign, getattr(coroutines, sign))
    return function


def bound(function: Callable[..., Any], instance: object) -> Callable[..., Any]:
    """Return the method of *instance* that *function*, found in its class, is.

    A tracer's layer may be no function, and know whose it is only when it is bound.
    """
    bind: Any = getattr(function, "__get__", None)
    return function if bind is None else cast("Callable[..., Any]", bind(instance, type(instance)))


def method_of(function: _F) -> _F:
    """Return *function*, found in a class, as one that takes the instance first; see `bound`.

    That is nearly always the function itself, and nothing is bound: every call of the process comes
    past a layer that calls it.
    """
    if isinstance(function, FunctionType):
        return cast("_F", function)

    def method(instance: object, /, *args: Any, **kwargs: Any) -> Any:
        return bound(function, instance)(*args, **kwargs)

    return cast("_F", method)


def author(function: object) -> str:
    """Return the top-level package whose code *function* runs; empty when nobody can tell.

    `functools.wraps` copies `__module__` and `__name__`; only `__globals__` tells the truth.
    """
    names: Mapping[str, object] | None = getattr(function, "__globals__", None)
    module = type(function).__module__ if names is None else str(names.get("__name__", ""))
    return module.partition(".")[0]


def is_mock(function: object, own: frozenset[str] | None) -> bool:
    """Tell whether *function* answers instead of the network.

    Wrappers that name what they wrap (`__wrapped__`: tracers) are looked through. What names
    nothing and was written by nobody we know is a replacement, hence a mock.

    Args:
        function: What stands where a client's own function belongs.
        own: The packages that may have written what stands there; None if anyone may, so that
            only what is in `MOCKS` is one.
    """
    layer: object = function
    while (by := author(layer)) not in MOCKS:
        beneath: object = getattr(layer, "__wrapped__", None)
        if beneath is None:
            return own is not None and by not in own and by not in TRACERS
        layer = beneath
    return True


def plain_function(method: object) -> FunctionType | None:
    """Return the function that *method* is of, or that layers of ours lie on, where it wraps nothing.

    What it runs cannot change, and nothing hangs on it, neither of ours nor what a mock has recorded:
    it may be remembered. None where it is anything else.
    """
    function: object = method.__func__ if type(method) is MethodType else method
    while (made := _known(function)) is not None:
        function = made.original
    if type(function) is not FunctionType or function.__dict__ or function.__closure__:
        return None
    return None if function.__defaults__ or function.__kwdefaults__ else function


def is_patched(instance: object, name: str, own: frozenset[str]) -> bool:
    """Tell whether a mock has put itself in the place of *instance*'s method *name*.

    *own*: The packages whose classes have that method by themselves. Somebody's own class may do
    as it likes: there, only a mock by name is one.
    """
    function: object = getattr(instance, name)
    owner = next((kind for kind in type(instance).__mro__ if name in vars(kind)), type(instance))
    if name not in vars(instance) and owner.__module__.partition(".")[0] in own:
        return is_mock(function, own)
    return author(function) in MOCKS


def network_is_mocked() -> bool:
    """Tell whether a mock has taken the place of `socket.socket`."""
    socket: Any = sys.modules.get("socket")
    return socket is not None and socket.socket.__module__.partition(".")[0] in MOCKS


def _in_child() -> None:
    """After a fork: the parent's lock may be held by a thread that is not here."""
    global _lock  # noqa: PLW0603  # cannot be given back by anybody
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
