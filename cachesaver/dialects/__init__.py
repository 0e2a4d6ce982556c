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

__all__ = ["GROUP", "dialects", "forget", "recognise", "wants"]

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
    for known in (dialects, _candidates, _wants, _is_named, _ends, _by_endpoint):
        known.cache_clear()


def wants(host: str, path: str, *, hosts: Sequence[str] = ()) -> bool:
    """Tell, without the body, whether `recognise` could find a dialect; False is certain.

    In a third of a microsecond, and no slower for a path that was never seen: those of ordinary calls have
    ids in them, and are new every time. One that ends as an endpoint does, or with a slash, takes two or
    three.

    Args:
        host: Without port, lower case.
        path: Percent-encoded; a query may follow.
        hosts: What the user named.
    """
    bare = path.partition("?")[0] if "?" in path else path
    words, marks, ends = _ends()
    if bare.rpartition("/")[2] in words:
        if ends.search(bare):
            return _wants(host, bare, tuple(hosts))
    else:
        for mark in marks:
            if mark in bare and ends.search(bare):
                return _wants(host, bare, tuple(hosts))
    return bool(hosts) and _is_named(host, tuple(hosts))


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


@cache
def _ends() -> tuple[frozenset[str], tuple[str, ...], re.Pattern[str]]:
    """Return last segments of endpoints, marks of those whose last one varies, and what all end in.

    A path that has no such segment, and none of the marks in it, has no endpoint: that is told without
    the pattern, which costs as much as all the rest. What must not stand before an endpoint is left out:
    a pattern that begins with a slash is looked for at slashes only, which is ten times as fast.
    """
    known = {_BEFORE.sub("", each) for dialect in dialects() for each in dialect.endpoints}
    words = {each: each.rpartition("/")[2] for each in known if _LITERAL.fullmatch(each)}
    words |= {each: "" for each in known if each == _TOP}
    marks = {mark for each in known - words.keys() for mark in _marks(each)}
    return frozenset(words.values()), tuple(sorted(marks)), _ending(*sorted(known))


def _marks(endpoint: str) -> tuple[str, ...]:
    """Return texts of which each path that ends in *endpoint* has one; an empty one where none is known."""
    if _VERB.fullmatch(endpoint):
        return ":", "%3"
    found = _IN.match(endpoint)
    return ("" if found is None else found[1],)


_BEFORE = re.compile(r"\A(?:\(\?<![\w/.-]*\))+")
_LITERAL = re.compile(r"(?:[\w/-]|\[\^/\]\+)*/[\w-]+")
"""An endpoint whose last segment is one word; those before it may be anything."""
_IN = re.compile(r"(/[\w/-]+/)\[\^/\]\+[^|]*\Z")
"""One beneath what is certain: `/models/[^/]+...`."""
_VERB = re.compile(r"(?:[^|()]|\(\?:[\w|]+\))*\(\?::\|%3\[Aa\]\)(?:\w+|\(\?:[\w|]+\))")
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
