"""Gemini's embeddings, judged by the google-genai SDK."""

from __future__ import annotations

import math
from typing import Any

import httpx2
import pytest
from google.genai import errors

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.gemini_embed import EmbedApi

MODEL = "gemini-embedding-001"


def test_each_text_has_a_vector_of_length_one(gemini_client: Any) -> None:
    answer = gemini_client.models.embed_content(model=MODEL, contents=["a", "b", "a"])

    one, other, same = (each.values for each in answer.embeddings)
    assert one == same != other
    assert math.hypot(*one) == pytest.approx(1, abs=1e-6)


def test_size_and_task_are_looked_at(gemini_client: Any) -> None:
    def values(**config: object) -> Any:
        answer = gemini_client.models.embed_content(model=MODEL, contents="a", config=config)
        return answer.embeddings[0].values

    assert len(values(output_dimensionality=3)) == 3
    assert values() != values(task_type="RETRIEVAL_QUERY")


def test_the_single_form_says_the_same(
    rehearsal: Rehearsal, http: httpx2.Client, gemini_client: Any
) -> None:
    url = f"{rehearsal.gemini_url}/v1beta/models/{MODEL}:embedContent"
    batch = gemini_client.models.embed_content(model=MODEL, contents="some text")

    single = http.post(url, json={"content": {"parts": [{"text": "some text"}]}}).json()

    assert single["embedding"]["values"] == batch.embeddings[0].values
    assert single["usageMetadata"]["promptTokenCount"] == 2
    assert rehearsal.calls().of("gemini.embed").prompt_tokens == 4


NOTHING: list[dict[str, Any]] = [
    {},
    {"requests": []},
    {"requests": [{"content": {"parts": []}}]},
]


@pytest.mark.parametrize("body", NOTHING)
def test_nothing_to_embed_is_an_error(
    rehearsal: Rehearsal, http: httpx2.Client, body: dict[str, object]
) -> None:
    url = f"{rehearsal.gemini_url}/v1beta/models/{MODEL}:batchEmbedContents"

    answer = http.post(url, json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_the_sdk_raises_its_own_error(gemini_client: Any) -> None:
    with pytest.raises(errors.ClientError):
        gemini_client.models.embed_content(
            model=MODEL, contents="a", config={"output_dimensionality": -1}
        )


def test_embeddings_are_not_streamed() -> None:
    api = EmbedApi()
    ask = api.read("/models/m:embedContent", {"content": {"parts": [{"text": "a"}]}})

    assert ask.model == "m"
    assert list(api.stream(ask, ())) == []
