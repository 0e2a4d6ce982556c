from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver import dialects
from cachesaver.dialects.anthropic_count import AnthropicCount
from cachesaver.dialects.anthropic_messages import AnthropicMessages
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

DIALECT = AnthropicCount()
VERSION = ("anthropic-version", "2023-06-01")
OWN = "https://api.anthropic.com/v1/messages/count_tokens"
VERTEX = (
    "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic"
    "/models/count-tokens:rawPredict"
)
BODY: dict[str, Any] = {"model": "claude", "messages": [{"role": "user", "content": "hi"}]}


def request(url: str = OWN, body: object = BODY, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", url=url, headers=headers, body=json.dumps(body).encode())


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(f"{OWN}?beta=true", BODY, VERSION),
        request("http://127.0.0.1:8000/v1/messages/count_tokens", BODY, VERSION),
        request("https://api.deepseek.com/anthropic/v1/messages/count_tokens"),
        request(VERTEX),
        request(VERTEX, {**BODY, "anthropic_version": "vertex-2023-10-16"}),
    ],
)
def test_the_registry_knows_it(asked: Request) -> None:
    assert isinstance(dialects.recognise(asked, json.loads(asked.body)), AnthropicCount)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": BODY["messages"]},
        {"model": "claude", "messages": []},
        {"model": "claude", "messages": "hi"},
        {"model": "claude", "messages": [{"role": "tool", "content": "hi"}]},
    ],
)
def test_another_shape_is_not(body: dict[str, object]) -> None:
    assert dialects.recognise(request(body=body), body) is None


def test_on_a_host_of_anybody_the_version_tells() -> None:
    assert dialects.recognise(request("https://mail.test/v1/messages/count_tokens"), BODY) is None


def test_on_vertex_a_message_is_none() -> None:
    url = VERTEX.replace("count-tokens", "claude-sonnet-4-5")
    body = {**BODY, "max_tokens": 9, "anthropic_version": "vertex-2023-10-16"}

    assert isinstance(dialects.recognise(request(url), body), AnthropicMessages)


def test_caching_is_not_part_of_the_question() -> None:
    plain = {**BODY, "system": [{"type": "text", "text": "s"}]}
    marked = {**BODY, "system": [{"type": "text", "text": "s", "cache_control": {"type": "x"}}]}
    other = {**BODY, "system": [{"type": "text", "text": "t"}]}
    one, same, two = (identify(request(body=each), DIALECT) for each in (plain, marked, other))

    assert one.fingerprint == same.fingerprint != two.fingerprint
    versioned = identify(request(OWN, plain, ("anthropic-beta", "b")), DIALECT)
    assert versioned.fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("body", "sound"),
    [
        ({"input_tokens": 14}, True),
        ({"input_tokens": "14"}, False),
        ({"type": "error", "error": {}}, False),
        ([], False),
        ("text", False),
    ],
)
def test_an_answer_is_a_number(body: object, sound: object) -> None:
    assert DIALECT.sound(response(body)) is sound


def test_it_is_always_the_same_and_one_thing() -> None:
    assert DIALECT.deterministic
    assert not DIALECT.wants_stream(request(), {**BODY, "stream": True})
    assert DIALECT.inputs(BODY) == (BODY,)
    assert DIALECT.usage(response({"input_tokens": 14})) == ("", {})
