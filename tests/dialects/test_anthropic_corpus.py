"""Recorded traffic and the official SDK as oracles for `cachesaver.dialects.anthropic_messages`.

Whatever a recorded stream was, the SDK's own accumulator and ours make one message of it; and what
we make of a message, the SDK's stream helpers accept.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from anthropic import Anthropic

from cachesaver.dialects.anthropic_messages import AnthropicMessages
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

CORPUS = Path(os.environ.get("CACHESAVER_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
DIALECT = AnthropicMessages()
URL = "https://api.anthropic.com/v1/messages"

REFUSED = {
    # max_tokens struck within the arguments of a call: the SDK guesses how they go on
    "incomplete_partial_json_response.txt",
    # made up by their project: two messages in one stream
    "duplicate-message-start.chunks.txt",
    "spliced-message-start.chunks.txt",
}
"""Recordings that are not to be made whole. This table only ever shrinks."""

NOT_ACCUMULATED = {
    # OpenRouter tells in the last usage what Anthropic tells in the first, or not at all
    "gateway_message_delta_metadata.yaml": {"cost", "cost_details", "is_byok", "cache_creation"},
}
"""What recordings tell of the usage in `message_delta` that the SDK's accumulator passes over."""


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def texts(node: yaml.Node) -> Iterator[str]:
    """Every string anywhere in a cassette, whatever library's objects it is made of."""
    if isinstance(node, yaml.ScalarNode):
        yield str(node.value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from texts(each)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from texts(value)


def streams(path: Path) -> list[bytes]:
    """The bodies of the streams that were recorded in the file *path*."""
    if path.suffix == ".txt" and ".chunks" not in path.name:
        return [path.read_bytes()]
    if path.suffix == ".txt":
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
        events = [f"event: {json.loads(line)['type']}\ndata: {line}\n\n" for line in lines]
        told = re.split(r'(?<="message_stop"}\n\n)', "".join(events))
        return [stream.encode() for stream in told if stream]
    return [
        text.encode()
        for cassette in yaml.compose_all(content(path), yaml.CSafeLoader)
        for text in texts(cassette)
        if re.match(r"\s*event: message_start\r?\n", text)
    ]


def recordings() -> list[Path]:
    """Every file of the corpus that holds a stream of the Messages API."""
    found = sorted(CORPUS.glob("**/*")) if CORPUS.is_dir() else []
    return [
        path
        for path in found
        if path.name.endswith((".txt", ".yaml", ".yml", ".yaml.gz"))
        and b"message_start" in content(path)
    ]


RECORDINGS = recordings()
pytestmark = pytest.mark.skipif(not RECORDINGS, reason=f"no recorded traffic at {CORPUS}")


def client(body: bytes, kind: str) -> Anthropic:
    """The official client, and a provider that answers everything with *body*."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": kind})

    transport = httpx2.MockTransport(answer)
    return Anthropic(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport))


ASK: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


def accumulated(body: bytes) -> object:
    """The message that the SDK's beta stream helper makes of a stream.

    It fails on what OpenRouter closes its streams with.
    """
    anthropics = body.removesuffix(b"event: data\ndata: [DONE]\n\n")
    with client(anthropics, "text/event-stream").beta.messages.stream(**ASK) as stream:
        return said(stream.get_final_message().to_dict(mode="json"))


def parsed(body: bytes) -> object:
    """The message that the SDK reads from a whole response."""
    beta: Any = client(body, "application/json").beta
    message = beta.messages.create(**ASK)
    return said(message.to_dict(mode="json"))


def said(value: Any) -> Any:
    """*value* without the nulls that the SDK's types put where nothing was said."""
    if isinstance(value, list):
        return [said(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if hasattr(value, "items"):
        return {name: said(each) for name, each in value.items() if each is not None}
    return value


def whole(body: bytes) -> Response:
    return DIALECT.whole(Response(status=200, chunks=(body,)))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_a_recorded_stream_is_the_message_that_the_sdk_makes_of_it(path: Path) -> None:
    recorded = streams(path)

    assert recorded
    for body in recorded:
        assert DIALECT.sound(Response(status=200, chunks=(body,)))
        if path.name in REFUSED:
            with pytest.raises(DialectError):
                whole(body)
            continue
        made = whole(body).body
        told, ours = accumulated(body), json.loads(made)
        for name in NOT_ACCUMULATED.get(path.name, ()):
            del ours["usage"][name]
        assert said(ours) == told
        assert parsed(json.dumps(ours).encode()) == told


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_what_we_stream_the_sdk_accumulates_to_the_same_message(path: Path) -> None:
    for body in streams(path):
        if path.name in REFUSED:
            continue
        made = whole(body)
        again = DIALECT.stream(made, Request(method="POST", url=URL), {"stream": True})
        assert accumulated(again.body) == parsed(made.body)
        assert json.loads(DIALECT.whole(again).body) == json.loads(made.body)
        assert DIALECT.finished(again.body[-4096:])
        assert DIALECT.usage(again) == DIALECT.usage(made) == DIALECT.usage(response(body))


def response(body: bytes) -> Response:
    return Response(status=200, chunks=(body,))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_a_recorded_stream_has_said_its_last_word_at_its_end_and_not_before(path: Path) -> None:
    for body in streams(path):
        ended = body.rstrip() + b"\n\n"
        events = re.split(rb"(?<=\n\n)", ended)[:-1]
        if b"[DONE]" in events[-1]:
            events.pop()

        assert DIALECT.finished(ended[-4096:])
        for at in range(1, len(events)):
            assert not DIALECT.finished(b"".join(events[:at])[-4096:])


WHOLES = [
    path
    for path in sorted(CORPUS.glob("vercel+ai/packages/anthropic/src/__fixtures__/*.json"))
    if json.loads(path.read_bytes()).get("type") == "message"
]


@pytest.mark.parametrize("path", WHOLES, ids=lambda path: path.name)
def test_a_recorded_message_streamed_is_the_same_to_the_sdk(path: Path) -> None:
    body = path.read_bytes()
    made = DIALECT.stream(response(body), Request(method="POST", url=URL), {"stream": True})

    assert DIALECT.sound(response(body))
    assert json.loads(DIALECT.whole(made).body) == json.loads(body)
    assert accumulated(made.body) == parsed(body)


def test_the_raw_events_of_the_sdk_are_the_ones_we_sent() -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "t"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, "ü"]}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    made = DIALECT.stream(response(json.dumps(body).encode()), Request(method="POST", url=URL), {})

    events = client(made.body, "text/event-stream").messages.create(**ASK, stream=True)
    sent = [json.loads(chunk.partition(b"data: ")[2]) for chunk in made.chunks]

    assert [said(event.to_dict(mode="json")) for event in events] == said(sent)
