"""Streams of JSON objects as server-sent events: tell one, read one, write one."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager

from cachesaver.dialects.jsontext import is_object, read_json, write_json
from cachesaver.dialects.sse import decode, encode
from cachesaver.errors import DialectError
from cachesaver.exchange import Response, without_headers

__all__ = [
    "DONE",
    "data_objects",
    "dialect_errors",
    "ends_done",
    "event_stream",
    "is_done",
    "last_event",
    "looks_streamed",
]

DONE = "[DONE]"
"""Closes a stream (https://platform.openai.com/docs/api-reference/chat-streaming)."""

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LAST_LINE = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\][ \t]*(?:\r\n\r\n|\n\n|\r\r)\Z")
_BLANK_LINES = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_FRAMING = ("content-length", "content-type", "transfer-encoding", "content-encoding")


def looks_streamed(response: Response) -> bool:
    """Tell whether *response* holds server-sent events, going by the body before its label.

    Providers answer `stream=True` with a JSON error under the stream's label, and recordings lack
    the label.
    """
    head = b"".join(response.chunks[:2])[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"["):
        return False
    return head.startswith(_FIELDS) or response.content_type == "text/event-stream"


def data_objects(response: Response, *, dialect: str) -> Iterator[dict[str, object]]:
    """Iterate the JSON objects of a stream up to its `[DONE]`.

    An event named "error" is an object with a true `error`, whatever its data look like.

    Raises:
        DialectError: Some event's data are not a JSON object.
    """
    for event in decode(response.body):
        if event.data.startswith(DONE):
            return
        if not event.data.strip():
            continue
        try:
            value = read_json(event.data)
        except ValueError as error:
            raise DialectError("an event of the stream is not JSON", dialect=dialect) from error
        if not is_object(value):
            raise DialectError("an event of the stream is not a JSON object", dialect=dialect)
        yield {"error": True, **value} if event.name == "error" else value


def is_done(response: Response) -> bool:
    """Tell whether the stream *response* holds its `[DONE]`."""
    return any(event.data.startswith(DONE) for event in decode(response.body))


def ends_done(tail: bytes) -> bool:
    """Tell whether a stream with these last bytes has ended in `[DONE]`.

    The text in an answer does not count: inside JSON no line ends after it.
    """
    return _LAST_LINE.search(tail) is not None


def last_event(tail: bytes) -> bytes:
    """Return the last event of a stream with these last bytes, as much of it as they hold.

    Empty where the blank line after it is not there yet.
    """
    *others, end = _BLANK_LINES.split(tail)
    return b"" if end or not others else others[-1]


def event_stream(
    like: Response, events: Iterable[Mapping[str, object] | str], *, named: bool = False
) -> Response:
    """Return a stream of *events*, one chunk each, with status and other headers of *like*.

    Args:
        like: What the stream is made of.
        events: JSON objects, or text that is sent as it stands.
        named: Whether each event is named after its object's `type`.
    """
    return Response(
        status=like.status,
        headers=(
            *without_headers(like.headers, _FRAMING),
            ("content-type", "text/event-stream; charset=utf-8"),
        ),
        chunks=tuple(_event(event, named=named) for event in events),
        reason=like.reason,
    )


@contextmanager
def dialect_errors(dialect: str) -> Generator[None]:
    """Turn what hostile nesting does to readers and writers into DialectError."""
    try:
        yield
    except (RecursionError, ValueError) as error:
        raise DialectError("the body is nested too deeply", dialect=dialect) from error


def _event(event: Mapping[str, object] | str, *, named: bool) -> bytes:
    if isinstance(event, str):
        return encode(event.encode())
    return encode(write_json(event), name=str(event["type"]) if named else "")
