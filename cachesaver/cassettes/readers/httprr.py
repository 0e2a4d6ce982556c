"""Go's httprr: HTTP/1.1 dumps of requests and responses, each pair after a line of two lengths.

https://pkg.go.dev/golang.org/x/oscar/internal/httprr
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cachesaver.cassettes.readers.values import Body, Interaction, as_headers, interaction
from cachesaver.exchange import Headers, get_header

__all__ = ["BEGINNING", "read"]

BEGINNING: Final = (b"httprr trace v1\n",)


def read(text: bytes, _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    start, place = len(BEGINNING[0]), 0
    while start < len(text):
        end = text.index(b"\n", start)
        asked, told = map(int, text[start:end].split())
        dumps = text[end + 1 : end + 1 + asked], text[end + 1 + asked : end + 1 + asked + told]
        if len(dumps[1]) < told:
            raise ValueError("the last interaction is cut off")
        yield _interaction(*dumps, place=place, line=text.count(b"\n", 0, start) + 1)
        start, place = end + 1 + asked + told, place + 1


def _interaction(asked: bytes, told: bytes, *, place: int, line: int) -> Interaction:
    first, headers, body = _message(asked)
    method, url, _ = first.split(" ", 2)
    answer, answered, said = _message(told)
    _, status, reason = answer.split(" ", 2)
    return interaction(
        (method, url, headers, body), (int(status), answered, said, reason), place=place, line=line
    )


def _message(dump: bytes) -> tuple[str, Headers, Body]:
    head, _, body = dump.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.encode("latin-1").partition(b":") for line in lines)
    headers = as_headers([(name, value.strip()) for name, _, value in pairs])
    is_chunked = (get_header(headers, "transfer-encoding") or "").lower() == "chunked"
    return first, headers, Body(content=b"".join(_chunks(body)) if is_chunked else body)


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
