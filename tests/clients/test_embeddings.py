"""Deterministic calls of the openai and voyageai SDKs: only what nobody asked for goes upstream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from voyageai import client, client_async

import cachesaver
from cachesaver.rehearsal import Rehearsal

# Any, because the overloads of the SDKs do not survive `**ask`.
OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI
AzureOpenAI: Any = openai.AzureOpenAI
Voyage: Any = client.Client
AsyncVoyage: Any = client_async.AsyncClient

EMBED: Any = {"model": "text-embedding-3-small"}
MODERATE: Any = {"model": "omni-moderation-latest"}
COUNT: Any = {"model": "gpt-5-mini", "input": "How many tokens is this?"}


def made(url: str) -> Any:
    return OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def azure(url: str) -> Any:
    return AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2025-04-01", max_retries=0)


def vectors(answer: Any) -> list[Any]:
    return [each.embedding for each in answer.data]


# --- programs: functions of the rehearsal's address


def embeddings(url: str) -> Any:
    answer = made(url).embeddings.create(**EMBED, input=["one", "two", "three"])
    assert [each.index for each in answer.data] == [0, 1, 2]
    return answer.model_dump()


def one_embedding(url: str) -> Any:
    return made(url).embeddings.create(**EMBED, input="just one").model_dump()


async def async_embeddings(url: str) -> Any:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
        return (await client.embeddings.create(**EMBED, input=["async", "two"])).model_dump()


def token_ids(url: str) -> Any:
    create = made(url).embeddings.create
    alone = create(**EMBED, input=[5, 6, 7])
    both = create(**EMBED, input=[[5, 6, 7], [8]], encoding_format="float")
    return [alone.model_dump(), both.model_dump()]


def floats(url: str) -> Any:
    ask = EMBED | {"encoding_format": "float", "dimensions": 5}
    return made(url).embeddings.create(**ask, input=["five", "floats"]).model_dump()


def moderation(url: str) -> Any:
    answer = made(url).moderations.create(**MODERATE, input=["peace", "I want to harm the robots"])
    assert [each.flagged for each in answer.results] == [False, True]
    return answer.model_dump(by_alias=True)


def moderated_parts(url: str) -> Any:
    parts = [
        {"type": "text", "text": "harmless"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    answer = made(url).moderations.create(**MODERATE, input=parts)
    assert len(answer.results) == 1
    return answer.model_dump(by_alias=True)


def counted(url: str) -> Any:
    return made(url).responses.input_tokens.count(**COUNT).model_dump()


def azure_embeddings(url: str) -> Any:
    return azure(url).embeddings.create(model="my-deployment", input=["one", "two"]).model_dump()


def azure_chat(url: str) -> Any:
    ask: Any = {"model": "my-deployment", "messages": [{"role": "user", "content": "Hello, Azure"}]}
    return azure(url).chat.completions.create(**ask).model_dump()


def voyage(url: str) -> Any:
    client = Voyage(api_key="k", base_url=f"{url}/v1")
    answer = client.embed(["one", "two"], model="voyage-3.5", input_type="document")
    assert answer.total_tokens > 0
    return [answer.embeddings, answer.total_tokens]


async def async_voyage(url: str) -> Any:
    client = AsyncVoyage(api_key="k", base_url=f"{url}/v1")
    answer = await client.embed(["async", "voyage"], model="voyage-3.5", input_type="query")
    return [answer.embeddings, answer.total_tokens]


PROGRAMS = {
    program.__name__: program
    for program in (
        embeddings,
        one_embedding,
        async_embeddings,
        token_ids,
        floats,
        moderation,
        moderated_parts,
        counted,
        azure_embeddings,
        azure_chat,
        voyage,
        async_voyage,
    )
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


# --- what goes upstream


@pytest.fixture
def session(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[cachesaver.Session]:
    with cachesaver.install(
        namespace="a", store=tmp_path / "s", quiet=True, strict=True
    ) as installed:
        yield installed


def sent(provider: Rehearsal) -> list[Any]:
    """The inputs of each request, in the order of arrival."""
    return [json.loads(each.body)["input"] for each in provider.calls().received]


def test_the_answer_is_what_the_provider_says_to_who_asks_it_all(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    asked = ["b", "c", "a", "a longer text than the others"]
    create = made(rehearsal.url).embeddings.create

    with cachesaver.install(store=tmp_path / "s", quiet=True, strict=True):
        create(**EMBED, input=["a", "b"])
        joined = create(**EMBED, input=asked)

    assert joined == create(**EMBED, input=asked)
    assert len(rehearsal.calls().received) == 3


@pytest.mark.usefixtures("session")
class TestUpstream:
    def test_only_inputs_never_seen_are_sent_and_all_are_answered_in_order(
        self, rehearsal: Rehearsal
    ) -> None:
        create = made(rehearsal.url).embeddings.create
        first = create(**EMBED, input=["b", "a"])

        second = create(**EMBED, input=["a", "c", "b", "d", "a"])

        assert sent(rehearsal) == [["b", "a"], ["c", "d"]]
        b, a = vectors(first)
        assert [vectors(second)[place] for place in (0, 2, 4)] == [a, b, a]
        assert [each.index for each in second.data] == [0, 1, 2, 3, 4]

    def test_a_text_and_a_list_of_it_are_one_question(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).embeddings.create

        one, other = create(**EMBED, input="a"), create(**EMBED, input=["a"])

        assert sent(rehearsal) == ["a"]
        assert vectors(one) == vectors(other)

    def test_namespaces_and_replicates_share_all_answers(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).embeddings.create
        create(**EMBED, input=["a"])

        with cachesaver.namespace("b"):
            create(**EMBED, input=["a"])

        assert len(sent(rehearsal)) == 1

    def test_numbers_and_base64_are_two_questions(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).embeddings.create

        create(**EMBED, input=["a"])
        create(**EMBED, input=["a"], encoding_format="float")
        create(**EMBED, input=["a"], dimensions=5)

        assert len(sent(rehearsal)) == 3

    def test_what_is_sent_is_what_is_counted(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        create = made(rehearsal.url).embeddings.create
        create(**EMBED, input=["a", "b"])
        create(**EMBED, input=["a", "b", "c"])

        total = rehearsal.calls().total
        stats = session.stats()
        assert (total.calls, stats.calls) == (2, 2)
        assert stats.tokens_bought == total.prompt_tokens

    def test_texts_to_moderate_are_sent_once(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).moderations.create
        create(**MODERATE, input="harm")

        both = create(**MODERATE, input=["peace", "harm"])

        assert sent(rehearsal) == ["harm", ["peace"]]
        assert [each.flagged for each in both.results] == [False, True]

    def test_an_error_is_passed_on_and_kept_nowhere(self, rehearsal: Rehearsal) -> None:
        create = made(rehearsal.url).embeddings.create
        rehearsal.fault("429;times=1", endpoint="openai.embeddings")

        with pytest.raises(openai.RateLimitError):
            create(**EMBED, input=["a", "b"])
        create(**EMBED, input=["a", "b"])

        assert sent(rehearsal) == [["a", "b"], ["a", "b"]]

    def test_a_count_is_asked_for_once(self, rehearsal: Rehearsal) -> None:
        count = made(rehearsal.url).responses.input_tokens.count

        assert count(**COUNT) == count(**COUNT)
        assert rehearsal.calls().calls == 1

    def test_late_chunks_are_one_question_together(self, rehearsal: Rehearsal) -> None:
        """Given Jina's option by which inputs depend on each other, then they stay together."""
        ask = {**EMBED, "late_chunking": True}
        url = f"{rehearsal.url}/v1/embeddings"

        httpx2.post(url, json={**ask, "input": ["a", "b"]})
        httpx2.post(url, json={**ask, "input": ["a", "b"]})
        httpx2.post(url, json={**ask, "input": ["a"]})

        assert sent(rehearsal) == [["a", "b"], ["a"]]
