"""Answers alone: a file of server-sent events, of chunks, or of one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cachesaver.exchange import Response
from recordings.values import Pair

__all__ = ["chunk_lines", "server_sent_events"]

_EVENTS = (("content-type", "text/event-stream"),)
_JSON = (("content-type", "application/json"),)


def server_sent_events(content: bytes, name: str) -> Iterator[Pair]:
    """Read a file that is the body of a stream."""
    yield None, Response(status=200, headers=_EVENTS, chunks=(content,))


def chunk_lines(content: bytes, name: str) -> Iterator[Pair]:
    """Read one of Vercel's fixtures: a JSON document, events, or chunks with one JSON a line.

    Of chunks only what they say was kept: they become events, named by their `type` as those are
    whose API names them. (Bedrock's were frames of a binary format.)
    """
    if name.endswith(".json"):
        yield None, Response(status=200, headers=_JSON, chunks=(content,))
    elif name.endswith(".sse"):
        yield None, Response(status=200, headers=_EVENTS, chunks=(content,))
    else:
        lines = [line for line in content.decode().split("\n") if line.strip()]
        told = "".join(map(_event, lines)).encode()
        yield None, Response(status=200, headers=_EVENTS, chunks=(told,))


def _event(line: str) -> str:
    try:
        chunk: Any = json.loads(line)
    except ValueError:  # one fixture has lines that lost a brace
        chunk = {}
    kind = chunk.get("type")
    named = f"event: {kind}\n" if isinstance(kind, str) else ""
    return f"{named}data: {line}\n\n"
