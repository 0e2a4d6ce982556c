"""Pools are unbiased: a long answer comes late, and must not therefore stand further back.

Every question's pool of 8 is filled by concurrent draws, 32 of all questions being under way at a
time, from a provider whose answers take the longer the longer they are. The first 4 of each pool
must be as long as those behind them.

Lengths are uniform from 4 to 36 words: mean 20, standard deviation 9.5, or 48 % of the mean. For
one pool, the mean of 4 drawn out of 8 without bias scatters around the mean of the 8 by
48 % * sqrt(1/4 - 1/8) = 17 %; for 110 pools, by 17 % / sqrt(110) = 1.6 %. The bound of 5 % is 3.1
of these: it would fail by chance once in 500 times (it does not, the answers are seeded), and a
true bias of 10 % stays below it once in 1,000 times.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import orjson
import pytest

import cachesaver
from cachesaver.exchange import AsyncReply, Request, Sample
from cachesaver.ports import Store
from cachesaver.rehearsal import Latency, Prompt, Rehearsal, Utterance
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.memory import MemoryStore
from loads.texts import read_answer

POOLS, DEPTH, HEAD, CONCURRENCY = 110, 8, 4, 32
SHORTEST, LONGEST = 4, 36
BOUND = 0.05
JSON = (("content-type", "application/json"),)


def uneven(prompt: Prompt, rng: Random) -> Utterance:
    """Say 4 to 36 words, each number as often as any other."""
    return Utterance(text=" ".join(["word"] * rng.randint(SHORTEST, LONGEST)))


@pytest.fixture(scope="module")
def provider() -> Iterator[Rehearsal]:
    with Rehearsal(voice=uneven, latency=Latency(base=0.01, per_token=0.01)) as opened:
        yield opened


def body_of(way: str, pool: int) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": f"Tell me about {pool}."}]}
    return body | ({"max_tokens": 500} if way == "anthropic" else {})


async def fill_pools(provider: Rehearsal, way: str) -> None:
    path = "/v1/messages" if way == "anthropic" else "/v1/chat/completions"
    seats = asyncio.Semaphore(CONCURRENCY)

    async def one(client: httpx2.AsyncClient, pool: int) -> None:
        async with seats:
            answer = await client.post(path, json=body_of(way, pool))
        answer.raise_for_status()

    headers = {"anthropic-version": "2023-06-01"} if way == "anthropic" else {}
    async with httpx2.AsyncClient(base_url=provider.url, headers=headers, timeout=60) as client:
        await asyncio.gather(*(one(client, pool) for pool in range(POOLS) for _ in range(DEPTH)))


def lengths(store: Store) -> list[list[int]]:
    """Return the words of each sample, by pool and index."""
    return [
        [
            len(read_answer("application/json", sample.response.body)[0].split())
            for _, sample in store.samples(fingerprint)
        ]
        for fingerprint, _ in store.questions()
    ]


async def fill_in_memory(session: cachesaver.Session) -> None:
    """Do as `fill_pools` does, on one loop, whose timers keep their order however late it is.

    Over sockets, a busy machine would answer in an order of its own.
    """
    seats, chance = asyncio.Semaphore(CONCURRENCY), Random(0)  # noqa: S311  # to be repeated

    async def one(pool: int, words: int) -> None:
        async def send(request: Request) -> AsyncReply:
            await asyncio.sleep(0.01 * words)
            return AsyncReply(status=200, headers=JSON, chunks=said(words), close=nothing)

        url, body = (
            "https://api.anthropic.com/v1/messages",
            orjson.dumps(body_of("anthropic", pool)),
        )
        async with seats:
            reply = await session.aanswer(
                Request(method="POST", url=url, headers=JSON, body=body), send
            )
        assert reply.status == 200

    draws = (
        (pool, chance.randint(SHORTEST, LONGEST)) for pool in range(POOLS) for _ in range(DEPTH)
    )
    await asyncio.gather(*(one(*draw) for draw in draws))


async def said(words: int) -> AsyncIterator[bytes]:
    text = " ".join(["word"] * words)
    yield orjson.dumps(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": words},
        }
    )


async def nothing() -> None:
    """There is nothing to close."""


def bias(store: Store) -> float:
    """Return by what share the heads of the pools of *store* are longer than the pools."""
    pools = lengths(store)
    assert [len(pool) for pool in pools] == [DEPTH] * POOLS
    heads = statistics.mean(length for pool in pools for length in pool[:HEAD])
    return heads / statistics.mean(length for pool in pools for length in pool) - 1


class CompletionOrder(MemoryStore):
    """The planted fault: whoever is answered first gets the lowest index."""

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        samples = self.pool(fingerprint).samples
        first = next(i for i in itertools.count() if i not in samples)
        return super().fill(fingerprint, first, token, sample, question=question)


@pytest.mark.parametrize("way", ["openai", "anthropic"])
def test_the_head_of_a_pool_is_as_long_as_the_pool(
    provider: Rehearsal, way: str, tmp_path: Path
) -> None:
    provider.reset()
    store = LmdbStore(tmp_path)

    with cachesaver.install("a", store=store, quiet=True, strict=True):
        asyncio.run(fill_pools(provider, way))

    found = bias(store)
    store.close()
    assert abs(found) < BOUND


@pytest.mark.parametrize(("kind", "is_seen"), [(CompletionOrder, True), (MemoryStore, False)])
def test_filling_in_the_order_of_completion_would_be_seen(
    kind: type[MemoryStore], *, is_seen: bool
) -> None:
    store = kind()

    with cachesaver.Session.open(namespace="a", store=store, quiet=True, strict=True) as session:
        asyncio.run(fill_in_memory(session))

    assert (bias(store) < -2 * BOUND) is is_seen
    assert (abs(bias(store)) < BOUND) is not is_seen


def test_the_bound_is_as_far_from_chance_as_from_a_bias_of_ten_percent() -> None:
    words = range(SHORTEST, LONGEST + 1)
    spread = statistics.pstdev(words) / statistics.mean(words)
    error = spread * math.sqrt((1 / HEAD - 1 / DEPTH) / POOLS)

    assert BOUND / error > 3
    assert (0.10 - BOUND) / error > 3
