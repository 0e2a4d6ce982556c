"""Tables, counting and recognition of chat completions; its answers are in test_choices.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.known import DIALECTS
from cachesaver.dialects.openai_chat import (
    CompatibleChat,
    OpenAIChat,
    is_openai,
    is_signed,
)
from cachesaver.exchange import Request, Response
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
    {"safety_identifier": "u"},
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
    {"frequency_penalty": 0},
    {"presence_penalty": 0.0},
    {"logprobs": False},
    {"parallel_tool_calls": True},
]

MATTERS: list[Body] = [
    {"temperature": 0.7},
    {"seed": 1},
    {"seed": 0},
    {"top_p": 1},
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


@pytest.mark.parametrize("extra", [{"user": "u"}, {"metadata": {"run": "7"}}])
def test_labels_are_labels_only_where_that_is_documented(extra: Body) -> None:
    """Given Letta, which takes the agent from `user`, then no agent answers for another."""
    azure = "https://acme.openai.azure.com/openai/v1/chat/completions"
    router = "https://openrouter.ai/api/v1/chat/completions"

    for url in (OPENAI, azure, router):
        assert fingerprint(url, {**CHAT, **extra}) == fingerprint(url, CHAT)
    assert fingerprint(VLLM, {**CHAT, **extra}) != fingerprint(VLLM, CHAT)


@pytest.mark.parametrize("url", [OPENAI, VLLM])
@pytest.mark.parametrize("extra", MATTERS)
def test_all_other_fields_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**CHAT, **extra}) != fingerprint(url, CHAT)


@pytest.mark.parametrize("extra", OPENAI_DEFAULTS)
def test_a_default_is_dropped_only_where_it_is_documented(extra: Body) -> None:
    """Given vLLM, whose defaults are the model's, then `temperature=1` is a question of its own."""
    assert fingerprint(OPENAI, {**CHAT, **extra}) == fingerprint(OPENAI, CHAT)
    assert fingerprint(VLLM, {**CHAT, **extra}) != fingerprint(VLLM, CHAT)


@pytest.mark.parametrize("name", ["openai-organization", "openai-project", "authorization"])
def test_headers_that_say_whose_bill_it_is_do_not(name: str) -> None:
    assert fingerprint(OPENAI, CHAT, (name, "a")) == fingerprint(OPENAI, CHAT)


def test_groqs_systems_have_versions_told_in_a_header() -> None:
    url, header = "https://api.groq.com/openai/v1/chat/completions", "Groq-Model-Version"

    assert fingerprint(url, CHAT, (header, "latest")) != fingerprint(
        url, CHAT, (header, "2025-07-23")
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (OPENAI, "OpenAI"),
        (VLLM, "elsewhere"),
        ("https://api.mistral.ai/v1/chat/completions", "Mistral"),
        ("https://api.cerebras.ai/v1/chat/completions", "elsewhere"),
        ("https://api.groq.com/openai/v1/chat/completions", "Groq"),
        ("https://API.GROQ.com/openai/v1/chat/completions", "Groq"),
        ("https://api.groq.com.evil.test/openai/v1/chat/completions", "elsewhere"),
        ("https://openrouter.ai/api/v1/chat/completions", "OpenRouter"),
    ],
)
def test_one_dialect_serves_a_host(url: str, host: str) -> None:
    request = Request(method="POST", url=url)
    chats = [each for each in DIALECTS if isinstance(each, CompatibleChat)]

    assert [each.host.name for each in chats if each.recognises(request, CHAT)] == [host]


@pytest.mark.parametrize(
    ("host", "n", "at_once"),
    [
        # `n`, how many are asked for at once; 0 where the provider's own error is wanted.
        ("api.openai.com", 128, 128),
        ("api.openai.com", 129, 0),
        ("api.groq.com", 1, 1),
        ("api.groq.com", 2, 0),
        ("api.fireworks.ai", 128, 128),
        ("api.fireworks.ai", 129, 0),
        ("openrouter.ai", 2, 1),
        ("api.moonshot.ai", 5, 5),
        ("api.moonshot.cn", 6, 0),
        ("api.mistral.ai", 200, 128),
        ("a.test", 200, 128),
    ],
)
def test_what_a_host_gives_at_once_is_asked_for_at_once(host: str, n: int, at_once: int) -> None:
    found = recognise(
        Request(method="POST", url=f"https://{host}/v1/chat/completions"), {**CHAT, "n": n}
    )

    assert (found.max_count if found else 0) == at_once


@pytest.mark.parametrize(
    ("url", "body", "is_one"),
    [
        ("https://m.eastus2.models.ai.azure.com/chat/completions", {}, True),
        ("https://acme.services.ai.azure.com/models/chat/completions", {}, False),
        ("https://acme.openai.azure.com/openai/deployments/d/chat/completions", {}, True),
        ("https://openrouter.ai/api/v1/chat/completions", {"models": ["a", "b"]}, True),
        ("https://openrouter.ai/api/v1/chat/completions", {}, False),
        (VLLM, {"models": ["a"]}, False),
        (VLLM, {"model": ""}, False),
        (VLLM, {"model": ["m"]}, False),
    ],
)
def test_the_model_is_named_somewhere(url: str, body: Body, *, is_one: bool) -> None:
    asked = {"messages": CHAT["messages"], **body}

    assert (recognise(Request(method="POST", url=url), asked) is not None) is is_one


def test_a_signature_is_served_on_any_host_but_only_where_it_asks_for_one() -> None:
    request = Request(method="POST", url=VLLM, headers=(("authorization", "AWS4-HMAC-SHA256 x"),))

    assert repr(recognise(request, CHAT)) == "CompatibleChat('signed for AWS')"
    assert recognise(request, {**CHAT, "n": 2}) is None


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
    assert OpenAIChat().max_count == OpenAIChat().most == 128
    assert (CompatibleChat().max_count, CompatibleChat().most) == (128, 4096)


ANSWER: Body = {
    "id": "c",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}


def chunks_at(host: str, answer: Body, *, asked: bool) -> list[Body]:
    """What a client of *host* sees of the whole *answer*, asked for as a stream."""
    request = Request(method="POST", url=f"https://{host}/v1/chat/completions")
    dialect = recognise(request, CHAT)
    assert dialect is not None
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": asked}}
    whole = Response(status=200, chunks=(json.dumps(answer).encode(),))
    stream = dialect.stream(whole, request, body)
    return [json.loads(chunk.removeprefix(b"data: ")) for chunk in stream.chunks[:-1]]


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("host", ["api.mistral.ai", "api.deepseek.com", "openrouter.ai"])
def test_usage_is_told_unasked_with_the_last_choice_where_it_is_live(
    host: str, *, asked: bool
) -> None:
    """Given a host whose streams tell their usage, then ours does, in a chunk with a choice."""
    *others, last = chunks_at(host, ANSWER, asked=asked)

    assert last["usage"] == ANSWER["usage"]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert not any(chunk.get("usage") for chunk in others)


def test_elsewhere_usage_is_told_to_who_asks_in_a_chunk_of_its_own() -> None:
    *_, last = chunks_at("a.test", ANSWER, asked=True)

    assert (last["choices"], last["usage"]) == ([], ANSWER["usage"])
    assert not any(chunk.get("usage") for chunk in chunks_at("a.test", ANSWER, asked=False))


def test_groq_tells_its_usage_in_a_field_of_its_own() -> None:
    first, *_, last = chunks_at("api.groq.com", {**ANSWER, "x_groq": {"id": "r"}}, asked=False)

    assert first["x_groq"] == {"id": "r"}
    assert last["x_groq"] == {"id": "r", "usage": ANSWER["usage"]}
    assert last["usage"] == ANSWER["usage"]


def test_what_an_sdk_insists_on_is_told_in_the_form_that_it_is_asked_for_in() -> None:
    """Given Together and OpenRouter, whose SDKs insist on what the other form need not have."""
    chunks = chunks_at("api.together.xyz", ANSWER, asked=False)
    lines = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    stream = Response(status=200, chunks=tuple(lines))

    assert {chunk["choices"][0]["delta"]["role"] for chunk in chunks} == {"assistant"}
    for host, member in (("api.together.xyz", "prompt"), ("openrouter.ai", "system_fingerprint")):
        dialect = recognise(Request(method="POST", url=f"https://{host}/v1/chat/completions"), CHAT)
        assert dialect is not None
        assert member in json.loads(dialect.whole(stream).body)
    assert json.loads(CompatibleChat().whole(stream).body) == ANSWER


def test_a_content_in_parts_is_put_together() -> None:
    deltas: list[Body] = [
        {"role": "assistant", "content": ""},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "!"}]}]},
        {"content": "y"},
        {"content": "es", "tool_calls": [{"index": 0, "id": "a"}]},
    ]
    lines = [f"data: {json.dumps({'choices': [{'index': 0, 'delta': d}]})}\n\n" for d in deltas]
    stream = Response(status=200, chunks=tuple(line.encode() for line in lines))

    message = json.loads(CompatibleChat().whole(stream).body)["choices"][0]["message"]

    assert message == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm!"}]},
            {"type": "text", "text": "yes"},
        ],
        "tool_calls": [{"id": "a"}],
    }


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("https://openrouter.ai/api/v1/chat/completions", {"usage": {"include": True}}),
        ("https://openrouter.ai/api/v1/chat/completions", {"trace": {"trace_id": "t"}}),
        (
            "https://api.fireworks.ai/inference/v1/chat/completions",
            {"prompt_cache_isolation_key": "k"},
        ),
    ],
)
def test_noise_of_a_host_is_noise_there_only(url: str, extra: Body) -> None:
    assert fingerprint(url, {**CHAT, **extra}) == fingerprint(url, CHAT)
    assert fingerprint(VLLM, {**CHAT, **extra}) != fingerprint(VLLM, CHAT)


@pytest.mark.parametrize(
    "extra",
    [
        {"provider": {"only": ["xai"]}},
        {"models": ["a"]},
        {"plugins": []},
        {"session_id": "s"},
        {"transforms": ["middle-out"]},
        {"reasoning": {"effort": "low"}},
    ],
)
def test_what_chooses_who_answers_is_part_of_the_question(extra: Body) -> None:
    openrouter = "https://openrouter.ai/api/v1/chat/completions"

    assert fingerprint(openrouter, {**CHAT, **extra}) != fingerprint(openrouter, CHAT)


def test_a_header_of_a_host_counts_there_only() -> None:
    azure = "https://acme.services.ai.azure.com/models/chat/completions"
    header = ("extra-parameters", "drop")

    assert fingerprint(azure, CHAT, header) != fingerprint(azure, CHAT)
    assert fingerprint(VLLM, CHAT, header) == fingerprint(VLLM, CHAT)
