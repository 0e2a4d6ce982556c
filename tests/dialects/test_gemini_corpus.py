"""Recorded traffic and the official SDK as oracles for `cachesaver.dialects.gemini`.

The SDK has no accumulator: what its users gather from a recorded stream, chunk by chunk, must be
what they read from the whole response we make of it, and from the streams we make of that.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from google.genai import Client, types

from cachesaver.dialects.gemini import Gemini
from cachesaver.exchange import Request, Response

CORPUS = Path(os.environ.get("CACHESAVER_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
DIALECT = Gemini()
STREAM = "https://generativelanguage.googleapis.com/v1/models/m:streamGenerateContent"
EVENTS = Request(method="POST", url=f"{STREAM}?alt=sse")
ARRAY = Request(method="POST", url=STREAM)

NUMBERED = {
    b"finishReason": b'"finishReason":"STOP"',
    b"modality": b'"modality":"TEXT"',
    b"trafficType": b'"trafficType":"ON_DEMAND"',
}
"""With `$alt=json;enum-encoding=int` enums are numbers, which the SDK cannot read: here they are 1."""


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


def bodies(path: Path) -> Iterator[str]:
    """What may be a response body in the file *path*."""
    text = path.read_text("utf-8", "replace")
    if path.suffix == ".txt":
        yield "".join(f"data: {line}\n\n" for line in text.splitlines() if line.strip())
    elif path.suffix == ".httprr":
        yield from re.split(r"(?m)^HTTP/[12](?:\.\d)? \d+ .*\n(?:.+\n)+\r?\n|^\d+ \d+\nPOST ", text)
    else:
        for cassette in yaml.compose_all(text, yaml.CSafeLoader):
            yield from texts(cassette)


def streams(path: Path) -> list[bytes]:
    """The bodies of the streams of candidates that were recorded in the file *path*."""
    found = [body.strip() for body in bodies(path)]
    return [
        body.encode() + b"\n\n"
        for body in found
        if body.startswith(("data: {", "[{", "[ {")) and '"candidates"' in body
    ]


def recordings() -> list[Path]:
    """Every file of the corpus that holds a stream of generateContent."""
    names = (".txt", ".yaml", ".yml", ".httprr")
    found = sorted(CORPUS.glob("**/*")) if CORPUS.is_dir() else []
    likely = (path for path in found if path.name.endswith(names))
    return [path for path in likely if b"finishReason" in path.read_bytes() and streams(path)]


RECORDINGS = recordings()
pytestmark = pytest.mark.skipif(not RECORDINGS, reason=f"no recorded traffic at {CORPUS}")


def client(body: bytes, kind: str) -> Client:
    """The official client, and a provider that answers everything with *body*."""

    named = re.sub(rb'"(\w+)": ?1\b', lambda found: NUMBERED.get(found[1], found[0]), body)

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=named, headers={"content-type": kind})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))


def streamed(body: bytes) -> list[types.GenerateContentResponse]:
    models: Any = client(body, "text/event-stream").models
    return list(models.generate_content_stream(model="m", contents="?"))


def whole(body: bytes) -> list[types.GenerateContentResponse]:
    models: Any = client(body, "application/json").models
    return [models.generate_content(model="m", contents="?")]


def gathered(responses: Iterable[types.GenerateContentResponse]) -> dict[str, Any]:
    """What a user gathers from the chunks of a stream, or from the one whole response."""
    told: dict[str, Any] = {"text": "", "thought": "", "parts": [], "calls": []}
    for response in responses:
        told |= {
            "usage": response.usage_metadata or told.get("usage"),
            "model": response.model_version or told.get("model"),
            "id": response.response_id or told.get("id"),
        }
        for candidate in response.candidates or []:
            told |= {
                "finish": candidate.finish_reason or told.get("finish"),
                "grounding": candidate.grounding_metadata or told.get("grounding"),
                "safety": candidate.safety_ratings or told.get("safety"),
            }
            parts = candidate.content.parts if candidate.content else None
            for part in parts or []:
                told["thought" if part.thought else "text"] += part.text or ""
                if part.function_call is not None:
                    add_call(part, told["calls"])
                elif part.text is None or part.thought_signature:
                    told["parts"].append(part)
    return told


def add_call(part: types.Part, calls: list[dict[str, Any]]) -> None:
    """A call, or a piece of the last one, with what stands where in its arguments."""
    call = part.function_call or types.FunctionCall()
    if call.name:
        named = {"name": call.name, "id": call.id, "signature": part.thought_signature}
        calls.append({**named, "args": leaves(call.args or {})})
    for piece in call.partial_args or []:
        given, path = calls[-1]["args"], piece.json_path
        if piece.string_value is None:
            given[path] = piece.bool_value if piece.number_value is None else piece.number_value
        else:
            given[path] = given.get(path, "") + piece.string_value


def leaves(value: Any, path: str = "$") -> dict[str, Any]:
    if not isinstance(value, dict | list):
        return {path: value}
    items: Any = (
        [(f"{path}.{name}", each) for name, each in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if isinstance(value, dict)
        else [(f"{path}[{place}]", each) for place, each in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    )
    return {where: leaf for step, each in items for where, leaf in leaves(each, step).items()}


def response(body: bytes) -> Response:
    return Response(status=200, chunks=(body,))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_users_gather_the_same_from_the_recording_and_from_the_whole(path: Path) -> None:
    for body in streams(path):
        assert DIALECT.sound(response(body))
        assert DIALECT.streamed(response(body))
        made = DIALECT.whole(response(body))
        told = streamed(as_events(body))
        assert gathered(whole(made.body)) == gathered(told)
        assert told


def as_events(body: bytes) -> bytes:
    """*body* as the SDK asks for it; it never asks for an array."""
    if body.startswith(b"data"):
        return body
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in json.loads(body))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_users_gather_the_same_from_what_we_stream(path: Path) -> None:
    for body in streams(path):
        made = DIALECT.whole(response(body))
        events, array = (DIALECT.stream(made, ask, {}) for ask in (EVENTS, ARRAY))

        assert gathered(streamed(events.body)) == gathered(whole(made.body))
        assert json.loads(DIALECT.whole(events).body) == json.loads(made.body)
        assert json.loads(DIALECT.whole(array).body) == json.loads(made.body)
        assert DIALECT.usage(events) == DIALECT.usage(made) == DIALECT.usage(response(body))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_a_recording_that_lacks_its_end_is_not_sound(path: Path) -> None:
    for body in streams(path):
        end = body.rindex(b'"finishReason"')
        assert not DIALECT.sound(response(body[:end]))
        told = [json.loads(each[6:]) for each in as_events(body).splitlines() if each[:1] == b"d"]
        before = next(
            at for at, chunk in enumerate(told) if b"finishReason" in json.dumps(chunk).encode()
        )
        if before:
            assert not DIALECT.sound(response(json.dumps(told[:before]).encode()))


WHOLES = [
    path
    for path in sorted(CORPUS.glob("vercel+ai/packages/google/src/__fixtures__/*.json"))
    if "candidates" in json.loads(path.read_bytes())
]


@pytest.mark.parametrize("path", WHOLES, ids=lambda path: path.name)
def test_a_recorded_response_streamed_is_the_same_to_users(path: Path) -> None:
    body = path.read_bytes()
    made = DIALECT.stream(response(body), EVENTS, {})

    assert gathered(streamed(made.body)) == gathered(whole(body))
    assert json.loads(DIALECT.whole(made).body) == json.loads(body)


def test_what_the_sdk_sends_is_recognised_and_its_stream_is_the_same_question() -> None:
    seen: list[Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(Request(method="POST", url=str(request.url), body=request.read()))
        return httpx2.Response(200, json={"candidates": [{"finishReason": "STOP"}]})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    models: Any = Client(api_key="k", http_options=types.HttpOptions(httpx_client=http)).models
    config = types.GenerateContentConfig(candidate_count=3)
    models.generate_content(model="gemini-2.5-flash", contents="hi", config=config)
    list(models.generate_content_stream(model="gemini-2.5-flash", contents="hi", config=config))

    sent = [json.loads(each.body) for each in seen]
    assert sent[0] == sent[1]
    assert all(map(DIALECT.recognises, seen, sent))
    assert [DIALECT.wants_stream(each, sent[0]) for each in seen] == [False, True]
    assert DIALECT.count(sent[0]) == 3
    targets = {
        DIALECT.target(path, query) for path, _, query in (each.url.partition("?") for each in seen)
    }
    assert len(targets) == 1
