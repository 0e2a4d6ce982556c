"""Who answers is told by headers in front of every API, and counts for each dialect."""

from __future__ import annotations

from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.generic import Generic
from cachesaver.dialects.known import DIALECTS
from cachesaver.dialects.routing import ROUTING, UNSETTLED, is_addressed_by_header
from cachesaver.exchange import Request
from cachesaver.identity import identify
from cachesaver.ports import Dialect

AT = "https://gateway.acme.test"


def asked(path: str, *headers: tuple[str, str]) -> Request:
    told = (("anthropic-version", "2023-06-01"), *headers)
    return Request(method="POST", url=f"{AT}{path}", headers=told, body=b"{}")


@pytest.mark.parametrize("name", ROUTING)
@pytest.mark.parametrize("dialect", [*DIALECTS, Generic()], ids=repr)
def test_headers_that_choose_the_answerer_count(dialect: Dialect, name: str) -> None:
    one, other = (asked("/", (name.title(), value)) for value in "ab")

    assert identify(one, dialect).fingerprint != identify(other, dialect).fingerprint


MESSAGES = [{"role": "user", "content": "hi"}]
CONTENTS = [{"parts": [{"text": "hi"}]}]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"model": "m", "messages": MESSAGES}),
    ("/v1/responses", {"model": "m", "input": "hi"}),
    ("/v1/messages", {"model": "m", "max_tokens": 1, "messages": MESSAGES}),
    ("/v1/messages/count_tokens", {"model": "m", "messages": MESSAGES}),
    ("/v1/complete", {"model": "m", "max_tokens_to_sample": 1, "prompt": "hi"}),
    ("/v1beta/models/m:generateContent", {"contents": CONTENTS}),
    ("/v1beta/models/m:embedContent", {"content": CONTENTS[0]}),
    ("/v1beta/models/m:countTokens", {"contents": CONTENTS}),
    ("/v1/rerank", {"model": "m", "query": "q", "documents": ["a"]}),
    ("/generate", {"inputs": "hi", "parameters": {"max_new_tokens": 3}}),
    ("/api/chat", {"model": "m", "messages": MESSAGES, "options": {"x": 1}}),
    ("/tokenize", {"model": "m", "prompt": "hi"}),
]


@pytest.mark.parametrize(("path", "body"), CALLS)
@pytest.mark.parametrize("name", UNSETTLED)
def test_a_gateway_told_where_to_go_by_what_we_cannot_keep_is_left_alone(
    path: str, body: dict[str, Any], name: str
) -> None:
    assert recognise(asked(path), body) is not None
    assert recognise(asked(path, (name.upper(), "x")), body) is None
    assert recognise(asked(path, (name, "x")), body, hosts=["*"]) is None


@pytest.mark.parametrize("name", UNSETTLED)
def test_headers_we_cannot_keep_are_known(name: str) -> None:
    assert is_addressed_by_header(asked("/", (name.upper(), "x")))
    assert not is_addressed_by_header(asked("/"))
