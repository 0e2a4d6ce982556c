"""What we know of each provider API: one module per API, tables first; pure, no I/O.

What counts as a provider call (docs/explanation/what-is-a-provider-call.md), in this order:

1. A known wire format: a POST whose path *ends* in an endpoint of a dialect and whose body has that
   API's shape for certain; on a host of the dialect's own or one the user named, where other APIs
   may look like it.
2. Any POST of a JSON object to a host the user named, unless it changes or polls something there.

Everything else passes through. No ordinary REST call may ever be taken for one of these by a guess:
where a rule could do that, the rule gives way.

The modules of our own dialects come with the first request that might be one of theirs, or when who
hooks a client loads `known`: a program that has no client pays for none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from cachesaver.dialects import hosts as addresses
from cachesaver.dialects.routing import is_addressed_by_header
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Request
from cachesaver.plugins import DIALECTS as PLUGINS
from cachesaver.plugins import plugins
from cachesaver.ports import Dialect

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "dialects", "forget", "is_ordinary", "recognise", "wants"]

GROUP = PLUGINS
"""Entry points of this group are dialects (a class or an instance) of other packages."""


@cache
def dialects() -> tuple[Dialect, ...]:
    """Return all dialects in the order they are tried: other packages' first, then ours.

    Raises:
        ConfigurationError: An entry point does not load.
    """
    from cachesaver.dialects.known import DIALECTS

    return (*map(_load, plugins(GROUP)), *DIALECTS)


def forget() -> None:
    """Forget what was found: the dialects of other packages are looked for anew."""
    global _tails, _ordinary  # noqa: PLW0603  # see `_known_tails`
    for known in (dialects, _candidates, _wants, _is_named, _end, _by_endpoint):
        known.cache_clear()
    _tails = None
    # Not cleared: who looked before, and is slow, must not write into what holds now.
    _ordinary = set()


def wants(host: str, path: str, *, hosts: Sequence[str] = ()) -> bool:
    """Tell, without the body, whether `recognise` could find a dialect; False is certain.

    Args:
        host: Without port, lower case.
        path: Percent-encoded; a query may follow.
        hosts: What the user named.
    """
    if not is_ordinary(path):
        bare = path.partition("?")[0]
        if _end().search(bare):
            return _wants(host, bare, tuple(hosts))
    return bool(hosts) and _is_named(host, tuple(hosts))


def is_ordinary(path: str) -> bool:
    """Tell, by the path alone, that `wants` says no of it on any host but those the user named.

    False tells nothing. Every call of the process comes past here: in a tenth of a microsecond where the
    path is known, and in a third where it is new, as those with ids in them are every time. What counts as
    much is that little else is touched: a call finds all of it out of the cache.

    *path*: As `wants` takes it.
    """
    seen = _ordinary
    if path in seen:
        return True
    bare = path.partition("?")[0] if "?" in path else path
    last, lasts, tails, marks = _tails or _known_tails()
    if bare[last] in lasts and bare.endswith(tails):
        return False
    if not bare or bare[0] != "/":
        return False
    for mark in marks:  # `all` would make a generator
        if mark in bare:
            return False
    if len(seen) < _MANY and bare is path and len(path) < _LONG:  # a query hardly comes again
        seen.add(path)
    return True


def recognise(
    request: Request, body: Mapping[str, object], *, hosts: Sequence[str] = ()
) -> Dialect | None:
    """Return the dialect that *request* is in; None when it is no provider call. Never raises.

    Args:
        request: Any.
        body: Its parsed JSON object; empty where it is not one.
        hosts: What the user named: host patterns such as `"*.acme.test"` or `"localhost:8000"`.
    """
    if request.method.upper() != "POST" or (not body and not request.body):
        return None
    if is_addressed_by_header(request):
        return None
    path = addresses.path_of(request.url)
    named = bool(hosts) and addresses.is_named(request.url, hosts)
    address = "" if named else addresses.address_of(request.url)
    for dialect in _candidates(path, address):
        if dialect.recognises(request, body):
            return dialect
    if not named:
        return None
    from cachesaver.dialects.known import NAMED
    from cachesaver.dialects.passing import refused

    return None if refused(request, body) or not _is_object(request, body) else NAMED


@lru_cache(maxsize=4096)
def _candidates(path: str, address: str) -> tuple[Dialect, ...]:
    """Return the dialects that have an endpoint at *path*, on *address* or (empty) anywhere."""
    return tuple(
        dialect
        for dialect, pattern, home in _by_endpoint()
        if pattern.search(path) and (not address or home is None or home.fullmatch(address))
    )


@lru_cache(maxsize=4096)
def _wants(host: str, path: str, hosts: tuple[str, ...]) -> bool:
    return _is_named(host, hosts) or any(
        pattern.search(path) and (home is None or addresses.may_be(host, home))
        for _, pattern, home in _by_endpoint()
    )


@lru_cache(maxsize=4096)
def _is_named(host: str, hosts: tuple[str, ...]) -> bool:
    return addresses.is_named_host(host, hosts)


_ordinary: set[str] = set()
"""The first paths of which `is_ordinary` has said so: a program asks for some again and again."""

_MANY = 128
"""How many are kept. No later one takes an earlier one's place: where all are new, all would pay for it."""

_LONG = 256
"""A path as long as this is not kept."""

_Tails = tuple[slice, frozenset[str], tuple[str, ...], tuple[str, ...]]
"""What paths of endpoints end in. A plain tuple: one with names takes six times as long to take apart.

As many last characters as the shortest of the ends has; what these are (nearly all other paths are told by
them, for a third of what the ends take); the ends in full; what else is in a path whose end varies.
"""

_tails: _Tails | None = None
"""What `_known_tails` returns, once it is known."""


def _known_tails() -> _Tails:
    """Find them.

    A path that ends in none of these, and has none of the marks in it, has no endpoint: that is told
    without a pattern, which costs as much as all the rest.
    """
    global _tails  # noqa: PLW0603  # a call to a cache costs as much as what is done with it
    tails, marks = set[str](), set[str]()
    for each in _endpoints():
        if _LITERAL.fullmatch(each):
            tails.add(each.rpartition("[^/]+")[2])
        elif verbs := _VERB.fullmatch(each):
            tails.update(verbs[1].strip("(?:)").split("|"))
        elif each != _TOP:  # its path has nothing behind the slash, which is added below
            marks.add(found[1] if (found := _IN.match(each)) else "")
    last = slice(-min(map(len, tails)), None)
    lasts = frozenset(each[last] for each in (*tails, "/"))
    _tails = (last, lasts, ("/", *sorted(tails)), tuple(sorted(marks)))
    return _tails


def _endpoints() -> frozenset[str]:
    """Return the endpoints of all dialects, less what must not stand before them."""
    return frozenset(_BEFORE.sub("", each) for dialect in dialects() for each in dialect.endpoints)


@cache
def _end() -> re.Pattern[str]:
    """Return what paths of endpoints end in, for certain.

    A pattern that begins with a slash is looked for at slashes only, which is ten times as fast.
    """
    return _ending(*sorted(_endpoints()))


_BEFORE = re.compile(r"\A(?:\(\?<![\w/.-]*\))+")
_LITERAL = re.compile(r"(?:[\w/-]|\[\^/\]\+)*/[\w-]+")
"""An endpoint whose last segment is one word; those before it may be anything."""
_IN = re.compile(r"(/[\w/-]+/)\[\^/\]\+[^|]*\Z")
"""One beneath what is certain: `/models/[^/]+...`."""
_VERB = re.compile(r"(?:[^|()]|\(\?:[\w|]+\))*\(\?::\|%3\[Aa\]\)(\w+|\(\?:[\w|]+\))")
"""One that ends in a colon and a verb: `/models/[^/]+(?::|%3[Aa])generateContent`."""
_TOP = r"\A/?"
"""The endpoint that is all of a host: its path ends with nothing after the slash."""


_Row = tuple[Dialect, re.Pattern[str], re.Pattern[str] | None]
"""A dialect, the ends of its paths, and the addresses it has to itself."""


@cache
def _by_endpoint() -> tuple[_Row, ...]:
    return tuple(
        (dialect, _ending(*dialect.endpoints), _home(getattr(dialect, "hosts", "")))
        for dialect in dialects()
    )


def _home(hosts: str) -> re.Pattern[str] | None:
    return re.compile(hosts) if hosts else None


def _ending(*endpoints: str) -> re.Pattern[str]:
    return re.compile(f"(?:{'|'.join(endpoints)})\\Z")


def _load(entry: EntryPoint) -> Dialect:
    try:
        found = entry.load()
        dialect: Dialect = found() if isinstance(found, type) else found
        re.compile("|".join(dialect.endpoints))
    except Exception as error:
        raise ConfigurationError(
            f"the dialect {entry.name!r} ({entry.value}) does not load: {error!r}. Update or remove "
            f"the package that brings it ({entry.dist.name if entry.dist else 'unknown'})."
        ) from error
    return dialect


def _is_object(request: Request, body: Mapping[str, object]) -> bool:
    if (request.header("content-type") or "").lower().startswith("multipart/"):
        return False
    return bool(body) or b"".join(request.body.split()) == b"{}"
