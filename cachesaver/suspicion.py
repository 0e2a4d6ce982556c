"""What looks like a provider call, by its address and path, for those that let none of it out.

Pure. Says what may not leave the process with `mode="replay"`; what is answered from the store is
for `dialects.recognise` alone. docs/explanation/what-is-a-provider-call.md has the rule in words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from urllib.parse import unquote

from cachesaver import dialects
from cachesaver.dialects.hosts import address_of, is_named, is_named_host, path_of
from cachesaver.dialects.passing import passed, refused
from cachesaver.dialects.providers import HOSTS, PATHS, UNMISTAKABLE, Telling
from cachesaver.exchange import Request
from cachesaver.topnames import NOTHING, read

__all__ = [
    "may_be_asked",
    "names_of",
    "of_address",
    "of_request",
    "why_unanswered",
]

_Names = frozenset[str]


def _each(*names: str) -> tuple[_Names, ...]:
    return tuple(frozenset({name}) for name in names)


def _all_of(*names: str) -> _Names:
    return frozenset(names)


_ANY = _each("model", "model_id", "agent_id", "messages", "inputs", "input_file_id")
"""What a body has that asks a model, where no row of `_ASKING` says more."""

_ASKING: tuple[tuple[str, tuple[_Names, ...]], ...] = (
    # the end of a path: sets of members, one of which the outermost object of a question has. Rows as the
    # dialects of these endpoints have them: what is asked there, and by what the others differ.
    (
        r"/responses",
        (
            *(_all_of("model", each) for each in ("input", "prompt", "instructions")),
            *(_all_of("model", each) for each in ("previous_response_id", "conversation")),
            _all_of("prompt", "input"),
        ),
    ),
    (r"/v1/messages|/api/chat", (_all_of("model", "messages"),)),
    (r"/api/(?:generate|embed|embeddings)", _each("model")),
    (r"\A/generate|/generate_stream", _each("inputs")),
    (r"/generate", (_all_of("inputs", "parameters"),)),
    (r"/rerank", (*_each("model"), _all_of("query", "texts"))),
    (r"/score", tuple(_all_of("model", each) for each in ("text_1", "queries", "data_1"))),
    (r"/tokenize", _each("content", "prompt", "messages", "inputs", "model")),
    (r"/detokenize", _each("tokens", "ids")),
)

_AFTER_AUTHORITY = re.compile(r"[^/?#]*//[^/?#]*([^?#]*)")


@lru_cache(maxsize=4096)
def of_address(host: str, port: int | None, hosts: tuple[str, ...] = ()) -> str:
    """Return whose address this is, as a clause; empty where it is nobody's we know.

    Args:
        host: A name or an IP address, in any case, without brackets.
        port: None where it is not known: then it may be any.
        hosts: What the user named.
    """
    host = host.lower().rstrip(".")
    if is_named(f"//[{host}]:{port}" if ":" in host else f"//{host}:{port or 443}", hosts):
        return "it is one of the hosts that you named"
    if any(pattern.fullmatch(host) for pattern in _hosts()):
        return "it is the address of a provider"
    return ""


def may_be_asked(method: str, host: str, path: str, hosts: tuple[str, ...] = ()) -> bool:
    """Tell, without the body, whether `of_request` could say anything; False is certain.

    Args:
        method: In any case.
        host: Without port, lower case.
        path: Percent-encoded; a query may follow.
        hosts: What the user named.
    """
    return _may_be_asked(method.upper(), host, path.partition("?")[0], hosts)


@lru_cache(maxsize=4096)
def _may_be_asked(method: str, host: str, path: str, hosts: tuple[str, ...]) -> bool:
    if is_named_host(host, hosts) or of_address(host, None):
        return True
    return any(
        _telling(method, each) is not None
        or (method == "POST" and dialects.wants(host, each, hosts=hosts))
        for each in _spellings(path)
    )


def of_request(
    method: str, url: str, *, names: frozenset[str] | None = frozenset(), hosts: Sequence[str] = ()
) -> str:
    """Return why this looks like a provider call, as a clause; empty where it does not.

    Args:
        method: Upper case.
        url: Absolute; userinfo and query are not looked at.
        names: Of the members of the body's outermost object, or of a form's fields; None where it
            cannot be read, and so may ask a model.
        hosts: What the user named.
    """
    named, path, address = tuple(hosts), path_of(url) or _path(url), address_of(url)
    host, _, port = address.rpartition(":")
    if found := of_address(host, int(port) if port else None, named):
        return found
    told = (_of_path(method, host, each, names, named) for each in _spellings(path))
    return next(filter(None, told), "")


def _of_path(
    method: str, host: str, path: str, names: _Names | None, hosts: tuple[str, ...]
) -> str:
    told = _telling(method, path)
    if told is not None and not told.asks:
        return f"its path, {path}, is one of a provider's API"
    if told is not None and _asks(path, names):
        return f"its path, {path}, is one of a provider's API, and it asks a model"
    if method != "POST" or not dialects.wants(host, path, hosts=hosts):
        return ""
    if UNMISTAKABLE.search(path) or _asks(path, names):
        return f"its path, {path}, is one of a provider's API, and it asks a model"
    return ""


def _spellings(path: str) -> tuple[str, ...]:
    """Return *path*, and as a server may read it: percent-encoding and slashes at its end say nothing."""
    read = unquote(path)
    return tuple(dict.fromkeys((path, read, path.rstrip("/"), read.rstrip("/"))))


def _path(url: str) -> str:
    """Return the path of *url*, whatever its authority: an odd port is no way out."""
    found = _AFTER_AUTHORITY.match(url)
    return "" if found is None else found[1]


def names_of(request: Request, body: Mapping[str, object]) -> frozenset[str] | None:
    """Return the names of *body*, the members of *request*'s, else as far as it can be read.

    None where it cannot be, and so may ask a model.
    """
    if body:
        return frozenset(body)
    return None if request.header("content-encoding") else read(NOTHING, request.body).names


def _asks(path: str, names: frozenset[str] | None) -> bool:
    if names is None:
        return True
    rows = (sets for end, sets in _asking() if end.search(path))
    return any(each <= names for each in next(rows, _ANY))


@cache
def _asking() -> tuple[tuple[re.Pattern[str], tuple[_Names, ...]], ...]:
    return tuple((re.compile(f"(?:{end})\\Z"), sets) for end, sets in _ASKING)


def why_unanswered(request: Request, body: Mapping[str, object]) -> str:
    """Return why no store answers *request*, which no dialect recognises, as a clause."""
    known = refused(request, body) or getattr(passed(request), "why", "")
    if known:
        return str(known)
    if request.method != "POST":
        return "only a POST asks for a sample"
    return "it has not the form of any call that is known here"


@cache
def _hosts() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in HOSTS)


@lru_cache(maxsize=4096)
def _telling(method: str, path: str) -> Telling | None:
    rows = (row for row in PATHS if method in row.methods)
    return next((row for row in rows if _end(row).search(path)), None)


@cache
def _end(row: Telling) -> re.Pattern[str]:
    return re.compile(f"(?:{row.path})\\Z")
