"""Tables, counting and recognition of chat completions; its answers are in test_choices.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.openai_chat import (
    ROUTING,
    UNSETTLED,
    CompatibleChat,
    OneChoiceChat,
    OpenAIChat,
    is_addressed_by_header,
    is_openai,
    is_signed,
)
from cachesaver.exchange import Request
from cachesaver.identity import identify

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/chat/completions"
VLLM = "http://localhost:8000/v1/chat/completions"
CHAT: Body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def fingerprint(url: str, body: Body, *headers: tuple[str, str]) -> str:
    request = Request(method="POST", url=url, headers=headers, body=json.dumps(body).encode())
    dialect = recognise(request, body)
    assert dialect is not None
    return identify(request, dialect).fingerprint


NO_MATTER: list[Body] = [
    {"stream": True},
    {"stream": True, "stream_options": {"include_usage": True}},
    {"n": 1},
    {"n": 5},
    {"user": "u"},
    {"safety_identifier": "u"},
    {"metadata": {"run": "7"}},
    {"store": True},
    {"service_tier": "flex"},
    {"prompt_cache_key": "k"},
    {"prompt_cache_retention": "24h"},
    {"prompt_cache_options": {"mode": "explicit"}},
    {"temperature": None},
    {"tools": None, "stop": None},
]
"""On every host."""

OPENAI_DEFAULTS: list[Body] = [
    {"temperature": 1},
    {"temperature": 1.0},
    {"top_p": 1},
    {"frequency_penalty": 0},
    {"presence_penalty": 0.0},
    {"logprobs": False},
    {"parallel_tool_calls": True},
]

MATTERS: list[Body] = [
    {"temperature": 0.7},
    {"seed": 1},
    {"seed": 0},
    {"max_tokens": 10},
    {"max_completion_tokens": 10},
    {"reasoning_effort": "medium"},
    {"verbosity": "medium"},
    {"response_format": {"type": "text"}},
    {"tools": []},
    {"tool_choice": "auto"},
    {"stop": []},
    {"logprobs": True},
    {"top_logprobs": 0},
    {"modalities": ["text"]},
    {"parallel_tool_calls": False},
    {"web_search_options": {}},
    {"top_k": 5},
    {"guided_json": {}},
    {"model": "other"},
    {"messages": [{"role": "user", "content": "hi", "name": "u"}]},
]


@pytest.mark.parametrize("url", [OPENAI, VLLM])
@pytest.mark.parametrize("extra", NO_MATTER)
def test_fields_that_do_not_shape_the_answer_do_not_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**CHAT, **extra}) == fingerprint(url, CHAT)


@pytest.mark.parametrize("url", [OPENAI, VLLM])
@pytest.mark.parametrize("extra", MATTERS)
def test_all_other_fields_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**CHAT, **extra}) != fingerprint(url, CHAT)


@pytest.mark.parametrize("extra", OPENAI_DEFAULTS)
def test_a_default_is_dropped_only_where_it_is_documented(extra: Body) -> None:
    """Given vLLM, whose defaults are the model's, then `temperature=1` is a question of its own."""
    assert fingerprint(OPENAI, {**CHAT, **extra}) == fingerprint(OPENAI, CHAT)
    assert fingerprint(VLLM, {**CHAT, **extra}) != fingerprint(VLLM, CHAT)


@pytest.mark.parametrize("name", ROUTING)
def test_headers_that_choose_the_answerer_count(name: str) -> None:
    assert fingerprint(VLLM, CHAT, (name.title(), "a")) != fingerprint(VLLM, CHAT, (name, "b"))


@pytest.mark.parametrize("name", ["openai-organization", "openai-project", "authorization"])
def test_headers_that_say_whose_bill_it_is_do_not(name: str) -> None:
    assert fingerprint(OPENAI, CHAT, (name, "a")) == fingerprint(OPENAI, CHAT)


@pytest.mark.parametrize("name", UNSETTLED)
def test_headers_we_cannot_keep_are_known(name: str) -> None:
    request = Request(method="POST", url=VLLM, headers=((name.upper(), "x"),))

    assert is_addressed_by_header(request)
    assert not is_addressed_by_header(Request(method="POST", url=VLLM))


def test_the_three_serve_hosts_that_no_other_serves() -> None:
    groq = "https://api.groq.com/openai/v1/chat/completions"

    for url, kind in ((OPENAI, OpenAIChat), (groq, OneChoiceChat), (VLLM, CompatibleChat)):
        request = Request(method="POST", url=url)
        serving = [
            type(dialect)
            for dialect in (OpenAIChat(), OneChoiceChat(), CompatibleChat())
            if dialect.recognises(request, CHAT)
        ]
        assert serving == [kind]


def test_openai_and_signatures_are_told_by_host_and_header() -> None:
    signed = Request(method="POST", url=VLLM, headers=(("authorization", "AWS4-HMAC-SHA256 x"),))

    assert is_openai(Request(method="POST", url=OPENAI))
    assert not is_openai(signed)
    assert is_signed(signed)
    assert not is_signed(Request(method="POST", url=VLLM, headers=(("authorization", "Bearer x"),)))


@pytest.mark.parametrize(("n", "count"), [(None, 1), (1, 1), (5, 5), (5.0, 5)])
def test_n_is_the_count(n: object, count: int) -> None:
    assert CompatibleChat().count({**CHAT, "n": n}) == count


def test_asking_for_the_same_number_asks_the_same() -> None:
    request = Request(method="POST", url=OPENAI, body=b'{"n": 2}')

    assert CompatibleChat().ask(request, {"n": 2}, 2) is request


def test_asking_for_more_writes_n() -> None:
    body = json.dumps(CHAT).encode()

    asked = CompatibleChat().ask(Request(method="POST", url=OPENAI, body=body), CHAT, 3)

    assert json.loads(asked.body) == {**CHAT, "n": 3}


def test_the_limit_is_the_documented_one() -> None:
    assert OpenAIChat().max_count == 128
    assert OneChoiceChat().max_count == 1
