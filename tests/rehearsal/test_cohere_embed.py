"""Embeddings and tokens, judged by the cohere SDK."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import httpx2
import pytest

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.cohere_embed import EmbedApi, TokenizeApi

EMBED: Any = {"model": "embed-v4.0", "input_type": "search_document"}


def test_a_text_has_one_vector_whatever_it_comes_with(cohere_client: Any) -> None:
    one = cohere_client.embed(**EMBED, texts=["a", "b"]).embeddings.float_
    other = cohere_client.embed(**EMBED, texts=["b", "c"]).embeddings.float_

    assert one[1] == other[0] != other[1]
    assert math.isclose(sum(x * x for x in one[0]), 1, rel_tol=1e-5)


def test_the_types_are_forms_of_one_vector(cohere_client: Any) -> None:
    kinds = ["float", "int8", "uint8", "binary", "ubinary", "base64"]

    answer = cohere_client.embed(**EMBED, texts=["a"], embedding_types=kinds, output_dimension=32)

    told = answer.embeddings
    (vector,) = told.float_
    assert len(vector) == len(told.int8[0]) == len(told.uint8[0]) == 32
    assert list(struct.unpack("<32f", base64.b64decode(told.base64[0]))) == pytest.approx(vector)
    assert [byte + 128 for byte in told.binary[0]] == told.ubinary[0]
    assert f"{told.ubinary[0][0]:08b}" == "".join("1" if x > 0 else "0" for x in vector[:8])


def test_version_1_gives_a_list_unless_types_are_asked_for(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    url, ask = f"{rehearsal.url}/v1/embed", {"model": "m", "texts": ["a"]}

    plain, typed = (
        http.post(url, json=ask | more).json() for more in ({}, {"embedding_types": ["int8"]})
    )

    assert (plain["response_type"], typed["response_type"]) == (
        "embeddings_floats",
        "embeddings_by_type",
    )
    assert isinstance(plain["embeddings"][0][0], float)
    assert set(typed["embeddings"]) == {"int8"}
    assert plain["meta"]["api_version"] == {"version": "1"}


def test_images_are_billed_by_number_and_inputs_by_tokens(cohere_client: Any) -> None:
    images = cohere_client.embed(**EMBED, images=["data:image/png;base64,AA", "data:image/gif;x"])
    inputs: Any = [{"content": [{"type": "text", "text": "a"}]}]
    mixed = cohere_client.embed(**EMBED, inputs=inputs)

    assert images.meta.billed_units.images == 2
    assert [image.format for image in images.images] == ["image/png", "image/gif"]
    assert mixed.meta.billed_units.input_tokens > 0
    assert len(mixed.embeddings.float_) == 1


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"texts": ["a"], "images": ["b"]},
        {"texts": ["a"] * 97},
        {"texts": ["a"], "embedding_types": ["int4"]},
    ],
)
def test_what_cannot_be_is_refused(rehearsal: Rehearsal, http: httpx2.Client, more: Any) -> None:
    answer = http.post(f"{rehearsal.url}/v2/embed", json={"model": "m", **more})

    assert answer.status_code == 400
    assert answer.json()["message"]


def test_tokens_are_put_together_again(cohere_client: Any) -> None:
    cut = cohere_client.tokenize(text="Grüße, world!", model="command-a-03-2025", offline=False)

    assert "".join(cut.token_strings) == "Grüße, world!"
    told = cohere_client.detokenize(tokens=cut.tokens, model="command-a-03-2025", offline=False)
    assert told.text == "Grüße, world!"


def test_nothing_is_streamed_and_no_sample_is_given() -> None:
    for api, body in (
        (EmbedApi(), {"model": "m", "texts": ["a"]}),
        (TokenizeApi(), {"model": "m", "text": "a"}),
    ):
        ask = api.read("/v1/x", body)
        assert ask.count == 0
        assert list(api.stream(ask, ())) == []
