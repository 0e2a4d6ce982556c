"""Tokenizers and scores of servers of one's own: what is certainly one, and what may be a vault."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cachesaver import dialects
from cachesaver.dialects.vllm import LocalTokens, VllmScore
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

TOKENS = LocalTokens()
SCORE = VllmScore()
ORIGIN = "http://gpu7:8000"


def ask(path: str, body: Body) -> Request:
    return Request(method="POST", url=ORIGIN + path, body=json.dumps(body).encode())


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"model": "m", "prompt": "hi"}),
        ("/tokenize", {"prompt": "hi", "add_special_tokens": False}),
        ("/tokenize", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
        ("/tokenize", {"content": "hi", "with_pieces": True}),
        ("/tokenize", {"inputs": ["a", "b"], "add_special_tokens": True}),
        ("/detokenize", {"model": "m", "tokens": [1, 2]}),
        ("/gateway/detokenize", {"model": "m", "tokens": [1]}),
        ("/score", {"model": "m", "text_1": "a", "text_2": ["b", "c"]}),
        ("/v1/score", {"model": "m", "text_1": ["a"], "text_2": ["b"], "encoding_format": "float"}),
    ],
)
def test_what_is_certainly_one_is_answered_once_for_all(path: str, body: Body) -> None:
    found = dialects.recognise(ask(path, body), body)

    assert isinstance(found, LocalTokens | VllmScore)
    assert found.deterministic
    assert found.inputs(body) == (body,)
    assert not found.wants_stream(ask(path, body), {**body, "stream": True})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"value": "4111 1111", "prefix": "card"}),
        ("/tokenize", {"content": "4111 1111"}),
        ("/tokenize", {"inputs": "4111 1111"}),
        ("/tokenize", {"prompt": "hi", "vault": "cards"}),
        ("/tokenize", {"prompt": ""}),
        ("/tokenize", {"messages": []}),
        ("/tokenize", {"text": "hi", "model": "m"}),
        ("/detokenize", {"tokens": ["tok_1"], "justification": "ticket"}),
        ("/detokenize", {"tokens": ["tok_1"]}),
        ("/detokenize", {"tokens": [41111111]}),
        ("/detokenize", {"tokens": [1], "model": 3}),
        ("/detokenize", {"tokens": [1], "justification": "ticket"}),
        ("/detokenize", {"tokens": [True]}),
        ("/detokenize", {"tokens": []}),
        ("/v1/detokenize", {"tokens": [1], "model": "command"}),
        ("/score", {"model": "m", "text_1": "a"}),
        ("/score", {"player": "me", "score": 5}),
        ("/score", {"model": "m", "text_1": "", "text_2": "b"}),
        ("/classify", {"model": "m", "input": "hi"}),
        ("/pooling", {"model": "m", "input": "hi"}),
    ],
)
def test_what_may_be_anybodys_is_not(path: str, body: Body) -> None:
    for dialect in (TOKENS, SCORE):
        fits = any(re.search(f"(?:{end})\\Z", path) for end in dialect.endpoints)
        assert not (fits and dialect.recognises(ask(path, body), body))


@pytest.mark.parametrize(
    ("answer", "sound"),
    [
        ({"count": 1, "max_model_len": 9, "tokens": [1]}, True),
        ({"tokens": [{"id": 1, "piece": "hi"}]}, True),
        ({"prompt": "hi"}, True),
        ({"content": ""}, True),
        ([[{"id": 1, "text": "hi"}]], True),
        ([], False),
        ([1], False),
        ({}, False),
        ({"error": {"message": "x"}, "prompt": ""}, False),
        ("hi", False),
    ],
)
def test_an_answer_has_tokens_or_a_text(answer: object, *, sound: bool) -> None:
    assert TOKENS.sound(response(answer)) is sound


def test_what_is_no_json_is_no_answer() -> None:
    for body in (b"", b"\xff", b"{"):
        assert not TOKENS.sound(Response(status=200, chunks=(body,)))
        assert not SCORE.sound(Response(status=200, chunks=(body,)))


SCORES: Body = {"model": "m", "data": [{"index": 0, "object": "score", "score": 0.5}]}


@pytest.mark.parametrize(
    ("answer", "sound"),
    [
        (SCORES, True),
        ({**SCORES, "data": []}, False),
        ({**SCORES, "data": [{"index": 0}]}, False),
        ({**SCORES, "data": [1]}, False),
        ({**SCORES, "error": "x"}, False),
    ],
)
def test_an_answer_has_scores(answer: object, *, sound: bool) -> None:
    assert SCORE.sound(response(answer)) is sound


def test_usage_of_scores() -> None:
    usage = {"prompt_tokens": 5, "total_tokens": 5}

    assert SCORE.usage(response({**SCORES, "usage": usage})) == ("m", usage)
    assert SCORE.usage(response({"model": 1})) == ("", {})


def test_pieces_nobody_asked_for_are_the_same_as_none() -> None:
    body = {"prompt": "hi"}
    said = {**body, "return_token_strs": False, "model": None}

    assert (
        identify(ask("/tokenize", body), TOKENS).fingerprint
        == identify(ask("/tokenize", said), TOKENS).fingerprint
    )
    more = {**body, "return_token_strs": True}
    assert (
        identify(ask("/tokenize", body), TOKENS).fingerprint
        != identify(ask("/tokenize", more), TOKENS).fingerprint
    )
