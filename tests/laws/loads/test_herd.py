"""1,000 draws of one question at the same time, cold: as few calls as the provider's API allows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal
from loads.plans import Ask
from loads.texts import body_of, read_answer

MANY = 1000
FEWEST = 8
"""Calls for 1,000 samples where one call asks for 128 at the most (OpenAI chat)."""

_AsyncOpenAI: Any = openai.AsyncOpenAI


@pytest.fixture(autouse=True)
def _fresh(rehearsal: Rehearsal) -> Iterator[None]:
    rehearsal.latency = 0.02
    yield
    rehearsal.latency = 0


def install(**options: Any) -> cachesaver.Session:
    return cachesaver.install("a", store="memory://", quiet=True, strict=True, **options)


async def by_httpx(url: str, question: str) -> list[str]:
    claude = question.startswith("claude")
    path = "/v1/messages" if claude else "/v1/chat/completions"
    headers = {"anthropic-version": "2023-06-01"} if claude else {}
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=httpx2.Timeout(60)
    ) as client:
        body = body_of(Ask(question=question))
        answers = await asyncio.gather(*(client.post(path, json=body) for _ in range(MANY)))
    return [read_answer("application/json", answer.content)[0] for answer in answers]


async def by_openai(url: str, question: str) -> list[str]:
    async with _AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        await client.models.list()  # it asks a thread what platform this is, once
        create = client.chat.completions.create
        body = body_of(Ask(question=question))
        answers = await asyncio.gather(*(create(**body) for _ in range(MANY)))
    return [answer.choices[0].message.content for answer in answers]


@pytest.mark.parametrize("ask", [by_httpx, by_openai])
def test_tasks_of_one_turn_share_calls(rehearsal: Rehearsal, ask: Any) -> None:
    with install():
        texts = asyncio.run(ask(rehearsal.url, "gpt"))
        warm = asyncio.run(_in("b", ask, rehearsal.url))

    chat = rehearsal.calls().of("openai.chat")
    assert len(set(texts)) == MANY
    assert sorted(warm) == sorted(texts)
    assert (chat.calls, chat.samples) == (FEWEST, MANY)


async def _in(namespace: str, ask: Any, url: str) -> list[str]:
    with cachesaver.namespace(namespace):
        texts: list[str] = await ask(url, "gpt")
    return texts


def test_threads_share_calls_where_there_is_a_window(rehearsal: Rehearsal) -> None:
    """Given 1,000 threads that ask at once, then one window makes as few calls of them."""

    def ask(_: int) -> str:
        answer = client.post("/v1/chat/completions", json=body_of(Ask(question="gpt")))
        return read_answer("application/json", answer.content)[0]

    limits = httpx2.Limits(max_connections=None)
    with (
        install(window=10.0, size=MANY),
        httpx2.Client(base_url=rehearsal.url, limits=limits, timeout=60) as client,
        ThreadPoolExecutor(MANY) as pool,
    ):
        texts = list(pool.map(ask, range(MANY)))

    chat = rehearsal.calls().of("openai.chat")
    assert len(set(texts)) == MANY
    assert (chat.calls, chat.samples) == (FEWEST, MANY)


def test_where_a_call_gives_one_sample_there_are_a_thousand_calls(rehearsal: Rehearsal) -> None:
    with install():
        texts = asyncio.run(by_httpx(rehearsal.url, "claude"))

    assert len(set(texts)) == MANY
    assert rehearsal.calls().calls == rehearsal.calls().samples == MANY
