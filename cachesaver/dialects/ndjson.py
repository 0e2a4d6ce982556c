"""Streams of JSON objects one a line (newline-delimited JSON): tell one, read one, write one.

Ollama's, and Cohere's first version as `application/stream+json`. Lenient as the clients are: line
ends may be CRLF, lines may be blank, the last may lack its end. What the JSON means stays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cachesaver.dialects.forms import is_object, read_json, rebuilt, write_json
from cachesaver.errors import DialectError
from cachesaver.exchange import Response

__all__ = ["NDJSON", "last_line", "lines", "looks_streamed", "read_lines", "write_lines"]

NDJSON = "application/x-ndjson"
"""https://github.com/ollama/ollama/blob/main/docs/api/streaming.mdx"""

_LABELS = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/stream+json"})

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines(body: bytes) -> Iterator[bytes]:
    """Iterate the lines of *body* that are not blank, without white space around them."""
    for line in body.removeprefix(_BYTE_ORDER_MARK).split(b"\n"):
        if stripped := line.strip():
            yield stripped


def looks_streamed(response: Response) -> bool:
    """Tell whether *response* is such a stream, going by its lines before its label.

    Several objects one a line are one, whatever the label; one object is one where the label says
    so. Recordings lack the label.
    """
    found = lines(response.body)
    first = next(found, b"")
    if not first.startswith(b"{"):
        return False
    if response.content_type in _LABELS:
        return True
    return next(found, None) is not None and _is_object(first)


def read_lines(response: Response, *, dialect: str) -> list[dict[str, object]]:
    """Return the JSON objects of the stream *response*, in order.

    Raises:
        DialectError: A line is something else, as the last one of a stream that was cut off.
    """
    return [_read(line, dialect) for line in lines(response.body)]


def last_line(tail: bytes) -> bytes:
    """Return the last line of a stream that ends in *tail*, as far as it is there.

    Empty where it may not have arrived in full.
    """
    ended = tail.rstrip()
    if not ended.endswith(b"}"):
        return b""
    return ended[ended.rfind(b"\n") + 1 :].lstrip()


def write_lines(
    like: Response,
    objects: Iterable[Mapping[str, object]],
    *,
    dialect: str,
    content_type: str = NDJSON,
) -> Response:
    """Return a stream of *objects*, a chunk each, with status and other headers of *like*.

    Raises:
        DialectError: Something in them has no JSON.
    """
    chunks = tuple(write_json(each, dialect=dialect) + b"\n" for each in objects)
    return rebuilt(like, chunks, content_type)


def _read(line: bytes, dialect: str) -> dict[str, object]:
    try:
        value = read_json(line.decode(), dialect=dialect)
    except UnicodeDecodeError as error:
        raise DialectError("a line of the stream is not UTF-8", dialect=dialect) from error
    if not is_object(value):
        raise DialectError("a line of the stream is not a JSON object", dialect=dialect)
    return value


def _is_object(line: bytes) -> bool:
    try:
        _read(line, "")
    except DialectError:
        return False
    return True
