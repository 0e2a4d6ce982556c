"""libcurl, by `curl_cffi` and `pycurl`: what a handle was told is noted, and asked about as it goes.

libcurl keeps what it was told from one request to the next, so that nothing is known until it performs
(https://curl.se/libcurl/c/curl_easy_setopt.html). Only the host of a URL is asked about at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from cachesaver.topnames import NOTHING, read
from cachesaver.transports.patches import patch_all
from cachesaver.tripwire.heads import Sent
from cachesaver.tripwire.wire import Wire

__all__ = ["ask_host", "ask_url", "hook_curl_cffi", "hook_pycurl", "names_in"]

_Function = Callable[..., Any]
_Active = Callable[[], bool]
_Layer = Callable[[_Function, _Active], _Function]

_OPTIONS = (
    *("URL", "CUSTOMREQUEST", "POST", "HTTPGET", "NOBODY", "UPLOAD", "PUT"),
    *("POSTFIELDS", "COPYPOSTFIELDS", "MIMEPOST", "HTTPPOST", "READFUNCTION", "READDATA"),
)
_STARTS = ("perform", "perform_rb", "perform_rs")


@dataclass(slots=True)
class _Told:
    """What a handle was told: *implied* is the method of what it was told to do."""

    url: object = ""
    custom: str = ""
    implied: str = "GET"
    names: frozenset[str] | None = frozenset()

    def take(self, option: str, value: object) -> None:
        """Note that *option* is *value*; None: no longer set."""
        if option == "URL":
            self.url = value
        elif option == "CUSTOMREQUEST":
            self.custom = "" if value is None else _text(value).upper()
        elif option in {"POST", "HTTPGET", "NOBODY", "UPLOAD", "PUT"}:
            self._do(option, is_on=bool(value))
        elif option in {"READFUNCTION", "READDATA"}:
            self.names = None
        elif value is not None:
            self.implied, self.names = "POST", names_in(value)

    def _do(self, option: str, *, is_on: bool) -> None:
        if is_on:
            implied = {"POST": "POST", "HTTPGET": "GET", "NOBODY": "HEAD"}
            self.implied = implied.get(option, "PUT")
        elif self.implied == "POST" and option == "POST":
            self.implied = "GET"


class _Watch:
    """The handles of one library."""

    def __init__(self, wire: Wire, client: str, options: dict[int, str]) -> None:
        self.wire, self.client, self.options = wire, client, options
        self._told: WeakKeyDictionary[Any, _Told] = WeakKeyDictionary()

    def setting(self, original: _Function, active: _Active) -> _Function:
        @functools.wraps(original)
        def setopt(handle: Any, option: Any, *value: Any) -> Any:
            name = self.options.get(option, "") if active() else ""
            if name == "URL" and value:
                ask_host(self.wire, self.client, value[0])
            done = original(handle, option, *value)
            if name:
                told = self._told.setdefault(handle, _Told())
                told.take(name, value[0] if value else None)
            return done

        return setopt

    def resetting(self, original: _Function, active: _Active) -> _Function:
        @functools.wraps(original)
        def reset(handle: Any) -> Any:
            self._told.pop(handle, None)
            return original(handle)

        return reset

    def starting(self, original: _Function, active: _Active) -> _Function:
        @functools.wraps(original)
        def perform(handle: Any, *args: Any, **kwargs: Any) -> Any:
            if active():
                self.ask(handle)
            return original(handle, *args, **kwargs)

        return perform

    def adding(self, original: _Function, active: _Active) -> _Function:
        @functools.wraps(original)
        def add_handle(multi: Any, curl: Any) -> Any:
            if active():
                self.ask(curl)
            return original(multi, curl)

        return add_handle

    def ask(self, handle: Any) -> None:
        told = self._told.get(handle)
        if told is not None and told.url:
            method = told.custom or told.implied
            ask_url(self.wire, self.client, method, told.url, told.names)


def hook_curl_cffi(module: ModuleType, wire: Wire) -> Callable[[], None]:
    """Watch `curl_cffi`; return what undoes it."""
    watch = _Watch(wire, module.__name__, _numbers(module.CurlOpt))
    rows = [
        ("Curl", "setopt", watch.setting),
        ("Curl", "reset", watch.resetting),
        ("Curl", "perform", watch.starting),
        ("AsyncCurl", "add_handle", watch.adding),
    ]
    return patch_all(
        module, [row for row in rows if hasattr(getattr(module, row[0], None), row[1])]
    )


def hook_pycurl(module: Any, wire: Wire) -> Callable[[], None]:
    """The same for `pycurl`, whose classes cannot be changed: others take their places."""
    watch = _Watch(wire, module.__name__, _numbers(module))
    layers: dict[str, _Layer] = {
        "setopt": watch.setting,
        "unsetopt": watch.setting,
        "reset": watch.resetting,
        **dict.fromkeys(_STARTS, watch.starting),
    }
    undoings = [_replace(module, "Curl", layers)]
    if hasattr(module, "CurlMulti"):
        undoings.append(_replace(module, "CurlMulti", {"add_handle": watch.adding}))

    def undo() -> None:
        for each in undoings:
            each()

    return undo


def _replace(module: Any, name: str, layers: dict[str, _Layer]) -> Callable[[], None]:
    """Put a subclass with *layers* over its methods in the place of the class *name*."""
    original: Any = getattr(module, name)
    kind: Any = type(name, (original,), {"__module__": original.__module__})
    for method, layer in layers.items():
        if hasattr(original, method):
            found = getattr(original, method)
            setattr(kind, method, layer(found, lambda: getattr(module, name) is kind))
    setattr(module, name, kind)

    def undo() -> None:
        if getattr(module, name) is kind:
            setattr(module, name, original)

    return undo


def _numbers(owner: Any) -> dict[int, str]:
    return {int(getattr(owner, name)): name for name in _OPTIONS if hasattr(owner, name)}


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def names_in(body: object) -> frozenset[str] | None:
    """Return the names of the members of *body*, as a client is given one; None: it cannot be read."""
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes | bytearray):
        return read(NOTHING, bytes(body)).names
    return None


def ask_host(wire: Wire, client: str, url: object) -> bool:
    """Ask about speaking to the host of *url*; return whether that is one: if not, *client* says so."""
    text = _absolute(url)
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme in {"https", "wss"} else 80)
    except ValueError:
        return False
    wire.destination(None, parts.hostname, port, client=client)
    return True


def ask_url(
    wire: Wire, client: str, method: str, url: object, names: frozenset[str] | None
) -> None:
    """Ask about a request to *url* whose body has the members *names*; None: it cannot be read."""
    if ask_host(wire, client, url):
        text = _absolute(url)
        sent = Sent(method=method, target=urlsplit(text).path, names=names)
        wire.request(None, sent, text, client=client)


def _absolute(url: object) -> str:
    text = _text(url)
    return text if "://" in text else f"http://{text}"
