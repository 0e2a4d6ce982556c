from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cachesaver.canonical import parse_body
from cachesaver.dialects import recognise
from cachesaver.dialects.bedrock_tokens import CountTokens
from cachesaver.exchange import Request, Response
from recordings import read_corpus

URL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/count-tokens"
DIALECT = CountTokens()


def response(body: bytes) -> Response:
    return Response(status=200, chunks=(body,))


@pytest.mark.parametrize(
    ("body", "is_known"),
    [
        ({"input": {"converse": {"messages": []}}}, True),
        ({"input": {"invokeModel": {"body": "e30="}}}, True),
        ({"input": {}}, False),
        ({"input": "hi"}, False),
        ({"messages": []}, False),
    ],
)
def test_what_is_counted_is_a_request_of_one_of_two_kinds(
    body: dict[str, Any], *, is_known: bool
) -> None:
    request = Request(method="POST", url=URL, body=json.dumps(body).encode())

    assert isinstance(recognise(request, body), CountTokens) is is_known


def test_a_count_is_always_the_same_and_costs_nothing() -> None:
    """Given that it is free, then what it counts is no usage."""
    counted = response(b'{"inputTokens":11}')

    assert DIALECT.deterministic
    assert DIALECT.sound(counted)
    assert DIALECT.usage(counted) == ("", {})
    assert not DIALECT.sound(response(b'{"message":"no"}'))
    assert not DIALECT.sound(response(b""))


def test_recorded_counts_are_sound_and_their_errors_are_not(corpus: Path) -> None:
    found = [
        (exchange.status, DIALECT.sound(exchange.response))
        for exchange in read_corpus(corpus)
        if exchange.request
        and exchange.provider == "bedrock"
        and isinstance(
            recognise(exchange.request, parse_body(exchange.request).members), CountTokens
        )
    ]

    assert sorted(found, key=str) == [(200, True)] * 3 + [(400, False)] * 3
