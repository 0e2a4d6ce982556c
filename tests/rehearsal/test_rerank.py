"""Reranking in its four forms, judged by the SDKs that there are."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import voyageai

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.rerank import RerankApi

RANK: Any = {"query": "river", "documents": ["a stone", "a river", {"text": "a bird"}]}
Voyage: Any = vars(voyageai)["Client"]  # the package does not say that it exports it


def post(http: httpx2.Client, rehearsal: Rehearsal, path: str, **body: Any) -> Any:
    return http.post(f"{rehearsal.url}{path}", json=body).json()


def test_the_best_come_first_and_the_same_have_the_same_score(cohere_client: Any) -> None:
    texts = ["a stone", "a river", "a bird"]

    ranked = cohere_client.rerank(model="rerank-v3.5", query="river", documents=texts)
    best = cohere_client.rerank(model="rerank-v3.5", query="river", documents=texts, top_n=1)

    scores = [result.relevance_score for result in ranked.results]
    assert scores == sorted(scores, reverse=True)
    assert sorted(result.index for result in ranked.results) == [0, 1, 2]
    assert best.results == ranked.results[:1]
    assert best.results[0].index == 1
    assert ranked.meta.billed_units.search_units == 1


def test_voyage_has_its_own_form(rehearsal: Rehearsal) -> None:
    client = Voyage(api_key="k", base_url=f"{rehearsal.url}/v1")

    answer = client.rerank("river", ["a stone", "a river"], "rerank-2.5", top_k=1)

    assert [result.document for result in answer.results] == ["a river"]
    assert answer.total_tokens > 0


def test_others_have_that_of_jina(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    answer = post(http, rehearsal, "/v1/rerank", model="jina-v3", **RANK, return_documents=True)

    assert answer["model"] == "jina-v3"
    assert answer["results"][0]["document"] == {"text": "a river"}
    assert answer["usage"]["total_tokens"] > 0
    none = post(http, rehearsal, "/v1/rerank", model="jina-v3", **RANK, top_n=0)
    assert none["results"] == []


def test_text_embeddings_inference_gives_a_bare_list(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    answer = post(http, rehearsal, "/rerank", query="river", texts=["a stone", "a river"])

    assert [result["index"] for result in answer] == [1, 0]


@pytest.mark.parametrize(
    "body", [{}, {"query": "q"}, {"documents": ["x"]}, {**RANK, "model": "m", "top_n": -1}]
)
def test_what_cannot_be_is_refused(rehearsal: Rehearsal, http: httpx2.Client, body: Any) -> None:
    assert http.post(f"{rehearsal.url}/v1/rerank", json=body).status_code == 400


def test_nothing_is_streamed() -> None:
    api = RerankApi()

    assert list(api.stream(api.read("/rerank", {"query": "q", "documents": ["x"]}), ())) == []
