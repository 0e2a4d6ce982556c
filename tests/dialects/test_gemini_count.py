from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver import dialects
from cachesaver.dialects.gemini_count import GeminiCount
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

DIALECT = GeminiCount()
STUDIO = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
VERTEX = (
    "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1"
    "/publishers/google/models/gemini-2.5-flash"
)
BODY: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
NESTED: dict[str, Any] = {"generateContentRequest": {"model": "models/m", **BODY}}


def request(url: str = f"{STUDIO}:countTokens", body: object = BODY) -> Request:
    return Request(method="POST", url=url, body=json.dumps(body).encode())


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


@pytest.mark.parametrize("url", [f"{STUDIO}:countTokens", f"{VERTEX}:countTokens"])
@pytest.mark.parametrize("body", [BODY, NESTED, {"generate_content_request": BODY}])
def test_the_registry_knows_what_is_counted(url: str, body: dict[str, object]) -> None:
    assert isinstance(dialects.recognise(request(url, body), body), GeminiCount)
    assert dialects.wants("gateway.test", url.partition("/v1")[2])


@pytest.mark.parametrize("url", [f"{VERTEX}:computeTokens", f"{VERTEX}%3AcountTokens"])
def test_so_are_the_tokens_themselves(url: str) -> None:
    assert isinstance(dialects.recognise(request(url), BODY), GeminiCount)


@pytest.mark.parametrize(
    "body",
    [
        {"contents": []},
        {"contents": "hi"},
        {"contents": ["hi"]},
        {"instances": [{"prompt": "hi"}]},
        {"generateContentRequest": "hi"},
        {"generateContentRequest": {"contents": [{"role": "user"}]}},
    ],
)
def test_another_shape_is_not(body: dict[str, object]) -> None:
    assert dialects.recognise(request(body=body), body) is None


@pytest.mark.parametrize("method", [":generateContent", ":embedContent", ":predict"])
def test_neighbours_are_not(method: str) -> None:
    assert not isinstance(dialects.recognise(request(STUDIO + method), BODY), GeminiCount)


def test_what_is_counted_is_the_question() -> None:
    tools: Any = [{"googleSearch": {}}]
    asked = [
        identify(request(), DIALECT),
        identify(request(body=NESTED), DIALECT),
        identify(request(body={**BODY, "tools": tools}), DIALECT),
        identify(request(f"{VERTEX}:computeTokens"), DIALECT),
    ]

    assert len({each.fingerprint for each in asked}) == len(asked)
    same = identify(request(body={**BODY, "tools": None}), DIALECT)
    assert same.fingerprint == asked[0].fingerprint


@pytest.mark.parametrize(
    ("body", "sound"),
    [
        ({"totalTokens": 8, "promptTokensDetails": []}, True),
        ({"tokensInfo": [{"tokens": ["aGk="], "tokenIds": ["5"]}]}, True),
        ({}, False),
        ({"error": {"code": 400}, "totalTokens": 8}, False),
        ([], False),
        ("text", False),
    ],
)
def test_an_answer_counts(body: object, sound: object) -> None:
    assert DIALECT.sound(response(body)) is sound


def test_it_is_always_the_same_and_one_thing() -> None:
    assert DIALECT.deterministic
    assert not DIALECT.wants_stream(request(), {**BODY, "stream": True})
    assert DIALECT.inputs(BODY) == (BODY,)
    assert DIALECT.usage(response({"totalTokens": 8})) == ("", {})
