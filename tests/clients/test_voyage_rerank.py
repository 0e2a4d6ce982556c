"""voyageai's reranking, over requests and aiohttp: one answer to a question, bought once."""

from __future__ import annotations

from typing import Any

import pytest
import voyageai

DOCUMENTS = ["a stone", "a river", "a bird"]
RANK: Any = {"query": "river", "documents": DOCUMENTS, "model": "rerank-2.5"}

# By name, because the package does not say that it exports them.
Client: Any = vars(voyageai)["Client"]
AsyncClient: Any = vars(voyageai)["AsyncClient"]


def made(url: str) -> Any:
    return Client(api_key="k", base_url=f"{url}/v1")


def told(answer: Any) -> Any:
    return [[list(result) for result in answer.results], answer.total_tokens]


# --- programs: functions of the rehearsal's address


def ranked(url: str) -> Any:
    answer = told(made(url).rerank(**RANK))
    assert answer == told(made(url).rerank(**RANK))
    assert answer[0][0][1] == "a river"
    return answer


def best(url: str) -> Any:
    answer = told(made(url).rerank(**RANK, top_k=1))
    assert len(answer[0]) == 1
    return answer


def truncated(url: str) -> Any:
    return told(made(url).rerank(**RANK, truncation=False))


async def awaited(url: str) -> Any:
    return told(await AsyncClient(api_key="k", base_url=f"{url}/v1").rerank(**RANK, top_k=2))


PROGRAMS = {program.__name__: program for program in (ranked, best, truncated, awaited)}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal answers, and the provider no call."""
    played.assert_bought_once(name)
    assert played.bought[name]["calls"] == 1
