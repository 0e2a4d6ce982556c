"""anthropic, and the two ways it has to look at a response itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import anthropic
import httpx2

from matrix.sdks.stainless import maker, raises
from matrix.ways import Way, about, as_it_is

_KEPT = ("content-type", "request-id")
_RAISES = raises(anthropic, stalled=httpx2.ReadTimeout)
"""In the middle of a stream, the client's own exception comes through."""


def _asked(topic: str) -> dict[str, Any]:
    return {**about(topic), "max_tokens": 200}


def _head(raw: Any) -> Any:
    return [raw.status_code, {name: raw.headers.get(name) for name in _KEPT}]


def _ask(client: Any, topic: str) -> Any:
    return client.messages.create(**_asked(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with client.messages.create(**_asked(topic), stream=True) as events:
        yield from events


async def _aask(client: Any, topic: str) -> Any:
    return await client.messages.create(**_asked(topic))


async def _astream(client: Any, topic: str) -> AsyncIterator[Any]:
    async with await client.messages.create(**_asked(topic), stream=True) as events:
        async for event in events:
            yield event


def _text(answer: Any) -> str:
    text: str = answer.content[0].text
    return text


def _texts(events: Sequence[Any]) -> str:
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


# --- with_raw_response: the whole response, and what can be parsed of it


def _raw(client: Any, topic: str) -> Any:
    raw = client.messages.with_raw_response.create(**_asked(topic))
    return [*_head(raw), raw.text(), raw.parse().model_dump(mode="json", warnings=False)]


def _raw_stream(client: Any, topic: str) -> Iterator[Any]:
    raw = client.messages.with_raw_response.create(**_asked(topic), stream=True)
    yield _head(raw)
    with raw.parse() as events:
        yield from events


def _raw_dumped(told: Any) -> Any:
    """A head is a list of ours; the rest is the SDK's."""
    dump: Callable[..., Any] | None = getattr(told, "model_dump", None)
    return told if dump is None else dump(mode="json", warnings=False)


# --- with_streaming_response: a response that is read by hand


def _by_hand(client: Any, topic: str) -> Any:
    with client.messages.with_streaming_response.create(**_asked(topic)) as raw:
        return [*_head(raw), b"".join(raw.iter_bytes()).decode()]


def _lines(client: Any, topic: str) -> Iterator[Any]:
    with client.messages.with_streaming_response.create(**_asked(topic), stream=True) as raw:
        yield from raw.iter_lines()


def _line_texts(lines: Sequence[str]) -> str:
    events = [json.loads(line.removeprefix("data: ")) for line in lines if "data: " in line]
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    return "".join(delta["text"] for delta in deltas)


WAYS = {
    "sync": Way(
        make=maker(anthropic.Anthropic, ""),
        ask=_ask,
        stream=_stream,
        text=_text,
        texts=_texts,
        raises=_RAISES,
    ),
    "async": Way(
        make=maker(anthropic.AsyncAnthropic, ""),
        ask=_aask,
        stream=_astream,
        text=_text,
        texts=_texts,
        raises=_RAISES,
    ),
    "async, aiohttp": Way(
        make=maker(anthropic.AsyncAnthropic, "", http_client=anthropic.DefaultAioHttpClient),
        ask=_aask,
        stream=_astream,
        text=_text,
        texts=_texts,
        raises=_RAISES,
    ),
    "with_raw_response": Way(
        make=maker(anthropic.Anthropic, ""),
        ask=_raw,
        stream=_raw_stream,
        text=lambda answer: answer[3]["content"][0]["text"],
        texts=lambda pieces: _texts(pieces[1:]),
        raises=_RAISES,
        dumped=_raw_dumped,
    ),
    "with_streaming_response": Way(
        make=maker(anthropic.Anthropic, ""),
        ask=_by_hand,
        stream=_lines,
        text=lambda answer: json.loads(answer[2])["content"][0]["text"],
        texts=_line_texts,
        raises=_RAISES,
        dumped=as_it_is,
    ),
}
