"""What is taken out of requests and responses before they are compared or kept, as vcrpy's options say.

Each filter takes a request of its own to change, and returns it; None instead of it: not for the cassette.
"""

# What cassettes hold, and what hooks of projects make of it, may be anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import unquote_plus, urlencode, urlsplit

from cachesaver.encoding import decoded
from cachesaver.exchange import Response

__all__ = [
    "LOCALHOST",
    "RequestFilter",
    "bodies",
    "headers",
    "hosts",
    "queries",
    "sensitive",
    "undo_coding",
]

RequestFilter = Callable[[Any], Any]
Replacements = Mapping[str, Any]
"""By name: what stands in its place, a function of *key*, *value* and *request* that says it, or None."""

LOCALHOST: Final = ("localhost", "0.0.0.0", "127.0.0.1", "::1")  # noqa: S104  # nothing is bound


def _replacements(given: Iterable[Any]) -> Replacements:
    return dict(each if isinstance(each, tuple) else (each, None) for each in given)


def _replaced(replacement: Any, key: str, value: Any, request: Any) -> Any:
    return (
        replacement(key=key, value=value, request=request) if callable(replacement) else replacement
    )


def headers(given: Iterable[Any]) -> RequestFilter:
    """Return the filter for `filter_headers`."""
    wanted = _replacements(given)

    def replace(request: Any) -> Any:
        kept = request.headers.copy()
        for name, replacement in wanted.items():
            if name in kept:
                value = _replaced(replacement, name, kept.pop(name), request)
                if value is not None:
                    kept[name] = value
        request.headers = kept
        return request

    return replace


def queries(given: Iterable[Any]) -> RequestFilter:
    """Return the filter for `filter_query_parameters`."""
    wanted = _replacements(given)

    def replace(request: Any) -> Any:
        pairs = [
            (name, _replaced(wanted[name], name, value, request) if name in wanted else value)
            for name, value in request.query
        ]
        kept = urlencode([(name, value) for name, value in pairs if value is not None])
        request.uri = urlsplit(request.uri)._replace(query=kept).geturl()
        return request

    return replace


def bodies(given: Iterable[Any], *, nested: bool) -> RequestFilter:
    """Return the filter for `filter_post_data_parameters`; *nested*: at any depth of JSON."""
    wanted = _replacements(given)

    def replace(request: Any) -> Any:
        body = request.body
        kind = str(request.headers.get("Content-Type") or "")
        if not body or not isinstance(body, bytes | bytearray | dict):
            return request
        change = _members if nested else _outermost
        if isinstance(body, dict):
            request.body = change(body, wanted, request)
        elif kind == "application/json":
            request.body = json.dumps(change(json.loads(body), wanted, request)).encode()
        elif boundary := _boundary(kind):
            request.body = _parts(bytes(body), boundary, wanted, request)
        else:
            request.body = _fields(bytes(body), wanted, request)
        return request

    return replace


def _outermost(told: Any, wanted: Replacements, request: Any) -> Any:
    """What is replaced goes to the end, where vcrpy's cassettes have it."""
    if not isinstance(told, dict):
        return told
    kept = dict(cast("dict[str, Any]", told))
    for name, replacement in wanted.items():
        if name in kept:
            value = _replaced(replacement, name, kept.pop(name), request)
            if value is not None:
                kept[name] = value
    return kept


def _members(told: Any, wanted: Replacements, request: Any) -> Any:
    if isinstance(told, list):
        items: list[Any] = told
        return [_members(each, wanted, request) for each in items]
    if not isinstance(told, dict):
        return told
    kept = dict[str, Any]()
    for name, value in cast("dict[str, Any]", told).items():
        if name not in wanted:
            kept[name] = _members(value, wanted, request)
            continue
        replacement = _replaced(wanted[name], name, value, request)
        if replacement is not None:
            kept[name] = replacement
    return kept


def _fields(body: bytes, wanted: Replacements, request: Any) -> bytes:
    """A form; what is no text is none, and stays."""
    kept = list[bytes]()
    try:
        for field in body.split(b"&"):
            name, equals, value = field.partition(b"=")
            key = name.decode() if name.decode() in wanted else unquote_plus(name.decode())
            if not equals or key not in wanted:
                kept.append(field)
                continue
            replacement = _replaced(wanted[key], key, value.decode(), request)
            if replacement is not None:
                kept.append(name + equals + _bytes(replacement))
    except UnicodeDecodeError:
        return body
    return b"&".join(kept)


def _boundary(kind: str) -> bytes:
    found = re.search(r'boundary="?([^";]+)"?', kind, re.IGNORECASE)
    return found[1].encode() if found and kind.lower().startswith("multipart/form-data") else b""


def _parts(body: bytes, boundary: bytes, wanted: Replacements, request: Any) -> bytes:
    first, *parts = body.split(b"--" + boundary)
    kept = [first]
    for part in parts:
        head, gap, content = part.partition(b"\r\n\r\n")
        named = re.search(rb';\s*name="([^"]*)"', head)
        key = named[1].decode("utf-8", "replace") if named and gap else ""
        if key not in wanted:
            kept.append(part)
            continue
        text = content.removesuffix(b"\r\n")
        replacement = _replaced(wanted[key], key, text.decode("utf-8", "replace"), request)
        if replacement is not None:
            kept.append(head + gap + _bytes(replacement) + content[len(text) :])
    return (b"--" + boundary).join(kept)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def hosts(ignored: Iterable[Any]) -> RequestFilter:
    """Return the filter for `ignore_hosts`: names, and patterns that match all of one."""
    given = tuple(ignored)
    names = frozenset(host for host in given if isinstance(host, str))
    patterns = [host for host in given if isinstance(host, re.Pattern)]

    def ignore(request: Any) -> Any:
        host = str(getattr(request, "host", None) or "")
        return None if host in names or any(p.fullmatch(host) for p in patterns) else request

    return ignore


def undo_coding(response: dict[str, Any]) -> dict[str, Any]:
    """Return *response* (vcrpy's) with its content coding taken off, for `decode_compressed_response`."""
    response = copy.deepcopy(response)
    told: dict[str, Any] = response["headers"]
    name = next((each for each in told if each.lower() == "content-encoding"), None)
    if name is None:
        return response
    values = told[name] if isinstance(told[name], list) else [told[name]]
    body: bytes = response["body"].get("string") or b""
    coded = Response(status=200, headers=(("content-encoding", str(values[0])),), chunks=(body,))
    plain = decoded(coded)
    response["body"]["string"] = body if plain is None else plain.body
    kept = {each: value for each, value in told.items() if each.lower() not in _OF_CODING}
    size = str(len(response["body"]["string"]))
    response["headers"] = {**kept, "content-length": [size]}
    return response


_OF_CODING: Final = ("content-encoding", "content-length")

Hook = Callable[..., Any]


def sensitive(given: Any) -> tuple[Hook, Hook]:
    """Return what hides and what restores the values of `filter_sensitive_data`, by placeholder."""
    pairs: Sequence[tuple[Any, Any]] = tuple(given.items() if isinstance(given, Mapping) else given)

    def swapped(request: Any, response: Any, *, hides: bool) -> tuple[Any, Any]:
        for placeholder, given_value in pairs:
            value = given_value(request, response) if callable(given_value) else given_value
            if value is None or not str(placeholder) or not str(value):
                continue
            text, other = (
                (str(value), str(placeholder)) if hides else (str(placeholder), str(value))
            )
            told = _swap(request._to_dict(), text, other)  # noqa: SLF001  # vcrpy's name for it
            request = type(request)._from_dict(told)  # noqa: SLF001  # as above
            response = _swap(response, text, other)
        return request, response

    def hide(request: Any, response: Any) -> tuple[Any, Any]:
        return swapped(request, response, hides=True)

    def restore(request: Any, response: Any) -> tuple[Any, Any]:
        return swapped(request, response, hides=False)

    return hide, restore


def _swap(value: Any, text: str, other: str) -> Any:
    match value:
        case str():
            return value.replace(text, other)
        case bytes():
            return value.replace(text.encode(), other.encode())
        case dict():
            told: dict[Any, Any] = value
            return {_swap(k, text, other): _swap(v, text, other) for k, v in told.items()}
        case list():
            items: list[Any] = value
            return [_swap(each, text, other) for each in items]
        case _:
            return value
