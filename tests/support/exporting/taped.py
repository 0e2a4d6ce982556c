"""A cassette with one answer of each kind: whole, streamed, and of bytes that are no text."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cachesaver.cassettes.imports import judged
from cachesaver.cassettes.readers.values import Body, Interaction, interaction
from cachesaver.cassettes.transfer import add_to_cassette
from exporting.play import ORIGIN, SPEECH, STREAM, WHOLE

__all__ = ["TOLD", "write_cassette"]

SPOKEN = bytes(range(256)) * 9

TOLD = ["Hello, Ada: ü 😀 'x'\n", "one two ✓", hashlib.sha256(SPOKEN).hexdigest()[:12]]
"""What a client is told."""


def write_cassette(path: Path) -> None:
    """Make the cassette at *path*, as a recording would leave it."""
    answers = (
        (WHOLE, "/chat/completions", "application/json", _whole()),
        (STREAM, "/chat/completions", "text/event-stream", _stream()),
        (SPEECH, "/audio/speech", "audio/mpeg", SPOKEN),
    )
    verdicts = list(judged(_exchange(*each) for each in answers))
    assert [len(each.answers) for each in verdicts] == [1, 1, 1]
    add_to_cassette(path, [answer for each in verdicts for answer in each.answers])


def _exchange(asked: dict[str, Any], path: str, kind: str, told: bytes) -> Interaction:
    sent = Body(content=json.dumps(asked).encode())
    return interaction(
        ("POST", f"{ORIGIN}{path}", (("content-type", "application/json"),), sent),
        (200, (("content-type", kind),), Body(content=told), "OK"),
        place=0,
    )


def _whole() -> bytes:
    message = {"role": "assistant", "content": TOLD[0]}
    return json.dumps(_of("chat.completion", message=message, finish_reason="stop")).encode()


def _stream() -> bytes:
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": "one "}, None),
        ({"content": "two ✓"}, None),
        ({}, "stop"),
    ]
    chunks = [_of("chat.completion.chunk", delta=d, finish_reason=end) for d, end in deltas]
    events = [json.dumps(each, ensure_ascii=False) for each in chunks]
    return "".join(f"data: {each}\n\n" for each in (*events, "[DONE]")).encode()


def _of(kind: str, **choice: object) -> dict[str, object]:
    answer = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "gpt-5-mini-2025-08-07"}
    return {**answer, "choices": [{"index": 0, **choice}]}
