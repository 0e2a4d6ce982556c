"""Answers alone: a file of server-sent events, of chunks, or of one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from recordings.values import Pair, as_headers, as_response

__all__ = ["chunk_lines", "server_sent_events"]

_EVENTS = as_headers([("content-type", "text/event-stream")])
_JSON = as_headers([("content-type", "application/json")])


def server_sent_events(content: bytes, name: str) -> Iterator[Pair]:
    """Read a file that is the body of a stream."""
    yield None, as_response(200, _EVENTS, content)


def chunk_lines(content: bytes, name: str) -> Iterator[Pair]:
    """Read one of Vercel's fixtures: a JSON document, events, or chunks with one JSON a line.

    Of chunks only what they say was kept: they become events, named by their `type` as those are
    whose API names them. (Bedrock's were frames of a binary format.)
    """
    if name.endswith(".json"):
        yield None, as_response(200, _JSON, content)
    elif name.endswith(".sse"):
        yield None, as_response(200, _EVENTS, content)
    else:
        lines = [line for line in content.decode().split("\n") if line.strip()]
        yield None, as_response(200, _EVENTS, "".join(map(_event, lines)).encode())


def _event(line: str) -> str:
    try:
        chunk: Any = json.loads(line)
    except ValueError:  # one fixture has lines that lost a brace
        chunk = {}
    kind = chunk.get("type")
    named = f"event: {kind}\n" if isinstance(kind, str) else ""
    return f"{named}data: {line}\n\n"
