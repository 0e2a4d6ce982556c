from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects.mistral_fim import MistralFim
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

FIM = MistralFim()
URL = "https://api.mistral.ai/v1/fim/completions"
GAP: dict[str, Any] = {"model": "codestral-latest", "prompt": "def f(", "suffix": "return x"}
HEAD: dict[str, Any] = {"id": "1", "created": 1, "model": "codestral-latest"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
WHOLE: dict[str, Any] = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "x):"},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}


def fingerprint(body: dict[str, Any]) -> str:
    request = Request(method="POST", url=URL, body=json.dumps(body).encode())
    return identify(request, FIM).fingerprint


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (GAP, True),
        ({"model": "m", "prompt": ""}, True),
        ({"model": "", "prompt": "x"}, False),
        ({"model": "m", "prompt": ["x"]}, False),
        ({"prompt": "x"}, False),
    ],
)
def test_a_model_and_a_prompt_make_a_request(body: dict[str, Any], *, is_one: bool) -> None:
    assert FIM.recognises(Request(method="POST", url=URL), body) is is_one


@pytest.mark.parametrize(
    "extra", [{"stream": True}, {"metadata": {}}, {"prompt_cache_key": "k"}, {"stop": None}]
)
def test_what_does_not_shape_the_answer_does_not_count(extra: dict[str, Any]) -> None:
    assert fingerprint({**GAP, **extra}) == fingerprint(GAP)


@pytest.mark.parametrize(
    "extra", [{"suffix": "y"}, {"random_seed": 1}, {"min_tokens": 1}, {"stop": ["x"]}, {"n": 2}]
)
def test_all_else_does(extra: dict[str, Any]) -> None:
    assert fingerprint({**GAP, **extra}) != fingerprint(GAP)


def test_one_sample_comes_of_one_request() -> None:
    request = Request(method="POST", url=URL, body=b"{}")

    assert FIM.max_count == FIM.count({**GAP, "n": 3}) == 1
    assert FIM.ask(request, GAP, 1) is request


def test_the_whole_survives_being_streamed() -> None:
    whole = Response(status=200, chunks=(json.dumps(WHOLE).encode(),))

    stream = FIM.stream(whole, Request(method="POST", url=URL), {**GAP, "stream": True})

    assert json.loads(FIM.whole(stream).body) == WHOLE
    assert FIM.usage(stream) == FIM.usage(whole) == ("codestral-latest", USAGE)
    assert FIM.sound(stream)
    assert FIM.finished(stream.body)
    assert not FIM.sound(Response(status=200, chunks=stream.chunks[:1], headers=stream.headers))
