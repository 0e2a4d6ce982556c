"""What makes a request the recorded one, by the names that vcrpy gives: `match_on=("method", "uri")`.

A matcher takes the request that is made and a recorded one, and says whether they are one: by a bool,
or by raising AssertionError with what differs. Those of projects are taken as they are.
"""

# What cassettes hold, and what hooks of projects make of it, may be anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from cachesaver.vcr.request import body_of

__all__ = ["DEFAULT", "KEYS", "MATCHERS", "Matcher", "compared", "is_match"]

Matcher = Callable[[Any, Any], Any]
Key = Callable[[Any], Any]

DEFAULT: Final = ("method", "scheme", "host", "port", "path", "query")
_LINES: Final = 20
_WIDTH: Final = 200


def _equal(name: str, key: Key, shown: Key | None = None) -> Matcher:
    """Return a matcher that compares what *key* takes of a request."""

    def matcher(made: Any, recorded: Any) -> None:
        one, other = key(made), key(recorded)
        if one != other:
            raise AssertionError(
                _difference(shown(made), shown(recorded)) if shown else f"{one} != {other}"
            )

    matcher.__name__ = matcher.__qualname__ = name
    return matcher


def _uri(request: Any) -> str:
    """The URL, where a host without a path is one with the path `/`."""
    parts = request.parsed_uri
    uri: str = request.uri
    authority = f"{parts.scheme}://{parts.netloc}"
    if parts.path or not uri.startswith(authority):
        return uri
    return f"{authority}/{uri[len(authority) :]}"


def _kind(request: Any) -> str:
    """How the body is to be read, by its type: "json", "form", or not at all."""
    kind = _text(request.headers.get("Content-Type", "")).lower()
    return next((told for part, told in _KINDS.items() if part in kind), "")


_KINDS: Final = {"application/x-www-form-urlencoded": "form", "application/json": "json"}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _read(body: bytes, kind: str) -> Any:
    """What *body* means; itself where it is not what its type says."""
    try:
        if kind == "form":
            return parse_qs(body.decode("ascii"))
        return json.loads(body) if kind == "json" and body else body
    except ValueError:
        return body


def _body(made: Any, recorded: Any) -> None:
    given: Any = recorded.body
    if isinstance(given, dict):  # as aiohttp's user gave it; what is sent is JSON, or a form of it
        one, other = _read(body_of(made), _kind(made) or "json"), json.loads(body_of(recorded))
        if _kind(made) == "form":
            other = parse_qs(urlencode(given))
    else:
        kind = _kind(made) if _kind(made) == _kind(recorded) else ""
        one, other = (_read(body_of(each), kind) for each in (made, recorded))
    if one != other:
        raise AssertionError(_difference(_shown(one), _shown(other)))


_body.__name__ = _body.__qualname__ = "body"

_TAKEN: Mapping[str, Key] = MappingProxyType(
    {
        "method": lambda request: request.method,
        "scheme": lambda request: request.scheme,
        "host": lambda request: request.host,
        "port": lambda request: request.port,
        "path": lambda request: request.path or "/",
        "query": lambda request: request.query,
        "uri": _uri,
    }
)
"""What the matcher of that name compares."""

MATCHERS: Mapping[str, Matcher] = MappingProxyType(
    {
        **{name: _equal(name, key) for name, key in _TAKEN.items()},
        "url": _equal("uri", _uri),
        "headers": _equal("headers", lambda request: request.headers),
        "raw_body": _equal("raw_body", body_of, lambda request: _shown(body_of(request))),
        "body": _body,
    }
)
"""vcrpy's matchers, by name."""

KEYS: Mapping[Matcher, Key] = MappingProxyType(
    {MATCHERS[name]: key for name, key in _TAKEN.items()} | {MATCHERS["url"]: _uri}
)
"""What those matchers compare that can be looked up; a list of pairs is made a tuple first."""


def compared(
    made: Any, recorded: Any, matchers: Sequence[Matcher]
) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Return the names of *matchers* that take *made* for *recorded*, and what the others say differs."""
    alike, differing = list[str](), list[tuple[str, str | None]]()
    for matcher in matchers:
        name = getattr(matcher, "__name__", repr(matcher))
        try:
            found = matcher(made, recorded)
        except AssertionError as error:
            differing.append((name, str(error)))
            continue
        if found is None or found:
            alike.append(name)
        else:
            differing.append((name, None))
    return alike, differing


def is_match(made: Any, recorded: Any, matchers: Sequence[Matcher]) -> bool:
    """Tell whether all *matchers* take *made* for *recorded*."""
    return not compared(made, recorded, matchers)[1]


def _shown(body: Any) -> str:
    if isinstance(body, bytes):
        return body.decode("utf-8", "replace")
    return json.dumps(body, indent=2, sort_keys=True, default=str)


def _difference(made: str, recorded: str) -> str:
    lines = list(
        difflib.unified_diff(
            recorded.splitlines(), made.splitlines(), "recorded", "this request", n=1, lineterm=""
        )
    )
    shown = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..." for line in lines[:_LINES]]
    more = [f"... ({len(lines) - _LINES} more lines)"] if len(lines) > _LINES else []
    return "\n".join([*shown, *more])
