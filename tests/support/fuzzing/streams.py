"""Frames of streams and content codings: any bytes are read, or refused in the promised way."""

from __future__ import annotations

from itertools import accumulate

from cachesaver.dialects.sse import decode, encode
from cachesaver.encoding import decoded
from cachesaver.exchange import Response
from cachesaver.multipart import read_parts, write_parts

__all__ = ["codings", "streams"]

CODINGS = ("gzip", "deflate", "br", "zstd", "identity", "gzip, br", "x-gzip")


def codings(content: bytes) -> None:
    """The first byte chooses a coding, the second where the body is cut; the rest is the body."""
    if len(content) < 2:
        return
    body, size = content[2:], content[1] + 1
    chunks = tuple(body[start : start + size] for start in range(0, len(body), size))
    headers = (("content-encoding", CODINGS[content[0] % len(CODINGS)]),)
    offsets = tuple(accumulate([0.1] * len(chunks)))
    plain = decoded(Response(status=200, headers=headers, chunks=chunks, offsets=offsets))
    whole = decoded(Response(status=200, headers=headers, chunks=(body,)))
    assert (plain is None) == (whole is None), "a coding that depends on the seams"
    if plain is not None and whole is not None:
        assert plain.body == whole.body
        assert len(plain.offsets) == len(plain.chunks)


def streams(content: bytes) -> None:
    """Server-sent events are read and written again alike, and so are forms."""
    events = list(decode(content))
    again = b"".join(
        encode(event.data.encode("utf-8", "surrogatepass"), name=event.name)
        for event in events
        if not {"\r", "\n"}.intersection(event.data + event.name)
    )
    kept = [e for e in events if not {"\r", "\n"}.intersection(e.data + e.name)]
    assert [(each.name, each.data) for each in decode(again)] == [(e.name, e.data) for e in kept]
    kind = "multipart/form-data; boundary=x"
    parts = read_parts(content, kind)
    if parts is not None:
        assert read_parts(write_parts(parts, kind), kind) == parts
