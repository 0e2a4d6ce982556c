"""urllib3, and what stands on it (requests, botocore): where a pool opens a URL, we may answer.

`HTTPConnectionPool.urlopen` lies below sessions, adapters and pool managers and above connections.
What goes out goes through it as it was, retries and redirects and all; what comes back is urllib3's
own response over the standard library's, which parses bytes of ours. urllib3 is not imported here:
whatever is needed of it is taken from the module that is handed in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from cachesaver.exchange import Reply, Request
from cachesaver.ports import Gate
from cachesaver.transports.parsing import parsed
from cachesaver.transports.patches import (
    MOCKS,
    Row,
    bound,
    is_mock,
    is_patched,
    method_of,
    network_is_mocked,
    patch_all,
)
from cachesaver.transports.sights import is_let_through, is_unseen, let_through
from cachesaver.transports.urllib3_future import asynchronous, low_level
from cachesaver.transports.urllib3_messages import (
    Call,
    absolute,
    call_of,
    is_fork,
    ours,
    read,
    repeating,
    reply,
    retries,
    sending,
    theirs,
    with_parts,
)

if TYPE_CHECKING:
    import urllib3

__all__ = ["MODULES", "NAME", "hook"]

NAME: str = "urllib3"
MODULES: tuple[str, ...] = ("urllib3", "urllib3_future")

_OWN: Final = frozenset({"urllib3", "urllib3_future"})
_SEAMS: Final = ("_get_conn", "_make_request", "_new_conn")
"""Methods of a pool that somebody who owns the network may have replaced."""

_Urlopen = Callable[..., Any]


def hook(module: ModuleType, gate: Gate) -> Callable[[], None]:
    """Hook *gate* into all pools of *module*; see `cachesaver.ports.Transport.hook`."""
    lib = cast("Any", module)
    rows: list[Row] = [("HTTPConnectionPool", "urlopen", functools.partial(_layer, lib, gate))]
    if is_fork(lib):
        wants, is_left = functools.partial(_wants, gate), functools.partial(_is_left, lib, gate)
        layer = functools.partial(asynchronous, lib, gate, wants, is_left)
        rows.append(("AsyncHTTPConnectionPool", "urlopen", layer))
    return patch_all(module, rows)


def _layer(lib: Any, gate: Gate, original: _Urlopen, active: Callable[[], bool]) -> _Urlopen:
    mocked = is_mock(original, _OWN)
    untouched = method_of(original)

    @functools.wraps(original)
    def urlopen(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        # Every call of the process comes past here: what decides for most of them is asked first.
        if gate.ignores(url) or not active() or not _wants(gate, self, method, url):
            return untouched(self, method, url, *args, **kwargs)
        # Bound, not called with a pool in front: a tracer's layer may be no function.
        live = bound(original, self)
        call = call_of(method, url, *args, **kwargs)
        if is_let_through(method, absolute, lib, self, url):
            return live(**call)
        if _is_left(lib, gate, self, call, mocked=mocked):
            with let_through(method, absolute(lib, self, url)):
                return live(**call)
        return _Opening(lib, gate, self, live, call).run()

    return urlopen


# --- whose call it is


def _wants(gate: Gate, pool: Any, method: str, url: str) -> bool:
    if method != "POST" and is_unseen(method, gate):  # in full, for the sake of speed
        return False
    if url.startswith("/"):
        return gate.wants(method, pool.host, url)
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and gate.wants(method, host or "", parts.path)


def _is_left(lib: Any, gate: Gate, pool: Any, call: Call, *, mocked: bool) -> bool:
    """Tell whether *call* is to go out as it is; report what *gate* wants and cannot have."""
    if call.get("extension") is not None:  # of the fork: a WebSocket, and its like
        gate.passed(ours(lib, pool, call, b"").summary, "an extension takes over its connection")
        return True
    return _is_left_alone(pool, call) or (not gate.through_mocks and (mocked or _is_mocked(pool)))


def _is_left_alone(pool: Any, call: Call) -> bool:
    """Tell whether *call* fails without our help, or is no exchange of messages."""
    if pool.pool is None:
        return True
    if call.get("assert_same_host", True) and not pool.is_same_host(call["url"]):
        return True
    headers: Any = pool.headers if call.get("headers") is None else call["headers"]
    return any(name in {"upgrade", b"upgrade"} for name in map(_lower, headers))


def _lower(name: str | bytes) -> str | bytes:
    return name.lower()


def _is_mocked(pool: Any) -> bool:
    """Tell whether a mock has the network, or has put itself into *pool*."""
    connects: Any = pool.ConnectionCls
    kinds: tuple[Any, ...] = getattr(connects, "__mro__", (connects.__class__,))
    return (
        network_is_mocked()
        or any(kind.__module__.partition(".")[0] in MOCKS for kind in kinds)
        or any(is_patched(pool, name, _OWN) for name in _SEAMS)
    )


# --- answering


class _Opening:
    """One call of *pool*, answered through *gate*; *live* is what it would have been."""

    def __init__(self, lib: Any, gate: Gate, pool: Any, live: _Urlopen, call: Call) -> None:
        self._lib = lib
        self._gate = gate
        self._pool = pool
        self._live = live
        self._call = call
        self._retries = retries(lib, pool, call)
        self._parse = functools.partial(low_level, lib) if is_fork(lib) else parsed

    def run(self) -> urllib3.BaseHTTPResponse:
        body = read(self._lib, self._call)
        asked = ours(self._lib, self._pool, self._call, body.content or b"")
        if body.content is None:
            self._gate.passed(asked.summary, body.reason)
            with let_through(asked.method, asked.url):
                made = self._live(**{**self._call, "body": body.source})
            return cast("urllib3.BaseHTTPResponse", made)
        self._call = with_parts(self._lib, self._call, body)
        if not self._call.get("preload_content", True):
            return self._answer(asked)
        errors = self._lib.exceptions
        try:
            return self._answer(asked)
        except (errors.TimeoutError, errors.ProtocolError, errors.SSLError) as error:
            return self._again(asked, error)

    def _answer(self, asked: Request) -> urllib3.BaseHTTPResponse:
        sent = False

        def send(wanted: Request) -> Reply:
            nonlocal sent
            sent = True
            native = self._live(**sending(self._lib, self._call, asked, wanted))
            self._retries = native.retries or self._retries
            return reply(self._lib, native)

        shown = self._gate.answer(asked, send)
        shown.bodiless = asked.method == "HEAD"
        made = theirs(self._lib, self._pool, self._call, asked, shown, self._parse)
        return made if sent else self._judged(asked, made)

    def _judged(self, asked: Request, made: Any) -> urllib3.BaseHTTPResponse:
        """Do what urllib3 does with a status that its caller wants retried; live, it has done it."""
        left = self._retries
        if not left.is_retry(self._call["method"], made.status, "Retry-After" in made.headers):
            return cast("urllib3.BaseHTTPResponse", made)
        try:
            left = left.increment(
                self._call["method"], self._call["url"], response=made, _pool=self._pool
            )
        except self._lib.exceptions.MaxRetryError:
            if self._retries.raise_on_status:
                raise
            return cast("urllib3.BaseHTTPResponse", made)
        left.sleep(made)
        return self._repeated(asked, left)

    def _again(self, asked: Request, error: Exception) -> urllib3.BaseHTTPResponse:
        """Do what urllib3 does when a body that it reads at once breaks off.

        What was raised before there was a response is raised here once more: it is past retrying.
        """
        method, url = self._call["method"], self._call["url"]
        left = self._retries.increment(
            method, url, error=error, _pool=self._pool, _stacktrace=error.__traceback__
        )
        left.sleep()
        return self._repeated(asked, left)

    def _repeated(self, asked: Request, left: object) -> urllib3.BaseHTTPResponse:
        again = repeating(self._call, asked, left)
        return cast("urllib3.BaseHTTPResponse", self._pool.urlopen(**again))
