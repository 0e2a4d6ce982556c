"""What makes two calls the same question, and what must never: seen through the SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal

OpenAI: Any = openai.OpenAI
Anthropic: Any = anthropic.Anthropic

ONE: Any = {"role": "user", "content": "one"}
TWO: Any = {"role": "user", "content": "two"}
SAID: Any = {"role": "assistant", "content": "said"}
CHAT: Any = {"model": "gpt-5-mini", "messages": [ONE]}


@pytest.fixture
def create(rehearsal: Rehearsal) -> Iterator[Any]:
    """Asks in one namespace after another, so that what is the same question is a hit."""
    with (
        cachesaver.install(store="memory://", quiet=True, strict=True) as session,
        OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client,
    ):
        count = iter(range(1000))

        def ask(**question: Any) -> tuple[str, bool]:
            hits = session.stats().hits
            with cachesaver.namespace(f"n{next(count)}"):
                answer = client.chat.completions.create(**CHAT | question)
            return answer.choices[0].message.content, session.stats().hits > hits

        yield ask


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"messages": [ONE, TWO]}, {"messages": [TWO, ONE]}),
        ({"messages": [ONE]}, {"messages": [ONE, ONE]}),
        ({"messages": [ONE, SAID, ONE]}, {"messages": [ONE, ONE, SAID]}),
        ({"messages": [ONE]}, {"messages": [ONE | {"role": "system"}]}),
        ({"messages": [ONE]}, {"messages": [ONE | {"content": "one "}]}),
        ({"messages": [ONE]}, {"messages": [ONE | {"name": "ann"}]}),
        ({"model": "gpt-5-mini"}, {"model": "gpt-5-mini-2025-08-07"}),
        ({"seed": 1}, {"seed": 2}),
        ({}, {"seed": 0}),
        ({}, {"temperature": 0}),
        ({"max_tokens": 5}, {"max_tokens": 6}),
        ({"stop": "xyzzy"}, {"stop": "plugh"}),
        ({}, {"response_format": {"type": "json_object"}}),
        ({}, {"logprobs": True}),
        ({}, {"user": "somebody"}),
    ],
)
def test_another_question(create: Any, first: Any, second: Any) -> None:
    """Given what can change the answer, then it is another question, whichever comes first."""
    for one, other in ((first, second), (second, first)):
        text, _ = create(**one, safety_identifier="u")
        others, hit = create(**other)

        assert others != text
    assert hit, "both are known by now"


@pytest.mark.parametrize(
    "same",
    [
        {"n": None},
        {"n": 1},
        {"stream": False},
        {"safety_identifier": "somebody"},
        {"prompt_cache_key": "7"},
        {"extra_headers": {"x-request-id": "r", "traceparent": "00-0-0-00"}},
        {"timeout": 7},
        {"messages": [{"content": "one", "role": "user"}]},
    ],
    ids=str,
)
def test_the_same_question(create: Any, same: Any) -> None:
    text, _ = create()

    assert create(**same) == (text, True)


def test_numbers_that_are_one_number(create: Any) -> None:
    text, _ = create(temperature=1, top_p=0.5)

    assert create(temperature=1.0, top_p=5e-1) == (text, True)


def test_where_a_question_is_asked_matters(rehearsal: Rehearsal) -> None:
    """Given one store and two providers, then neither answers for the other."""
    with (
        Rehearsal(seed=1) as another,
        cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True),
    ):
        texts = list[str]()
        for provider in (rehearsal, another):
            with OpenAI(base_url=provider.openai_url, api_key="k") as client:
                answer = client.chat.completions.create(**CHAT)
                texts.append(answer.choices[0].message.content)

        assert texts[0] != texts[1]
        assert (rehearsal.calls().calls, another.calls().calls) == (1, 1)


def test_whose_key_asks_does_not(rehearsal: Rehearsal) -> None:
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True):
        texts = list[str]()
        for key in ("mine", "theirs"):
            with (
                OpenAI(base_url=rehearsal.openai_url, api_key=key) as client,
                cachesaver.namespace(key),
            ):
                texts.append(client.chat.completions.create(**CHAT).choices[0].message.content)

    assert texts[0] == texts[1]
    assert rehearsal.calls().calls == 1


def test_which_endpoint_is_asked_matters(rehearsal: Rehearsal) -> None:
    """Given a body that two endpoints take, then the answer of one is not that of the other."""
    body = {**CHAT, "max_tokens": 50}
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True):
        chat = httpx.post(f"{rehearsal.url}/v1/chat/completions", json=body).json()
        messages = httpx.post(f"{rehearsal.url}/v1/messages", json=body).json()

    assert (chat["object"], messages["type"]) == ("chat.completion", "message")
    assert rehearsal.calls().calls == 2


def test_in_one_namespace_every_draw_is_another_sample(rehearsal: Rehearsal) -> None:
    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True),
        OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
        Anthropic(base_url=rehearsal.anthropic_url, api_key="k") as other,
    ):
        answers = [client.chat.completions.create(**CHAT, n=n) for n in (1, None, 3, 2)]
        messages = [other.messages.create(**CHAT, max_tokens=50) for _ in range(3)]

    texts = [choice.message.content for answer in answers for choice in answer.choices]
    assert len(set(texts)) == len(texts) == 7
    assert len({message.content[0].text for message in messages}) == 3
    assert rehearsal.calls().samples == 10
