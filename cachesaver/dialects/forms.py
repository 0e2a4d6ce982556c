"""The two forms a response comes in, one JSON document or server-sent events, read and written.

Nothing is lost on the way (big integers, lone surrogates, the spelling of a key) and nothing is
mended: what cannot be carried over unharmed is a DialectError. What the JSON means stays out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NoReturn, TypeGuard

from cachesaver.dialects.sse import decode, encode
from cachesaver.errors import DialectError
from cachesaver.exchange import Headers, Response, without_headers

__all__ = [
    "event_stream",
    "first_byte",
    "is_list",
    "is_object",
    "is_stream",
    "json_document",
    "read_events",
    "read_json",
    "read_list",
    "read_object",
    "rebuilt",
    "write_json",
]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_REPLACED = ("content-length", "content-type", "transfer-encoding", "content-encoding")


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether *value*, out of a JSON parser, is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether *value*, out of a JSON parser, is an array."""
    return isinstance(value, list)


def read_json(text: str, *, dialect: str) -> object:
    """Return the JSON value *text*; of a key that comes twice, the last.

    Raises:
        DialectError: It is not JSON (NaN and Infinity are not), or too deep or long to read.
    """
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise DialectError("a body is not JSON that can be read", dialect=dialect) from error


def write_json(value: object, *, dialect: str) -> bytes:
    """Return *value* as compact JSON in UTF-8 on one line, keys in the order they have.

    Raises:
        DialectError: Something in it has no JSON: an infinite number, or a nesting too deep.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError:  # a lone surrogate is only to be had escaped
            return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError, TypeError) as error:
        raise DialectError("a value cannot be written as JSON", dialect=dialect) from error


def first_byte(response: Response) -> bytes:
    """Return the first byte of the body that is no white space; empty when there is none."""
    seen = b""
    for chunk in response.chunks:
        seen = (seen + chunk).removeprefix(_BYTE_ORDER_MARK).lstrip()
        if seen and not _BYTE_ORDER_MARK.startswith(seen):
            break
    return seen[:1]


def is_stream(response: Response) -> bool:
    """Tell whether the body is server-sent events; recordings often lack the content type."""
    return first_byte(response) not in b"{["


def read_object(response: Response, *, dialect: str) -> dict[str, object]:
    """Return the JSON object that is the body of *response*.

    Raises:
        DialectError: It is not one.
    """
    value = read_json(_text(response, dialect), dialect=dialect)
    if not is_object(value):
        raise DialectError("the response body is not a JSON object", dialect=dialect)
    return value


def read_list(response: Response, *, dialect: str) -> list[dict[str, object]]:
    """Return the JSON objects in the array that is the body of *response*.

    Raises:
        DialectError: It is not one, or holds something else.
    """
    value = read_json(_text(response, dialect), dialect=dialect)
    return _objects(value if is_list(value) else [value], dialect)


def read_events(response: Response, *, dialect: str, closing: str = "") -> list[dict[str, object]]:
    """Return the JSON objects that the events of *response* carry, in order.

    Args:
        response: Its body is server-sent events.
        dialect: Whose body it is.
        closing: What a last event may carry that says no more than that it is the last.

    Raises:
        DialectError: An event carries something else.
    """
    _text(response, dialect)
    told = [event.data for event in decode(response.body)]
    if closing and told[-1:] == [closing]:
        del told[-1]
    return _objects([read_json(each, dialect=dialect) for each in told], dialect)


def json_document(like: Response, value: object, *, dialect: str) -> Response:
    """Return *value* as a whole JSON response with the status and other headers of *like*."""
    return rebuilt(like, (write_json(value, dialect=dialect),), "application/json")


def event_stream(like: Response, events: Iterable[tuple[str, object]], *, dialect: str) -> Response:
    """Return *events* (name, may be empty, and value), one chunk each, as a stream like *like*."""
    chunks = tuple(encode(write_json(value, dialect=dialect), name=name) for name, value in events)
    return rebuilt(like, chunks, "text/event-stream; charset=utf-8")


def rebuilt(like: Response, chunks: tuple[bytes, ...], content_type: str) -> Response:
    """Return *like* with another body; of when it arrived, only its end is still known."""
    headers: Headers = (
        *without_headers(like.headers, _REPLACED),
        ("content-type", content_type),
    )
    offsets = like.offsets[-1:] if len(chunks) == 1 else ()
    return Response(
        status=like.status, headers=headers, chunks=chunks, offsets=offsets, reason=like.reason
    )


def _objects(values: list[object], dialect: str) -> list[dict[str, object]]:
    objects = [value for value in values if is_object(value)]
    if len(objects) != len(values):
        raise DialectError("a part of the stream is not a JSON object", dialect=dialect)
    return objects


def _text(response: Response, dialect: str) -> str:
    try:
        return response.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DialectError("the response body is not UTF-8", dialect=dialect) from error


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
