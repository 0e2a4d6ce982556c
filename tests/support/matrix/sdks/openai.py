"""openai, and the two ways it has to look at a response itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx2
import openai

from matrix.sdks.completions import chunk_texts
from matrix.sdks.stainless import aiohttp, chats, maker, raises
from matrix.ways import Way, about, as_it_is

OpenAI: Any = openai.OpenAI

_KEPT = ("content-type", "openai-processing-ms", "x-request-id")


def _head(raw: Any) -> Any:
    return [raw.status_code, {name: raw.headers.get(name) for name in _KEPT}]


# --- with_raw_response: the whole response, and what can be parsed of it


def _raw(client: Any, topic: str) -> Any:
    raw = client.chat.completions.with_raw_response.create(**about(topic))
    return [*_head(raw), raw.text, raw.parse().model_dump(mode="json", warnings=False)]


def _raw_stream(client: Any, topic: str) -> Iterator[Any]:
    raw = client.chat.completions.with_raw_response.create(**about(topic), stream=True)
    yield _head(raw)
    with raw.parse() as chunks:
        yield from chunks


def _raw_dumped(told: Any) -> Any:
    """A head is a list of ours; the rest is the SDK's."""
    dump: Callable[..., Any] | None = getattr(told, "model_dump", None)
    return told if dump is None else dump(mode="json", warnings=False)


# --- with_streaming_response: a response that is read by hand


def _by_hand(client: Any, topic: str) -> Any:
    with client.chat.completions.with_streaming_response.create(**about(topic)) as raw:
        return [*_head(raw), b"".join(raw.iter_bytes()).decode()]


def _lines(client: Any, topic: str) -> Iterator[Any]:
    asked = about(topic)
    with client.chat.completions.with_streaming_response.create(**asked, stream=True) as raw:
        yield from raw.iter_lines()


def _line_texts(lines: Sequence[str]) -> str:
    events = (line.removeprefix("data: ") for line in lines if line.startswith("data: {"))
    deltas = (json.loads(event)["choices"][0]["delta"] for event in events)
    return "".join(delta.get("content") or "" for delta in deltas)


WAYS = {
    **chats(openai, OpenAI, openai.AsyncOpenAI, "/v1"),
    **aiohttp(openai, openai.AsyncOpenAI, "/v1"),
    "with_raw_response": Way(
        make=maker(OpenAI, "/v1"),
        ask=_raw,
        stream=_raw_stream,
        text=lambda answer: answer[3]["choices"][0]["message"]["content"],
        texts=lambda pieces: chunk_texts(pieces[1:]),
        raises=raises(openai),
        dumped=_raw_dumped,
    ),
    "with_streaming_response": Way(
        make=maker(OpenAI, "/v1"),
        ask=_by_hand,
        stream=_lines,
        text=lambda answer: json.loads(answer[2])["choices"][0]["message"]["content"],
        texts=_line_texts,
        # Read by hand, the client's own exception comes through.
        raises=raises(openai, stalled=httpx2.ReadTimeout),
        dumped=as_it_is,
    ),
}
