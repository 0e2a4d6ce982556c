"""Go's httprr: HTTP/1.1 dumps of requests and responses, each pair after a line of two lengths."""

from __future__ import annotations

from collections.abc import Iterator

from cachesaver.exchange import Headers, get_header
from recordings.values import Pair, as_headers, as_request, as_response

__all__ = ["httprr"]

_MAGIC = b"httprr trace v1\n"


def httprr(content: bytes, name: str) -> Iterator[Pair]:
    """Read a trace: https://pkg.go.dev/golang.org/x/oscar/internal/httprr."""
    if not content.startswith(_MAGIC):
        raise ValueError(f"{name} is no trace of httprr")
    rest = content.removeprefix(_MAGIC)
    while rest:
        lengths, _, rest = rest.partition(b"\n")
        asked, told = map(int, lengths.split())
        yield _pair(rest[:asked], rest[asked : asked + told])
        rest = rest[asked + told :]


def _pair(asked: bytes, told: bytes) -> Pair:
    line, headers, body = _message(asked)
    method, url, _ = line.split(" ", 2)
    answer, answered, said = _message(told)
    _, status, reason = answer.split(" ", 2)
    return as_request(method, url, headers, body), as_response(int(status), answered, said, reason)


def _message(dump: bytes) -> tuple[str, Headers, bytes]:
    head, _, body = dump.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = as_headers([(name, value.strip()) for name, _, value in pairs])
    is_chunked = (get_header(headers, "transfer-encoding") or "").lower() == "chunked"
    return first, headers, b"".join(_chunks(body)) if is_chunked else body


def _chunks(body: bytes) -> Iterator[bytes]:
    """Undo the chunked coding: RFC 9112, section 7.1."""
    while body:
        length, _, body = body.partition(b"\r\n")
        size = int(length.partition(b";")[0], 16)
        if not size:
            return
        yield body[:size]
        body = body[size:].removeprefix(b"\r\n")
    raise ValueError("a chunked body has no last chunk")
