from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.openai_completions import CompatibleCompletions
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/completions"
VLLM = "http://localhost:8000/v1/completions"
ASK: Body = {"model": "m", "prompt": "hi"}


def fingerprint(url: str, body: Body) -> str:
    request = Request(method="POST", url=url, body=json.dumps(body).encode())
    dialect = recognise(request, body)
    assert dialect is not None
    return identify(request, dialect).fingerprint


@pytest.mark.parametrize("url", [OPENAI, VLLM])
@pytest.mark.parametrize("extra", [{"n": 3}, {"stream": True}, {"suffix": None}])
def test_fields_that_do_not_shape_the_answer_do_not_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**ASK, **extra}) == fingerprint(url, ASK)


def test_a_user_is_a_label_only_where_that_is_documented() -> None:
    assert fingerprint(OPENAI, {**ASK, "user": "u"}) == fingerprint(OPENAI, ASK)
    assert fingerprint(VLLM, {**ASK, "user": "u"}) != fingerprint(VLLM, ASK)


@pytest.mark.parametrize("url", [OPENAI, VLLM])
@pytest.mark.parametrize(
    "extra", [{"prompt": ["hi"]}, {"logprobs": 0}, {"seed": 1}, {"echo": True}, {"suffix": "x"}]
)
def test_all_other_fields_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**ASK, **extra}) != fingerprint(url, ASK)


@pytest.mark.parametrize(
    "extra", [{"max_tokens": 16}, {"temperature": 1}, {"best_of": 1}, {"echo": False}]
)
def test_a_default_is_dropped_only_where_it_is_documented(extra: Body) -> None:
    assert fingerprint(OPENAI, {**ASK, **extra}) == fingerprint(OPENAI, ASK)
    assert fingerprint(VLLM, {**ASK, **extra}) != fingerprint(VLLM, ASK)


def stream(*choices: Body) -> Response:
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    events = [f"data: {json.dumps({**head, 'choices': [c]})}\n\n".encode() for c in choices]
    return Response(status=200, chunks=(*events, b"data: [DONE]\n\n"))


def test_texts_and_logprobs_are_appended() -> None:
    logprobs = [
        {"tokens": [t], "token_logprobs": [-1.0], "text_offset": [i]} for i, t in enumerate("ab")
    ]

    whole = CompatibleCompletions().whole(
        stream(
            {"index": 0, "text": "a", "logprobs": logprobs[0], "finish_reason": None},
            {"index": 0, "text": "b", "logprobs": logprobs[1], "finish_reason": None},
            {"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"},
        )
    )

    assert json.loads(whole.body)["choices"] == [
        {
            "index": 0,
            "text": "ab",
            "logprobs": {
                "tokens": ["a", "b"],
                "token_logprobs": [-1.0, -1.0],
                "text_offset": [0, 1],
            },
            "finish_reason": "stop",
        }
    ]


def test_a_text_that_is_none_is_refused() -> None:
    with pytest.raises(DialectError, match="not text"):
        CompatibleCompletions().whole(stream({"index": 0, "text": 1}))
